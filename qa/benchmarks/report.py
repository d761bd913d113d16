"""The tables of RESULTS.md, written from the raw numbers; its prose is written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from qa.benchmarks.cases import PEERS, STUDIES, Study
from qa.benchmarks.results import Outcome, Results, StudyResult

_PAGE = Path(__file__).with_name("RESULTS.md")
_DISTURBED = 0.15
"""Cores. The harness and the kernel's own threads take a few hundredths."""
_LONGEST_BAR = 6.0
"""Of the chart, in times of our whole job: longer ones would make the others unreadable."""


class Goal(NamedTuple):
    """What was asked of the pipeline's speed.

    Attributes:
        cases: The case, and the one that it is held against if there is one.
        value: Which figure of theirs.
    """

    text: str
    asked: str
    study: str
    cases: tuple[str, ...]
    value: str
    most: float = float("inf")
    least: float = 0.0


_FHVHV = ("fhvhv_20", "fhvhv_3")
GOALS = (
    Goal("our load to Postgres, against the floor", "≤ 1.15 ×",
         "compare", ("load", "floor"), "seconds", 1.15),
    Goal("our whole job, against the floor", "≤ 1.5 ×",
         "compare", ("job", "floor"), "seconds", 1.5),
    *(
        Goal(f"our whole job, against {peer.title}", f"≥ {peer.faster:g} × faster",
             "compare", (peer.name, "job"), "seconds", least=peer.faster)
        for peer in PEERS
    ),
    Goal("peak memory of our whole job, 3 million rows", "< 450 MB",
         "compare", ("job",), "peak", 450),
    Goal("peak memory, 20 against 3 million rows of fhvhv", "≤ 1.15 ×",
         "scale", _FHVHV, "peak", 1.15),
    Goal("time per row, 20 against 3 million rows of fhvhv", "≤ 1.1 ×",
         "scale", _FHVHV, "microseconds_per_row", 1.1),
    Goal("our load with 200 other months present, against none", "≤ 1.05 ×",
         "partitions", ("present_200", "present_0"), "seconds", 1.05),
    Goal("twelve months in one run, against one month", "≤ 9.6 ×",
         "workers", ("workers_2", "one_month"), "seconds", 12 * 0.8),
)  # fmt: skip


def write_report(results: Results, folder: Path) -> None:
    """Write a copy of RESULTS.md with these numbers in place of those between its marks."""
    parts = dict.fromkeys(STUDIES, "Not measured.\n")
    parts |= {name: _section(result, STUDIES[name]) for name, result in results.items()}
    parts["goals"] = _goals(results)

    def part(mark: re.Match[str]) -> str:
        return f"{mark[1]}\n{parts[mark[2]].strip()}\n\n{mark[3]}"

    text = _PAGE.read_text(encoding="utf-8")
    text = re.sub(r"(<!-- (\w+): .*? -->\n).*?(<!-- end -->)", part, text, flags=re.DOTALL)
    (folder / "RESULTS.md").write_text(text, encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first column to the left, numbers to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rule, *rows))


def _goals(results: Results) -> str:
    rows = [(goal.text, goal.asked, *_reached(goal, results)) for goal in GOALS]
    return table(("", "asked", "measured", "reached"), rows)


def _reached(goal: Goal, results: Results) -> tuple[str, str]:
    """What was measured; a study of fewer rows than its own counts as not measured."""
    result = results.get(goal.study)
    enough = result and result.rows >= STUDIES[goal.study].rows
    outcomes = [o for name in goal.cases if result and (o := result.outcome(name))]
    if not enough or len(outcomes) < len(goal.cases):
        return "not measured", ""
    found, *base = map(attrgetter(goal.value), outcomes)
    text = f"{found / base[0]:.2f} ×" if base else f"{found:.0f} MB"
    ratio = found / base[0] if base else found
    return text, "yes" if goal.least <= ratio <= goal.most else "**no**"


def _section(result: StudyResult, study: Study) -> str:
    machine, others = result.machine, result.other_cores
    changed = " with changes on top" if result.dirty else ""
    doubt = " **Other work ran on the machine: trust ratios, not seconds.**"
    measured = (
        f"{result.date}, commit {result.commit or 'unknown'}{changed}; {machine['cores']} cores "
        f"({machine['processor']}), {machine['memory']}, {machine['system']}, Python "
        f"{machine['Python']}, PostgreSQL {machine['PostgreSQL']}; rows: {result.rows:,}; "
        f"rounds: {result.rounds}, after {result.warm_ups} of warm-up; other work took "
        f"{others:.2f} cores.{doubt if others > _DISTURBED else ''}"
    )
    header = ("", "seconds, median (min)", *study.bases, "µs per row", "process, s",
              "client CPU, s", "server CPU, s", "peak, MB")  # fmt: skip
    rows = [_row(outcome, result, study) for outcome in result.outcomes if outcome.runs]
    chart = _chart(result) if result.name == "compare" else ""
    return f"{measured}\n\n{chart}{table(header, rows)}{''.join(_remarks(result))}"


def _row(outcome: Outcome, result: StudyResult, study: Study) -> list[str]:
    bases = [result.outcome(name) for name in study.bases.values()]
    return [
        outcome.title,
        f"{outcome.seconds:.2f} ({outcome.fastest:.2f})",
        *(f"{outcome.seconds / base.seconds:.2f}" if base else "" for base in bases),
        f"{outcome.microseconds_per_row:.2f}",
        f"{outcome.process:.2f}",
        f"{outcome.client_cpu:.1f}",
        f"{outcome.server_cpu:.1f}",
        f"{outcome.peak:,.0f}",
    ]


def _remarks(result: StudyResult) -> Iterator[str]:
    yield "\n"
    for outcome in result.outcomes:
        if outcome.reason:
            yield f"* {outcome.title}: not measured here: {outcome.reason}\n"
        elif len(outcome.steps) > 1:
            parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in outcome.steps.items())
            yield f"* Seconds by step, {outcome.title}: {parts}.\n"


def _chart(result: StudyResult) -> str:
    """Bars of what takes not too many times longer than our whole job; the table has the rest."""
    job = result.outcome("job")
    limit = _LONGEST_BAR * job.seconds if job else float("inf")
    measured = sorted((o for o in result.outcomes if o.runs), key=lambda o: o.seconds)
    bars = [outcome for outcome in measured if outcome.seconds <= limit]
    labels = ", ".join('"' + o.title.replace("`", "").replace('"', "'") + '"' for o in bars)
    return (
        "```mermaid\nxychart-beta horizontal\n"
        f'  title "Seconds for {result.rows:,} trips, Parquet file to Postgres"\n'
        f"  x-axis [{labels}]\n"
        f'  y-axis "seconds" 0 --> {max((o.seconds for o in bars), default=0) + 1:.0f}\n'
        f"  bar [{', '.join(f'{o.seconds:.2f}' for o in bars)}]\n```\n\n"
    )
