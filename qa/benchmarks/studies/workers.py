"""Twelve months in one run, by the number of months worked on at once."""

from __future__ import annotations

from qa.benchmarks import inputs
from qa.benchmarks.case import Case
from qa.benchmarks.measure import Command
from qa.benchmarks.study import Plan, Study
from qa.benchmarks.workbench import Workbench

_SERVICE = "yellow"
_YEAR, _ONE = "2023-01:2023-12", "2023-06"
_WORKERS = (1, 2, 4)


def cases(bench: Workbench, plan: Plan) -> list[Case]:
    plan.tell(f"making the input: twelve months of {plan.rows:,} rows")
    source = inputs.published(bench, _SERVICE, _YEAR, plan.rows).as_uri()
    alone: tuple[str, str, str, dict[str, str]] = ("one_month", "one month alone", _ONE, {})
    year = [
        (
            f"workers_{workers}",
            f"twelve months, TLC_WORKERS={workers}",
            _YEAR,
            {"TLC_WORKERS": str(workers)},
        )
        for workers in _WORKERS
    ]
    return [
        Case(
            name,
            title,
            Command(
                (*inputs.program("job"), "--service", _SERVICE, "--months", months),
                {
                    **bench.environment(schema=name, lake=f"lake_{name}"),
                    "TLC_SOURCE_URL": source,
                    **settings,
                },
            ),
            f"SELECT count(*) FROM {name}.{_SERVICE}",
        )
        for name, title, months, settings in (alone, *year)
        if plan.wants(name)
    ]


WORKERS = Study(
    name="workers",
    title="Twelve months in one run",
    names=("one_month", *(f"workers_{workers}" for workers in _WORKERS)),
    rows=500_000,
    quick_rows=5_000,
    rounds=3,
    cases=cases,
)
