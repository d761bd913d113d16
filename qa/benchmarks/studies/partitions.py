"""Load time of a month against the number of other months present."""

from __future__ import annotations

from nyc_tlc.core.month import Month
from qa.benchmarks import inputs
from qa.benchmarks.case import Case
from qa.benchmarks.measure import Command
from qa.benchmarks.study import Plan, Study
from qa.benchmarks.workbench import Workbench

_SERVICE, _MONTH = "yellow", Month(2024, 1)
_PRESENT = (0, 10, 50, 200)
_FIRST = Month(2011, 1)
"""Of the service. Months to come stand in where the past ones are not enough."""
_SMALL = 1_000
"""Rows of each other month."""


def cases(bench: Workbench, plan: Plan) -> list[Case]:
    source = inputs.published(bench, _SERVICE, str(_MONTH), plan.rows).as_uri()
    environment = {**bench.environment(lake="lake_partitions"), "TLC_SOURCE_URL": source}
    return [
        _case(bench, plan, environment, present)
        for present in _PRESENT
        if plan.wants(_name(present))
    ]


def _case(bench: Workbench, plan: Plan, environment: dict[str, str], present: int) -> Case:
    name = _name(present)
    environment = {**environment, "POSTGRES_SCHEMA": name}
    present = min(present, 5) if plan.quick else present
    if present:
        plan.tell(f"making and loading {present} small months")
        months = others(present)
        small = inputs.published(bench, _SERVICE, months, _SMALL).as_uri()
        inputs.run_program(
            "job", {**environment, "TLC_SOURCE_URL": small},
            "--service", _SERVICE, "--months", months,
        )  # fmt: skip
    staged = inputs.staged(bench, environment, _SERVICE, str(_MONTH), encode=False)
    return Case(
        name,
        f"{present} other months present",
        Command((*inputs.program("load"), "--table", staged.table), environment),
        f"SELECT count(*) FROM {name}.{_SERVICE} WHERE source_month = '{_MONTH}-01'",
        staged.rows,
    )


def others(count: int) -> str:
    """So many months around the one that is measured, in the pipeline's grammar."""
    before = min(count, len(_FIRST.through(_MONTH - 1)))
    after = count - before
    spans = [f"{_MONTH - before}:{_MONTH - 1}"]
    if after:
        spans.append(f"{_MONTH + 1}:{_MONTH + after}")
    return ",".join(spans)


def _name(present: int) -> str:
    return f"present_{present}"


PARTITIONS = Study(
    name="partitions",
    title="Months present against load time",
    names=tuple(map(_name, _PRESENT)),
    rows=3_000_000,
    quick_rows=5_000,
    rounds=5,
    cases=cases,
)
