"""Try the promises: `make chaos`."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from chaos.crowd import run_crowd
from chaos.faults import faults, run_faults
from chaos.kills import run_kills, run_random_kills
from chaos.losses import run_losses
from chaos.report import report
from chaos.two_versions import Trial, TwoVersions
from chaos.world import World, open_world
from embedded.stack import CHECKOUT

_RESULTS = Path(__file__).with_name("results.json")
_REPORT = CHECKOUT / "docs" / "reliability.md"
_SUITES = ("kills", "faults", "crowd", "losses")
_RANDOM_KILLS = 60
_EPILOG = """
Real servers are started in a temporary folder: PostgreSQL, the GCS emulator, a server of published
files, and proxies that break what passes. The whole takes an hour on two cores; --quick takes a
minute or two, and writes nothing into the checkout.
"""


def main(words: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(words)
    if options.what == ["report"]:
        _write_report(json.loads(_RESULTS.read_text("utf-8")))
        return 0
    suites = options.what or list(_SUITES)
    results = {} if options.quick or not _RESULTS.exists() else json.loads(_RESULTS.read_text())
    for suite in suites:
        with _world() as world:
            trials = _run(suite, world, options)
        results[suite] = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "commit": _commit(),
            "trials": [asdict(trial) for trial in trials],
        }
        if not options.quick:
            _RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if not options.quick:
        _write_report(results)
    failed = [trial for suite in suites for trial in results[suite]["trials"] if trial["problems"]]
    print(f"{len(failed)} of {sum(len(results[s]['trials']) for s in suites)} trials found fault")
    return 1 if failed else 0


def _run(suite: str, world: World, options: argparse.Namespace) -> list[Trial]:
    quick: bool = options.quick
    if suite == "kills":
        month = TwoVersions(world)
        return [
            *run_kills(month, most=4 if quick else options.most, tell=_tell),
            *run_random_kills(month, times=2 if quick else _RANDOM_KILLS, tell=_tell),
        ]
    if suite == "faults":
        chosen = [fault for fault in faults() if options.only in f"{fault.of}: {fault.what}"]
        return run_faults(TwoVersions(world), chosen[::10] if quick else chosen, _tell)
    if suite == "losses":
        return run_losses(TwoVersions(world), _tell)
    seconds = 10.0 if quick else options.seconds
    return run_crowd(world, processes=3 if quick else 8, seconds=seconds, tell=_tell)


def _write_report(results: dict[str, object]) -> None:
    _REPORT.write_text(report(results), encoding="utf-8")
    _tell(f"written: {_REPORT.relative_to(CHECKOUT)}")


@contextmanager
def _world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="nyc-tlc-chaos-"))
    # The server's own account has to enter where this runs as root.
    folder.chmod(0o755)
    try:
        with open_world(folder / "world") as world:
            yield world
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description=__doc__, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "what", nargs="*", metavar="SUITE",
        help=f"{', '.join(_SUITES)} (default: all); or report: write docs/reliability.md anew",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a sample of each; writes no report")
    parser.add_argument("--most", type=int, help="kills: at most so many (default: everywhere)")
    parser.add_argument("--only", default="", help="faults: those whose name has these words")
    parser.add_argument("--seconds", type=float, default=1_800.0, help="crowd: how long (1800)")
    return parser


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # As Ctrl-C: the servers are ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
