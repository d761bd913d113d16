"""Test the promises under faults: `make chaos`."""

import argparse
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from qa.chaos.crowd import run_crowd
from qa.chaos.faults import DISK_FAULTS, http_faults, run_faults
from qa.chaos.kills import run_kills, run_mage_kills, run_random_kills
from qa.chaos.losses import run_losses
from qa.chaos.postgres_faults import POSTGRES_FAULTS
from qa.chaos.report import PAGE, keep, render
from qa.chaos.trials import Trial, TwoVersions
from qa.chaos.world import temporary_world

_EPILOG = """
Each suite starts real servers in a temporary folder: PostgreSQL, emulators of Cloud Storage and
BigQuery, a server of published files, and proxies that break what passes. It keeps its results and
writes docs/reliability.md again. All of them take some three hours; the crowd takes 30 minutes.
--quick takes some minutes and writes nothing into the checkout. Filling a disk takes root: a small
one is mounted.
"""


def _kills(month: TwoVersions, places: int | None, moments: int, of_mage: int) -> list[Trial]:
    return [
        *run_kills(month, places),
        *run_random_kills(month, moments),
        *run_mage_kills(month, of_mage),
    ]


def _faults(month: TwoVersions, every: int, only: str) -> list[Trial]:
    faults = [*POSTGRES_FAULTS, *DISK_FAULTS, *http_faults()]
    return run_faults(month, [fault for fault in faults if only in str(fault)][::every])


_SUITES: Mapping[str, tuple[Callable[..., list[Trial]], tuple[Any, ...], tuple[Any, ...]]] = {
    "kills": (_kills, (None, 60, 12), (4, 2, 1)),
    "faults": (_faults, (1,), (12,)),
    "crowd": (run_crowd, (8, 1_800.0), (3, 10.0)),
    "losses": (run_losses, (), ()),
}
"""Each with its effort, in full and of a sample."""


def main() -> int:
    options = _options()
    if options.suites == ["report"]:
        PAGE.write_text(render(), "utf-8")
        return 0
    failed = 0
    for name in _SUITES if options.suites == "all" else options.suites:
        suite, full, quick = _SUITES[name]
        effort = quick if options.quick else full
        if name == "faults":
            effort = (*effort, options.only)
        with temporary_world() as world:
            trials = suite(TwoVersions(world), *effort)
        failed += sum(bool(trial.problems) for trial in trials)
        if not (options.quick or options.only):
            keep(name, trials)
    print(f"{failed} trials found a fault")
    return 1 if failed else 0


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
    return parser.parse_args()


if __name__ == "__main__":
    # As Ctrl-C: the servers are stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
