"""RESULTS.md and results.svg from the raw numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from qa.benchmarks import summary
from qa.benchmarks.chart import Bar, bar_chart
from qa.benchmarks.goals import Goal, goals
from qa.benchmarks.results import StudyResult, read_results
from qa.benchmarks.run import Outcome

_INTRO = """# How fast it is

Written from `results.json` by `make bench`, `make bench-scale`, `make bench-partitions`,
`make bench-workers` and `make bench-settings`; do not edit. Each section is of one
invocation and names its own machine.

* The cases of a section run in turn, each round beginning with another one, every case in a
  process of its own. Before each run the server has checkpointed and the disk is synced. After
  each run the rows in its table are counted; a wrong count is a failure, not a result.
* **seconds** is the work itself, without the start of the interpreter and its imports: what a
  program reports of itself. For psql and `mage run` it is the whole process.
* **client CPU** is user and system time of the process and the children it waited for.
  **server CPU** is that of the whole server, ended backends and background processes included.
  **peak** is the most resident memory of the client's process tree in any run; the server's
  shared memory is not part of it.
* The server is PostgreSQL from a Python package, with the settings of
  `embedded/servers/postgres.py` (fsync on, `wal_level=minimal`), on the same cores as the client.
* Trips are generated, in the schema, encoding and row groups in which TLC publishes them.
"""
_ABOUT = {
    "compare": """
* **floor** is the least that the server needs: the rows that our load writes (every column of the
  contract, in the types of the partition), encoded beforehand, `COPY … FROM STDIN (FORMAT
  binary)` by psql into a plain new table. In one transaction with CREATE TABLE, as our load does
  it, the server need not log the rows.
* **our load** takes the staged month to a swapped, constrained, BRIN-indexed, analysed partition.
  **our whole job** lands the file, conforms and judges every row, quarantines, publishes to the
  lake (a folder, zstd), loads, and reconciles the counts of both stores.
* The peers load the columns as published, in the types that they choose, into a plain table; they
  check, quarantine and swap nothing, and write no lake.
* Our table replaces that of the round before; the floor's and the peers' tables are new.
* What is scaled up was measured on the stated part of the rows, its peak memory with it.
""",
    "scale": """
* Every run loads a month that is new to an empty schema.
""",
    "partitions": """
* The loaded month replaces itself; the other months hold a thousand rows each.
""",
    "workers": """
* Every run replaces the months of the round before.
""",
    "settings": """
* Each line is our load with the embedded server's settings but for the one named. Between lines
  the server is restarted. The reasons for the settings stand in `embedded/servers/postgres.py`.
* Runs of one line differ by a tenth, so none of these settings can be seen in the time of one load
  on this disk: the backends' own work decides. They are kept for what a load of one month does not
  show: `wal_level=minimal` spares the WAL of rows copied into tables of the same transaction, a
  larger `max_wal_size` the checkpoints between months.
