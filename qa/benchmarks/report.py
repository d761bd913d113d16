"""The tables of RESULTS.md, written from the raw numbers; its prose is written by hand."""

import re
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import NamedTuple

from qa.benchmarks.cases import PEERS, STUDIES
from qa.benchmarks.results import Outcome, Results, StudyResult

_PAGE = Path(__file__).with_name("RESULTS.md")
_DISTURBED = 0.15
"""Cores. The harness and the kernel's own threads take a few hundredths."""


class Goal(NamedTuple):
    """What was asked of the pipeline's speed.

    Attributes:
        cases: The case, and the one that it is held against if there is one.
        figure: Which one of theirs.
        limit: The most that it, or its ratio, may be; for a peer the least.
    """

    text: str
    study: str
    cases: tuple[str, ...]
    figure: str
    limit: float
    is_peer: bool = False

    @property
    def asked(self) -> str:
        if len(self.cases) == 1:
            return f"< {self.limit:g} MB"
        return f"≥ {self.limit:g} × faster" if self.is_peer else f"≤ {self.limit:g} ×"


GOALS = (
    Goal("our load to Postgres, against the floor", "compare", ("load", "floor"), "seconds", 1.15),
    Goal("our whole job, against the floor", "compare", ("job", "floor"), "seconds", 1.5),
    *(
        Goal(f"our whole job, against {peer.title}",
             "compare", (peer.name, "job"), "seconds", peer.faster, is_peer=True)
        for peer in PEERS
    ),
    Goal("peak memory of our whole job, 3 million rows", "compare", ("job",), "peak", 450),
    Goal("peak memory, 20 against 3 million rows of fhvhv",
         "scale", ("fhvhv_20", "fhvhv_3"), "peak", 1.15),
    Goal("time per row, 20 against 3 million rows of fhvhv",
         "scale", ("fhvhv_20", "fhvhv_3"), "microseconds_per_row", 1.1),
    Goal("our load with 200 other months present, against none",
         "partitions", ("present_200", "present_0"), "seconds", 1.05),
    Goal("twelve months in one run, against one month",
         "workers", ("workers_2", "one_month"), "seconds", 12 * 0.8),
)  # fmt: skip


def write_report(results: Results, folder: Path) -> None:
    """Write a copy of RESULTS.md with these numbers in place of those between its marks."""
    parts = dict.fromkeys(STUDIES, "Not measured.")
    parts |= {name: _section(name, result) for name, result in results.items()}
    rows = [(goal.text, goal.asked, *_reached(goal, results)) for goal in GOALS]
    parts["goals"] = table(("", "asked", "measured", "reached"), rows)

    def part(mark: re.Match[str]) -> str:
        return f"{mark[1]}\n{parts[mark[2]].strip()}\n\n{mark[3]}"

    text = _PAGE.read_text(encoding="utf-8")
    text = re.sub(r"(<!-- (\w+): .*? -->\n).*?(<!-- end -->)", part, text, flags=re.DOTALL)
    (folder / "RESULTS.md").write_text(text, encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first column to the left, numbers to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rule, *rows))


def _reached(goal: Goal, results: Results) -> tuple[str, str]:
    """What was measured; a study of fewer rows than its own counts as not measured."""
    result = results.get(goal.study)
    if result is None or result.rows < STUDIES[goal.study].rows:
        return "not measured", ""
    if not set(goal.cases) <= set(result.measured):
        return "not measured", ""
    found, *base = (attrgetter(goal.figure)(result.measured[name]) for name in goal.cases)
    value = found / base[0] if base else found
    reached = value >= goal.limit if goal.is_peer else value <= goal.limit
    return f"{value:.2f} ×" if base else f"{value:.0f} MB", "yes" if reached else "**no**"


def _section(study: str, result: StudyResult) -> str:
    outcomes, bases = result.measured, STUDIES[study].bases
    runs = [run for outcome in outcomes.values() for run in outcome.runs]
    others = sum(run.other_cpu for run in runs) / (sum(run.process for run in runs) or 1.0)
    conditions = f"{result.conditions}; other work took {others:.2f} cores."
    if others > _DISTURBED:
        conditions += " **Other work ran on the machine: trust ratios, not seconds.**"
    header = ("", "seconds, median (min)", *bases, "µs per row", "process, s",
              "client CPU, s", "server CPU, s", "peak, MB")  # fmt: skip
    held_against = [outcomes.get(name) for name in bases.values()]
    rows = [_row(outcome, held_against) for outcome in outcomes.values()]
    remarks = "".join(map(_remark, result.outcomes.values()))
    return f"{conditions}\n\n{table(header, rows)}\n{remarks}"


def _row(outcome: Outcome, bases: Sequence[Outcome | None]) -> list[str]:
    seconds, runs = outcome.seconds, outcome.runs
    start = median(run.process - run.seconds for run in runs)  # does not grow with the rows
    return [
        outcome.title,
        f"{seconds:.2f} ({min(run.seconds for run in runs) / outcome.share:.2f})",
        *(f"{seconds / base.seconds:.2f}" if base else "" for base in bases),
        f"{outcome.microseconds_per_row:.2f}",
        f"{start + seconds:.2f}",
        f"{outcome.median('client_cpu'):.1f}",
        f"{outcome.median('server_cpu'):.1f}",
        f"{outcome.peak:,.0f}",
    ]


def _remark(outcome: Outcome) -> str:
    if outcome.reason:
        return f"* {outcome.title}: not measured here: {outcome.reason}\n"
    if not (steps := outcome.runs[0].steps).keys() - {"load"}:
        return ""
    parts = (f"{step} {median(run.steps[step] for run in outcome.runs):.2f}" for step in steps)
    return f"* Seconds by step, {outcome.title}: {', '.join(parts)}.\n"
