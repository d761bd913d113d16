"""Measure how fast the pipeline is: `make bench`, `make bench-scale` and so on."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NoReturn

from qa.benchmarks.cases import PAIRED, STUDIES
from qa.benchmarks.measure import CHECKOUT, machine
from qa.benchmarks.report import table, write_report
from qa.benchmarks.results import StudyResult, read_results, write_results
from qa.benchmarks.run import run_in_turn
from qa.benchmarks.workbench import DEFAULT_FOLDER, Workbench, delete_workbench, open_workbench

_RESULTS = Path(__file__).parent
_EPILOG = """
studies:
{studies}
  clean       delete the folder: generated files, the server and its data

A study takes its cases in turn, so that whatever else the machine does meets all of them alike;
its numbers replace those of its last run in results.json, the other studies keep theirs. With
--quick the results go to the folder and not into the checkout: they say that the harness works,
not how fast anything is.

compare --against CHECKOUT loads the same month with this checkout and with another, in pairs: our
load, our whole job and `mage run`, each now and before. It prints the ratios now/before pair by
pair and writes no results. The other checkout runs with the packages of this one:

  git worktree add /tmp/before COMMIT
  python -m qa.benchmarks compare --against /tmp/before [--rows ROWS --rounds ROUNDS --cases job]
"""


def main(words: Sequence[str] | None = None) -> int:
    options = _options(words)
    try:
        if options.study == "clean":
            delete_workbench(options.folder)
        elif options.against:
            _compare_checkouts(options)
        else:
            _measure(options)
    except RuntimeError as error:  # of a case, or of the server: the message has the reason
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    return 0


def _measure(options: argparse.Namespace) -> None:
    study = STUDIES[options.study]
    folder = options.folder / "quick" if options.quick else _RESULTS
    kept = read_results(folder / "results.json")  # before hours of work, not after
    with open_workbench(options.folder) as bench:
        cases = {name: study.cases[name](bench, options.rows) for name in options.cases}
        outcomes = run_in_turn(cases, bench, options.rounds, options.warm_ups)
        server = str(bench.sql("SHOW server_version")[0][0])
    commit, changes = (
        subprocess.run(["git", *words], cwd=CHECKOUT, text=True, capture_output=True, check=False)
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "-uno"))
    )
    kept[options.study] = StudyResult(
        name=options.study,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=commit.stdout.strip(),
        dirty=bool(changes.stdout.strip()),
        machine={**machine(), "PostgreSQL": server},
        rows=options.rows,
        rounds=options.rounds,
        warm_ups=options.warm_ups,
        outcomes=tuple(outcomes.values()),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_results(folder / "results.json", kept)
    write_report(kept, folder)
    print(f"written: {folder}", file=sys.stderr)


def _compare_checkouts(options: argparse.Namespace) -> None:
    with open_workbench(options.folder) as bench:
        other = Workbench(bench.folder, bench.server, options.against.absolute(), "_before")
        cases = {
            name + side.suffix: PAIRED[name](side, options.rows)
            for name in options.cases
            for side in (bench, other)
        }
        outcomes = run_in_turn(cases, bench, options.rounds, options.warm_ups)
    rows = []
    for name in options.cases:
        pairs = [*zip(outcomes[name].runs, outcomes[f"{name}_before"].runs, strict=True)]
        for figure in ("seconds", "process", "client_cpu", "server_cpu", "peak_mb"):
            values = [(getattr(now, figure), getattr(before, figure)) for now, before in pairs]
            ratios = [now / before for now, before in values]
            now, before = (f"{median(side):,.2f}" for side in zip(*values, strict=True))
            spread = [f"{pick(ratios):.3f}" for pick in (median, min, max)]
            rows.append((f"{name}, {figure}", now, before, *spread))
    print(table(("", "now", "before", "now/before: median", "min", "max"), rows))


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    listed = "\n".join(
        f"  {name:<10}  {study.title}; --rows {study.rows:,} --rounds {study.rounds}\n"
        f"              --cases {','.join(study.cases)}"
        for name, study in STUDIES.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m qa.benchmarks",
        description=__doc__,
        epilog=_EPILOG.format(studies=listed),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("study", choices=[*STUDIES, "clean"], metavar="STUDY")
    add("--rows", type=_positive, help="rows of the month, of each month, or of the scale's unit")
    add("--rounds", type=_positive, help="counted rounds, after one of warm-up")
    add("--cases", help="only these, comma-separated (default: all)")
    add("--quick", action="store_true", help="few rows, one round, no warm-up")
    add("--folder", type=Path, default=DEFAULT_FOLDER, help="where the server and its input are")
    add("--against", type=Path, metavar="CHECKOUT", help="compare with another checkout")
    options = parser.parse_args(words)
    if options.against and options.study != "compare":
        parser.error("--against belongs to compare")
    if study := STUDIES.get(options.study):
        names = PAIRED if options.against else study.cases
        options.cases = options.cases.split(",") if options.cases else [*names]
        if unknown := sorted(set(options.cases) - set(names)):
            parser.error(f"no case of {options.study}: {', '.join(unknown)} ({', '.join(names)})")
        options.rows = options.rows or (study.quick_rows if options.quick else study.rows)
        options.rounds = options.rounds or (1 if options.quick else study.rounds)
        options.warm_ups = 0 if options.quick else 1
    return options


def _positive(text: str) -> int:
    number = int(text.replace("_", "").replace(",", ""))
    if number < 1:
        raise ValueError(text)
    return number


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # As Ctrl-C: the program under measurement and the server are ended on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
