"""Cases run in turn, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from qa.benchmarks.cases import Case
from qa.benchmarks.measure import CaseFailedError, measured, plain
from qa.benchmarks.results import Outcome, Run
from qa.benchmarks.workbench import Workbench


def run_in_turn(
    cases: Mapping[str, Case], bench: Workbench, rounds: int, warm_ups: int
) -> dict[str, Outcome]:
    """Run every case once per round, each round in the opposite order of the last.

    A peer that fails is reported with its reason and left out of the rounds to come.

    Raises:
        CaseFailedError: a case of ours failed.
    """
    outcomes = {
        name: Outcome(name, case.title, case.kind, share=case.share) for name, case in cases.items()
    }
    for number in range(-warm_ups, rounds):
        label = f"round {number + 1}/{rounds}" if number >= 0 else "warm-up"
        for name in [*cases] if number % 2 == 0 else reversed([*cases]):
            outcome = outcomes[name]
            if outcome.reason:
                continue
            try:
                run, rows = _run(cases[name], bench)
            except CaseFailedError as error:
                if outcome.kind != "peer":
                    raise CaseFailedError(f"{name}: {error}") from error
                outcome = replace(outcome, runs=(), reason=plain(str(error)))
                print(f"{label}  {name:<20} {error}", file=sys.stderr)
            else:
                # What a warm-up round measured is forgotten.
                runs = (*outcome.runs, run) if number >= 0 else ()
                outcome = replace(outcome, rows=rows, runs=runs)
                print(f"{label}  {name:<20} {_costs(run)}", file=sys.stderr)
            outcomes[name] = outcome
    return outcomes


def _run(case: Case, bench: Workbench) -> tuple[Run, int]:
    bench.settle(case.settings)
    bench.sql("SELECT 1", *case.before)
    run, answer = measured(case.command, bench.postmaster)
    ((found,),) = bench.sql(case.count)
    expected = case.rows if case.rows is not None else answer["rows"]
    if found != expected:
        raise CaseFailedError(f"left {found:,} rows in its table, expected {expected:,}")
    return run, int(found)


def _costs(run: Run) -> str:
    return (
        f"{run.seconds:7.2f} s  process {run.process:7.2f} s  client {run.client_cpu:6.2f} s  "
        f"server {run.server_cpu:6.2f} s  others {run.other_cpu:5.2f} s  {run.peak_mb:6.0f} MB"
    )
