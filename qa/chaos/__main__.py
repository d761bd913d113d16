"""Try the promises: `make chaos`."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from embedded.stack import CHECKOUT
from qa.chaos.chart import chart
from qa.chaos.crowd import run_crowd
from qa.chaos.faults import faults, run_faults
from qa.chaos.kills import run_kills, run_random_kills
from qa.chaos.losses import run_losses
from qa.chaos.mage_kills import run_mage_kills
from qa.chaos.report import report
from qa.chaos.soak import run_soak
from qa.chaos.two_versions import Trial, TwoVersions
from qa.chaos.world import World, temporary_world

_RESULTS = Path(__file__).with_name("results")
_FOUND = Path(__file__).with_name("found.md")
_FUZZED = CHECKOUT / "qa" / "fuzz" / "results.json"
_REPORT = CHECKOUT / "docs" / "reliability.md"
_CHART = CHECKOUT / "docs" / "soak.svg"
_EPILOG = """
Real servers are started in a temporary folder: PostgreSQL, the emulators of Cloud Storage and
BigQuery, a server of published files, and proxies that break what passes. The whole takes some
three hours on two cores. --quick takes some minutes, and writes nothing into the checkout. To fill
a disk takes root: a small one is mounted.
"""


@dataclass(frozen=True)
class Effort:
    """How much is tried."""

    kills: int | None
    random_kills: int
    mage_kills: int
    every_fault: int
    processes: int
    crowd_seconds: float
    soak_seconds: float
    only: str = ""


_FULL = Effort(None, 60, 12, 1, 8, 1_800.0, 3_600.0)
_QUICK = Effort(4, 2, 1, 12, 3, 10.0, 60.0)


def _kills(world: World, effort: Effort) -> list[Trial]:
    month = TwoVersions(world)
    return [
        *run_kills(month, most=effort.kills, tell=_tell),
        *run_random_kills(month, times=effort.random_kills, tell=_tell),
        *run_mage_kills(month, times=effort.mage_kills, tell=_tell),
    ]


def _faults(world: World, effort: Effort) -> list[Trial]:
    chosen = [fault for fault in faults() if effort.only in f"{fault.of}: {fault.what}"]
    return run_faults(TwoVersions(world), chosen[:: effort.every_fault], _tell)


def _crowd(world: World, effort: Effort) -> list[Trial]:
    return run_crowd(world, processes=effort.processes, seconds=effort.crowd_seconds, tell=_tell)


def _losses(world: World, _effort: Effort) -> list[Trial]:
    return run_losses(TwoVersions(world), _tell)


def _soak(world: World, effort: Effort) -> list[Trial]:
    return run_soak(world, seconds=effort.soak_seconds, tell=_tell)


_SUITES: Mapping[str, Callable[[World, Effort], list[Trial]]] = {
    "kills": _kills, "faults": _faults, "crowd": _crowd, "soak": _soak, "losses": _losses,
}  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(words)
    if unknown := set(options.what) - {*_SUITES, "report"}:
        parser.error(f"no suite is named {', '.join(sorted(unknown))}")
    if options.what == ["report"]:
        _write_report()
        return 0
    failed = 0
    for suite in options.what or _SUITES:
        with temporary_world() as world:
            effort = _QUICK if options.quick else _FULL
            trials = _SUITES[suite](world, replace(effort, only=options.only))
        failed += sum(bool(trial.problems) for trial in trials)
        if not (options.quick or options.only):
            _keep(suite, trials)
            _write_report()
    print(f"{failed} trials found fault")
    return 1 if failed else 0


def _keep(suite: str, trials: list[Trial]) -> None:
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "trials": [
            {name: value for name, value in asdict(trial).items() if name != "series" or value}
            for trial in trials
        ],
    }
    _RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (_RESULTS / f"{suite}.json").write_text(f"{text}\n", "utf-8")


def _write_report() -> None:
    results = {file.stem: json.loads(file.read_text("utf-8")) for file in _RESULTS.glob("*.json")}
    if "soak" in results:
        _CHART.write_text(chart(results["soak"]["trials"]), "utf-8")
    fuzzed = json.loads(_FUZZED.read_text("utf-8"))
    _REPORT.write_text(report(results, fuzzed, _FOUND.read_text("utf-8")), encoding="utf-8")
    _tell(f"written: {_REPORT.relative_to(CHECKOUT)}")


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qa.chaos", description=__doc__, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "what", nargs="*", metavar="SUITE",
        help=f"{', '.join(_SUITES)} (default: all); or report: write docs/reliability.md anew",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a sample of each; writes no report")
    parser.add_argument("--only", default="", help="faults whose name has these words; no report")
    return parser


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # As Ctrl-C: the servers are ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
