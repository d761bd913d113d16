"""Servers and networks that fail while a month is replaced: what the run makes of it."""

from __future__ import annotations

from qa.chaos.disk_faults import disk_faults
from qa.chaos.fault import Fault, NotPossibleHereError
from qa.chaos.http_faults import bigquery_faults, gcs_faults, source_faults
from qa.chaos.kills import Tell
from qa.chaos.postgres_faults import postgres_faults
from qa.chaos.two_versions import Trial, TwoVersions


def faults() -> list[Fault]:
    return [
        *postgres_faults(), *disk_faults(), *gcs_faults(), *bigquery_faults(), *source_faults(),
    ]  # fmt: skip


def run_faults(month: TwoVersions, chosen: list[Fault], tell: Tell) -> list[Trial]:
    trials = []
    for number, fault in enumerate(chosen, 1):
        try:
            trials.append(_trial(month, fault))
        except NotPossibleHereError as why:
            trials.append(Trial(fault.of, fault.what, f"not tried: {why}", (), reached=False))
        verdict = "; ".join(trials[-1].problems) or trials[-1].outcome
        tell(f"fault {number}/{len(chosen)}  {fault.of}: {fault.what}: {verdict}")
    return trials


def _trial(month: TwoVersions, fault: Fault) -> Trial:
    month.offer_other()
    with fault.during(month.world) as happened:
        ending = month.run()
        reached = happened() > 0
    problems = list(month.torn())
    if fault.said not in ending.error or (ending.error and not fault.said):
        problems.append(f"the run said {ending.error!r}, expected {fault.said!r}")
    month.load()
    problems += month.unlike_undisturbed()
    outcome = "refused, then repaired by the next run" if ending.error else "absorbed"
    return Trial(fault.of, fault.what, outcome, tuple(problems), reached, ending.error)
