"""Measure how fast the pipeline is: `make bench`, `make bench-scale` and so on."""

import argparse
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from qa.benchmarks.cases import PAIRED, STUDIES, Case
from qa.benchmarks.measure import CHECKOUT, CaseFailedError, machine, measured
from qa.benchmarks.report import table, write_report
from qa.benchmarks.results import Outcome, Run, StudyResult, read_results, write_results
from qa.benchmarks.workbench import Workbench, open_workbench

_RESULTS = Path(__file__).with_name("results.json")
_QUICK_ROWS = 5_000
_EPILOG = """
studies:
{studies}

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


def main() -> int:
    options = _options()
    try:
        _measure(options)
    except RuntimeError as error:  # of a case, or of the server: the message has the reason
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    return 0


def _measure(options: argparse.Namespace) -> None:
    results = read_results(_RESULTS)  # before hours of work, not after
    with open_workbench(options.workbench) as bench:
        sides = [bench]
        if options.against:
            sides += [Workbench(bench.folder, bench.server, options.against.absolute(), "_before")]
        cases = {
            name + side.suffix: STUDIES[options.study].cases[name](side, options.rows)
            for name in options.cases
            for side in sides
        }
        outcomes = _run_in_turn(cases, bench, options.rounds, options.warm_ups)
        server = bench.server.psql("SHOW server_version").strip()
    if options.against:
        _print_pairs([(n, outcomes[n].runs, outcomes[f"{n}_before"].runs) for n in options.cases])
        return
    describe = ("git", "describe", "--always", "--exclude=*", "--dirty= with changes on top")
    commit = subprocess.run(describe, cwd=CHECKOUT, text=True, capture_output=True, check=False)
    conditions = (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}; {machine()}, "
        f"PostgreSQL {server}; rows: {options.rows:,}; rounds: {options.rounds}, "
        f"after {options.warm_ups} of warm-up"
    )
    results[options.study] = StudyResult(conditions, options.rows, outcomes)
    folder = options.folder / "quick" if options.quick else _RESULTS.parent
    folder.mkdir(exist_ok=True)
    write_results(folder / _RESULTS.name, results)
    write_report(results, folder)
    print(f"written: {folder}", file=sys.stderr)


def _run_in_turn(
    cases: Mapping[str, Case], bench: Workbench, rounds: int, warm_ups: int
) -> dict[str, Outcome]:
    """Run every case once per round, each round in the opposite order of the last.

    A peer that fails is reported with its reason and left out of the rounds to come.

    Raises:
        CaseFailedError: a case of ours failed.
    """
    outcomes = {name: Outcome(case.title, share=case.share) for name, case in cases.items()}
    for number in range(-warm_ups, rounds):
        label = f"round {number + 1}/{rounds}" if number >= 0 else "warm-up"
        for name in [*cases] if number % 2 == 0 else reversed([*cases]):
            outcome = outcomes[name]
            if outcome.reason:
                continue
            try:
                run, rows = _run(cases[name], bench)
            except CaseFailedError as error:
                if not cases[name].is_peer:
                    raise CaseFailedError(f"{name}: {error}") from error
                # The page that is published names no address or folder of this machine.
                reason = re.sub(r"\w+://\S+|(/[\w.+-]+){2,}/?", "…", str(error))[:300]
                outcomes[name] = replace(outcome, runs=(), reason=reason)
                print(f"{label}  {name:<20} {error}", file=sys.stderr)
                continue
            # What a warm-up round measured is forgotten.
            runs = (*outcome.runs, run) if number >= 0 else ()
            outcomes[name] = replace(outcome, rows=rows, runs=runs)
            print(
                f"{label}  {name:<20} {run.seconds:7.2f} s  process {run.process:7.2f} s  "
                f"client {run.client_cpu:6.2f} s  server {run.server_cpu:6.2f} s  "
                f"others {run.other_cpu:5.2f} s  {run.peak_mb:6.0f} MB",
                file=sys.stderr,
            )
    return outcomes


def _run(case: Case, bench: Workbench) -> tuple[Run, int]:
    bench.settle(case.settings)
    bench.server.psql(case.before)
    run, answer = measured(case.command, bench.postmaster)
    found = int(bench.server.psql(f"SELECT count(*) FROM {case.table}"))
    expected = answer["rows"] if case.rows is None else case.rows
    if found != expected:
        raise CaseFailedError(f"left {found:,} rows in its table, expected {expected:,}")
    return run, found


def _print_pairs(cases: Sequence[tuple[str, Sequence[Run], Sequence[Run]]]) -> None:
    rows = []
    for name, *sides in cases:
        for figure in ("seconds", "process", "client_cpu", "server_cpu", "peak_mb"):
            now, before = ([getattr(run, figure) for run in side] for side in sides)
            # The kernel counts a server's CPU time in hundredths: of few rows there may be none.
            ratios = [mine / max(other, 0.01) for mine, other in zip(now, before, strict=True)]
            medians = (f"{median(side):,.2f}" for side in (now, before))
            spread = (f"{pick(ratios):.3f}" for pick in (median, min, max))
            rows.append((f"{name}, {figure}", *medians, *spread))
    print(table(("", "now", "before", "now/before: median", "min", "max"), rows))


def _options() -> argparse.Namespace:
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
    add("study", choices=STUDIES, metavar="STUDY")
    add("--rows", type=int, help="rows of the month, of each month, or of the scale's unit")
    add("--rounds", type=int, help="counted rounds, after one of warm-up")
    add("--cases", help="only these, comma-separated (default: all)")
    add("--quick", action="store_true", help="few rows, one round, no warm-up")
    add("--folder", type=Path, default=CHECKOUT / ".local" / "bench", help="where to work")
    add("--against", type=Path, metavar="CHECKOUT", help="compare with another checkout")
    options = parser.parse_args()
    if options.against and options.study != "compare":
        parser.error("--against belongs to compare")
    # A folder inside it, because what the workbench is opened in is deleted.
    options.workbench = options.folder.absolute() / "workbench"
    study = STUDIES[options.study]
    names = PAIRED if options.against else study.cases
    options.cases = options.cases.split(",") if options.cases else [*names]
    if unknown := sorted(set(options.cases) - set(names)):
        parser.error(f"no case of {options.study}: {', '.join(unknown)} ({', '.join(names)})")
    options.rows = options.rows or (_QUICK_ROWS if options.quick else study.rows)
    options.rounds = options.rounds or (1 if options.quick else study.rounds)
    options.warm_ups = 0 if options.quick else 1
    return options


if __name__ == "__main__":
    # As Ctrl-C: the program under measurement and the server are ended on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