* No setting that can lose a committed month is used, here or in `docker-compose.yml`.
""",
}


def write_report(folder: Path) -> None:
    """Write RESULTS.md, and the chart if there is something to draw, beside results.json."""
    results = read_results(folder / "results.json")
    (folder / "RESULTS.md").write_text(rendered(results), encoding="utf-8")
    if compare := results.get("compare"):
        (folder / "results.svg").write_text(_chart(compare), encoding="utf-8")


def rendered(results: Mapping[str, StudyResult]) -> str:
    parts = [_INTRO, _goals_section(goals(results))]
    parts += [_section(results[name], *_SECTIONS[name]) for name in _SECTIONS if name in results]
    return "\n".join(parts)


def _goals_section(promised: Sequence[Goal]) -> str:
    verdict = {None: "", True: "yes", False: "**no**"}
    rows = [(goal.text, goal.asked, goal.found, verdict[goal.reached]) for goal in promised]
    return "## Goals\n\n" + _table(("", "asked", "measured", "reached"), rows, texts=1)


def _section(study: StudyResult, title: str, table: Callable[[StudyResult], str]) -> str:
    picture = "![Seconds of each case](results.svg)\n\n" if study.name == "compare" else ""
    return (
        f"## {title}\n\n{_measured(study)}\n\n{picture}{table(study)}{_ABOUT[study.name]}"
        f"{''.join(_remarks(study))}"
    )


def _measured(study: StudyResult) -> str:
    machine = study.machine
    changed = " with changes on top" if study.dirty else ""
    others = summary.other_cores(study.outcomes)
    doubt = " **Other work ran on the machine: trust ratios, not seconds.**"
    return (
        f"{study.date}, commit {study.commit or 'unknown'}{changed}; {machine['cores']} cores "
        f"({machine['processor']}), {machine['memory']}, {machine['system']}, Python "
        f"{machine['Python']}, PostgreSQL {machine['PostgreSQL']}; rounds: {study.rounds}, "
        f"after {study.warm_ups} of warm-up; other work took {others:.2f} cores."
        f"{doubt if others > _DISTURBED else ''}"
    )


def _remarks(study: StudyResult) -> Iterator[str]:
    for outcome in study.outcomes:
        if outcome.reason:
            yield f"* {outcome.title}: not measured here: {outcome.reason}\n"
        elif len(steps := summary.steps(outcome)) > 1:
            parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in steps.items())
            yield f"* Seconds by step, {outcome.title}: {parts}.\n"
    versions = [f"{o.title}: {o.version}" for o in study.outcomes if o.version]
    if versions:
        yield f"* Versions: {'; '.join(versions)}.\n"


def _compare(study: StudyResult) -> str:
    floor, job = study.outcome("floor"), study.outcome("job")
    rows = [
        (
            outcome.title,
            _seconds(outcome),
            _ratio(outcome, floor),
            _ratio(outcome, job),
            f"{summary.rows_per_second(outcome):,.0f}",
            f"{summary.whole_process(outcome):.2f}",
            *_cost(outcome),
        )
        for outcome in _measured_outcomes(study)
    ]
    header = ("case", "seconds, median (min)", "× floor", "× our job", "rows/s",
              "whole process, s", *_COST)  # fmt: skip
    return f"{study.rows:,} published rows.\n\n{_table(header, rows, texts=1)}"


def _scale(study: StudyResult) -> str:
    rows = [
        (o.title, _seconds(o), f"{summary.microseconds_per_row(o):.2f}", *_cost(o))
        for o in _measured_outcomes(study)
    ]
    header = ("whole job of", "seconds, median (min)", "µs per row", *_COST)
    return _table(header, rows, texts=1)


def _partitions(study: StudyResult) -> str:
    none = study.outcome("present_0")
    rows = [(o.title, _seconds(o), _ratio(o, none), *_cost(o)) for o in _measured_outcomes(study)]
    header = ("", "seconds, median (min)", "× none", *_COST)
    return f"A month of {study.rows:,} published rows.\n\n{_table(header, rows, texts=1)}"


def _workers(study: StudyResult) -> str:
    one = study.outcome("one_month")
    rows = [(o.title, _seconds(o), _ratio(o, one), *_cost(o)) for o in _measured_outcomes(study)]
    header = ("", "seconds, median (min)", "× one month", *_COST)
    return f"Months of {study.rows:,} published rows.\n\n{_table(header, rows, texts=1)}"


def _settings(study: StudyResult) -> str:
    ours = study.outcome("embedded")
    rows = [(o.title, _seconds(o), _ratio(o, ours), *_cost(o)) for o in _measured_outcomes(study)]
    header = ("", "seconds, median (min)", "× as embedded", *_COST)
    return f"Our load of {study.rows:,} published rows.\n\n{_table(header, rows, texts=1)}"


_DISTURBED = 0.15
"""Cores. The harness and the kernel's own threads take a few hundredths."""
_COST = ("client CPU, s", "server CPU, s", "peak, MB")
_SECTIONS: Mapping[str, tuple[str, Callable[[StudyResult], str]]] = {
    "compare": ("One month, against the floor and what else there is", _compare),
    "scale": ("Rows against time and memory", _scale),
    "partitions": ("Months present against load time", _partitions),
    "workers": ("Twelve months in one run", _workers),
    "settings": ("The server's settings", _settings),
}


def _measured_outcomes(study: StudyResult) -> list[Outcome]:
    return [outcome for outcome in study.outcomes if outcome.runs]


def _seconds(outcome: Outcome) -> str:
    return f"{summary.seconds(outcome):.2f} ({summary.fastest(outcome):.2f})"


def _ratio(outcome: Outcome, base: Outcome | None) -> str:
    return f"{summary.seconds(outcome) / summary.seconds(base):.2f}" if base else ""


def _cost(outcome: Outcome) -> tuple[str, str, str]:
    return (
        f"{summary.client_cpu(outcome):.1f}",
        f"{summary.server_cpu(outcome):.1f}",
        f"{summary.peak(outcome):,.0f}",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int) -> str:
    """Markdown; the first ``texts`` columns to the left, numbers to the right."""
    rule = ["---"] * texts + ["---:"] * (len(header) - texts)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rule, *rows))


def _chart(study: StudyResult) -> str:
    bars = [
        Bar(outcome.title.replace("`", ""), summary.seconds(outcome), outcome.kind)
        for outcome in _measured_outcomes(study)
    ]
    return bar_chart(
        f"Seconds for {study.rows:,} trips, Parquet file to Postgres",
        "Our whole job also judges every row, swaps the month in and writes the lake.",
        sorted(bars, key=lambda bar: bar.seconds),
    )
