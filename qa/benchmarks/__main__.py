"""Measure how fast the pipeline is: `make bench`, `make bench-scale` and so on."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from embedded.servers.cluster_home import ClusterHomeError
from embedded.servers.daemon import ServerStartError
from qa.benchmarks import inputs
from qa.benchmarks.case import Rounds, run_in_turn
from qa.benchmarks.machine import machine, plain
from qa.benchmarks.measure import CHECKOUT
from qa.benchmarks.report import write_report
from qa.benchmarks.results import ResultsError, StudyResult, read_results, write_results
from qa.benchmarks.run import CaseFailedError
from qa.benchmarks.studies import STUDIES
from qa.benchmarks.study import Plan, Study
from qa.benchmarks.workbench import (
    DEFAULT_FOLDER,
    FolderInUseError,
    Workbench,
    delete_workbench,
    open_workbench,
)

_RESULTS = Path(__file__).parent
_FAILURES = (
    CaseFailedError, ClusterHomeError, FolderInUseError, ResultsError, ServerStartError,
)  # fmt: skip
_EPILOG = """
studies:
{studies}
  report      write RESULTS.md and results.svg anew from results.json; measures nothing
  clean       delete the folder: generated files, environments of peers, the server and its data

A study takes its cases in turn, so that whatever else the machine does meets all of them alike;
its numbers replace those of its last run in results.json, the other studies keep theirs. With
--quick the results go to the folder and not into the checkout: they say that the harness works,
not how fast anything is.
"""


def main(words: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(words)
    try:
        if options.study == "clean":
            delete_workbench(options.folder)
        elif options.study == "report":
            write_report(options.results or _RESULTS)
        else:
            _measure(STUDIES[options.study], options, parser)
    except _FAILURES as error:
        _tell(f"{type(error).__name__}: {error}")
        return 1
    except KeyboardInterrupt:
        _tell("interrupted: nothing was written")
        return 130
    return 0


def _measure(study: Study, options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    wanted = frozenset(filter(None, options.cases.split(",")))
    if unknown := sorted(wanted - set(study.names)):
        parser.error(f"no case of {study.name}: {', '.join(unknown)} ({', '.join(study.names)})")
    rows = options.rows or (study.quick_rows if options.quick else study.rows)
    quick_or = 1 if options.quick else study.rounds
    rounds = Rounds(options.rounds or quick_or, 0 if options.quick else options.warm_ups)
    results = options.results or (options.folder / "quick" if options.quick else _RESULTS)
    kept = read_results(results / "results.json")  # before hours of work, not after
    with open_workbench(options.folder) as bench:
        result = _result(study, Plan(rows, options.quick, wanted, _tell), rounds, bench)
    results.mkdir(parents=True, exist_ok=True)
    write_results(results / "results.json", {**kept, study.name: result})
    write_report(results)
    _tell(f"written: {results}")


def _result(study: Study, plan: Plan, rounds: Rounds, bench: Workbench) -> StudyResult:
    inputs.drop_old_input(bench)
    cases = study.cases(bench, plan)
    outcomes = run_in_turn(cases, bench, rounds, _tell)
    commit, dirty = _commit()
    return StudyResult(
        name=study.name,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=commit,
        dirty=dirty,
        machine=machine(bench.postgres_version()),
        rows=plan.rows,
        rounds=rounds.counted,
        warm_ups=rounds.warm_ups,
        outcomes=tuple(replace(outcome, reason=plain(outcome.reason)) for outcome in outcomes),
    )


def _commit() -> tuple[str, bool]:
    """What was measured; empty where the checkout is no repository."""
    commit, changes = (
        subprocess.run(["git", *words], cwd=CHECKOUT, text=True, capture_output=True, check=False)
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "-uno"))
    )
    return commit.stdout.strip(), bool(changes.stdout.strip())


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(
        f"  {study.name:<10}  {study.title}; --rows {study.rows:,} --rounds {study.rounds}\n"
        f"              --cases {','.join(study.names)}"
        for study in STUDIES.values()
    )
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=_EPILOG.format(studies=listed),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", choices=[*STUDIES, "report", "clean"], metavar="STUDY")
    parser.add_argument(
        "--rows", type=_positive, help="of the month, of each month, or of the scale's unit"
    )
    parser.add_argument("--rounds", type=_positive, help="counted rounds")
    parser.add_argument("--warm-ups", type=int, default=1, help="rounds before them (default 1)")
    parser.add_argument("--cases", default="", help="only these, comma-separated (default: all)")
    parser.add_argument("--quick", action="store_true", help="small, one round, no warm-up")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="where all is kept")
    parser.add_argument("--results", type=Path, help="where RESULTS.md and results.json are")
    return parser


def _positive(text: str) -> int:
    number = int(text.replace("_", "").replace(",", ""))
    if number < 1:
        raise ValueError(text)
    return number


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # As Ctrl-C: the program under measurement and the server are ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
