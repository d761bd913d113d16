"""Rows against time and memory: the whole job for months of growing length."""

from __future__ import annotations

from qa.benchmarks import inputs
from qa.benchmarks.case import Case
from qa.benchmarks.measure import Command
from qa.benchmarks.study import Plan, Study
from qa.benchmarks.workbench import Workbench

_MONTH = "2024-01"
_SIZES = (("yellow", 1), ("yellow", 3), ("yellow", 10), ("fhvhv", 3), ("fhvhv", 20))


def cases(bench: Workbench, plan: Plan) -> list[Case]:
    return [
        _case(bench, plan, service, units)
        for service, units in _SIZES
        if plan.wants(_name(service, units))
    ]


def _case(bench: Workbench, plan: Plan, service: str, units: int) -> Case:
    name, rows = _name(service, units), units * plan.rows
    plan.tell(f"making the input: {service} {_MONTH}, {rows:,} rows")
    folder = inputs.published(bench, service, _MONTH, rows)
    environment = bench.environment(schema="scale", lake="lake_scale")
    return Case(
        name,
        f"{service}, {rows:,} rows",
        Command(
            (*inputs.program("job"), "--service", service, "--months", _MONTH),
            {**environment, "TLC_SOURCE_URL": folder.as_uri()},
        ),
        f"SELECT count(*) FROM scale.{service}",
        # The month is new at each run: two copies of the largest would not fit on every disk.
        before=("DROP SCHEMA IF EXISTS scale CASCADE",),
    )


def _name(service: str, units: int) -> str:
    return f"{service}_{units}"


SCALE = Study(
    name="scale",
    title="Rows against time and memory",
    names=tuple(_name(*size) for size in _SIZES),
    rows=1_000_000,
    quick_rows=5_000,
    rounds=3,
    cases=cases,
)
