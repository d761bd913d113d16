"""What each setting of the server does for the load of a month."""

from __future__ import annotations

from qa.benchmarks import inputs
from qa.benchmarks.case import Case
from qa.benchmarks.measure import Command
from qa.benchmarks.study import Plan, Study
from qa.benchmarks.workbench import Workbench

_SERVICE, _MONTH = "yellow", "2024-01"
_DEFAULTS = {
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "5min",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
}
"""PostgreSQL 18's own values of the settings that the embedded server changes for the load."""

_VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "embedded": ("as embedded", {}),
    "defaults": ("PostgreSQL's defaults", _DEFAULTS),
    **{
        name: (f"`{name} = {value}` (default)", {name: value})
        for name, value in _DEFAULTS.items()
    },
    "shared_buffers_1gb": ("`shared_buffers = 1GB`", {"shared_buffers": "1GB"}),
    "wal_buffers": ("`wal_buffers = 64MB`", {"wal_buffers": "64MB"}),
    "synchronous_commit": ("`synchronous_commit = off`", {"synchronous_commit": "off"}),
    "fsync": ("`fsync = off` (loses data: only to see the disk's share)", {"fsync": "off"}),
}  # fmt: skip


def cases(bench: Workbench, plan: Plan) -> list[Case]:
    plan.tell(f"making the input: {_SERVICE} {_MONTH}, {plan.rows:,} rows")
    source = inputs.published(bench, _SERVICE, _MONTH, plan.rows).as_uri()
    environment = {
        **bench.environment(schema="settings", lake="lake_settings"),
        "TLC_SOURCE_URL": source,
    }
    staged = inputs.staged(bench, environment, _SERVICE, _MONTH, encode=False)
    return [
        Case(
            name,
            title,
            Command((*inputs.program("load"), "--table", staged.table), environment),
            f"SELECT count(*) FROM settings.{_SERVICE}",
            staged.rows,
            settings=tuple(settings.items()),
        )
        for name, (title, settings) in _VARIANTS.items()
        if plan.wants(name)
    ]


SETTINGS = Study(
    name="settings",
    title="The server's settings",
    names=tuple(_VARIANTS),
    rows=3_000_000,
    quick_rows=5_000,
    rounds=5,
    cases=cases,
)
