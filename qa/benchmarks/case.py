"""Cases run in alternation, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from qa.benchmarks.measure import Command, measured
from qa.benchmarks.run import CaseFailedError, Kind, Outcome, Run
from qa.benchmarks.workbench import Workbench

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        title: What it is, for the table.
        count: Query for the rows that it left; they are counted after each run.
        rows: What the count has to be; None for what the program says it loaded.
        before: Statements before each run, not measured.
        settings: Of the server during the run, where they are not the embedded ones.
        share: The part of the study's rows that it loads.
        version: Of the packages that do it, if they are not the project's own.
        kind: The failure of a peer is reported; any other ends the study.
        absent: Why it cannot be run at all; empty if it can.
    """

    name: str
    title: str
    command: Command
    count: str
    rows: int | None = None
    before: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    share: float = 1.0
    version: str = ""
    kind: Kind = "ours"
    absent: str = ""


@dataclass(frozen=True)
class Rounds:
    """How often every case is run.

    Attributes:
        warm_ups: Rounds that are not counted, before the counted ones.
    """

    counted: int
    warm_ups: int


def run_in_turn(
    cases: Sequence[Case], bench: Workbench, rounds: Rounds, tell: Tell
) -> list[Outcome]:
    """Run every case once per round.

    A peer that fails is reported with its reason and left out of the rounds to come.

    Raises:
        CaseFailedError: a case of ours failed.
    """
    outcomes = {
        case.name: Outcome(
            case.name,
            case.title,
            case.kind,
            share=case.share,
            version=case.version,
            reason=case.absent,
        )
        for case in cases
    }
    for number in range(-rounds.warm_ups, rounds.counted):
        label = f"round {number + 1}/{rounds.counted}" if number >= 0 else "warm-up"
        for case in _order(cases, number):
            outcome = outcomes[case.name]
            if outcome.reason:
                continue
            outcome = _once(case, outcome, bench)
            tell(f"{label}  {case.name:<20} {_said(outcome)}")
            # What a warm-up round measured is forgotten, but not why a case failed in it.
            outcomes[case.name] = replace(outcome, runs=outcome.runs if number >= 0 else ())
    return list(outcomes.values())


def _order(cases: Sequence[Case], number: int) -> Iterator[Case]:
    """Each round begins with another case, so that no case always follows the same one."""
    start = number % len(cases)
    yield from cases[start:]
    yield from cases[:start]


def _once(case: Case, outcome: Outcome, bench: Workbench) -> Outcome:
    try:
        run, rows = _run(case, bench)
    except CaseFailedError as error:
        if case.kind != "peer":
            raise CaseFailedError(f"{case.name}: {error}") from error
        return replace(outcome, runs=(), reason=str(error))
    return replace(outcome, rows=rows, runs=(*outcome.runs, run))


def _run(case: Case, bench: Workbench) -> tuple[Run, int]:
    bench.set_server(case.settings)
    bench.settle()
    bench.sql("SELECT 1", *case.before)
    done = measured(case.command, bench.postmaster)
    ((found,),) = bench.sql(case.count)
    expected = case.rows if case.rows is not None else done.answer["rows"]
    if found != expected:
        raise CaseFailedError(f"left {found:,} rows in its table, expected {expected:,}")
    return done.run, int(found)


def _said(outcome: Outcome) -> str:
    if outcome.reason:
        return outcome.reason
    last = outcome.runs[-1]
    return (
        f"{last.seconds:7.2f} s  process {last.process:7.2f} s  client {last.client_cpu:6.2f} s  "
        f"server {last.server_cpu:6.2f} s  others {last.other_cpu:5.2f} s  {last.peak_mb:6.0f} MB"
    )
