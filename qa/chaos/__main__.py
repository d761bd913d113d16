"""Test the promises under faults: `make chaos`."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import NoReturn

from embedded.stack import CHECKOUT
from qa.chaos.crowd import run_crowd
from qa.chaos.faults import DISK_FAULTS, http_faults, run_faults
from qa.chaos.kills import run_kills, run_mage_kills, run_random_kills
from qa.chaos.losses import run_losses
from qa.chaos.postgres_faults import POSTGRES_FAULTS
from qa.chaos.report import PAGE, keep, render
from qa.chaos.trials import Trial, TwoVersions
from qa.chaos.world import World, temporary_world

_EPILOG = """
Each suite starts real servers in a temporary folder: PostgreSQL, emulators of Cloud Storage and
BigQuery, a server of published files, and proxies that break what passes. It keeps its results and
writes docs/reliability.md again. All of them take some two hours on two cores; the crowd takes 30
minutes. --quick takes some minutes and writes nothing into the checkout. Filling a disk takes root:
a small one is mounted.
"""


@dataclass(frozen=True)
class Effort:
    """How much is tried."""

    kills: int | None = None
    random_kills: int = 60
    mage_kills: int = 12
    every_fault: int = 1
    processes: int = 8
    crowd_seconds: float = 1_800.0
    only: str = ""


_QUICK = Effort(4, 2, 1, 12, 3, 10.0)


def _kills(worlds: Sequence[World], effort: Effort) -> list[Trial]:
    months = _months(worlds)
    return [
        *run_kills(months, effort.kills),
        *run_random_kills(months, effort.random_kills),
        *run_mage_kills(months, effort.mage_kills),
    ]


def _faults(worlds: Sequence[World], effort: Effort) -> list[Trial]:
    faults = [*POSTGRES_FAULTS, *DISK_FAULTS, *http_faults()]
    chosen = [fault for fault in faults if effort.only in str(fault)]
    return run_faults(_months(worlds), chosen[:: effort.every_fault])


def _months(worlds: Sequence[World]) -> list[TwoVersions]:
    with ThreadPoolExecutor(len(worlds)) as loading:
        return list(loading.map(TwoVersions, worlds))


_SUITES: Mapping[str, Callable[[Sequence[World], Effort], list[Trial]]] = {
    "kills": _kills,
    "faults": _faults,
    "crowd": lambda worlds, effort: run_crowd(
        worlds[0], processes=effort.processes, seconds=effort.crowd_seconds
    ),
    "losses": lambda worlds, _effort: run_losses(_months(worlds)),
}


def main() -> int:
    options = _options()
    if options.suites == ["report"]:
        PAGE.write_text(render(), "utf-8")
        return 0
    effort = _QUICK if options.quick else Effort(only=options.only)
    failed = 0
    for suite in _SUITES if options.suites == "all" else options.suites:
        with ExitStack() as stack:
            number = options.worlds or (2 if suite == "kills" else 1)
            worlds = [stack.enter_context(temporary_world()) for _ in range(number)]
            trials = _SUITES[suite](worlds, effort)
        failed += sum(bool(trial.problems) for trial in trials)
        if not (options.quick or options.only):
            _keep(suite, trials)
    print(f"{failed} trials found a fault")
    return 1 if failed else 0


def _keep(suite: str, trials: Sequence[Trial]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit.stdout.strip(),
        "trials": [asdict(trial) for trial in trials],
    }
    keep(suite, result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m qa.chaos", description=__doc__, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "suites", nargs="*", default="all", choices=[*_SUITES, "all", "report"],
        help="what to try (default: all); report: only write docs/reliability.md",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="try a sample; write no report")
    parser.add_argument("--only", default="", help="try the faults with these words; no report")
    parser.add_argument("--worlds", type=int, help="servers side by side (kills: 2, others: 1)")
    return parser.parse_args()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # As Ctrl-C: the servers are stopped on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
