"""What is measured: five studies, each a table of cases."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from embedded.servers.postgres import psql_program
from nyc_tlc.core.month import Month
from qa.benchmarks.measure import Command
from qa.benchmarks.workbench import SCRATCH_SCHEMA, Workbench, inherited

_SERVICE, _MONTH = "yellow", Month(2024, 1)
_PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        title: What it is, for the report.
        table: Where its rows are; they are counted after each run.
        rows: What the count has to be; None for what the program says it loaded.
        before: Statements before each run, not measured.
        settings: Of the server during the run, where they are not the embedded ones.
        share: The part of the study's rows that it loads.
        is_peer: Its failure is reported; any other ends the study.
    """

    title: str
    command: Command
    table: str
    rows: int | None = None
    before: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    is_peer: bool = False


Make = Callable[[Workbench, int], Case]
"""Makes a case and its input, of the study's unit of rows."""


@dataclass(frozen=True)
class Study:
    """One question.

    Attributes:
        rows: Its unit of rows unless another is given.
        rounds: Counted rounds unless others are given.
        bases: Cases that the others are held against, by the heading of their column.
    """

    title: str
    rows: int
    rounds: int
    cases: Mapping[str, Make]
    bases: Mapping[str, str] = field(default_factory=dict)


class Peer(NamedTuple):
    """A loader that a user would pick instead.

    Attributes:
        share: The part of the rows that it is given, where all of them would take minutes.
        faster: How many times faster our whole job is to be.
    """

    name: str
    title: str
    share: float = 1.0
    faster: float = 1.0


PEERS = (
    Peer("duckdb_postgres", "DuckDB, postgres extension"),
    Peer("adbc_ingest", "ADBC, `adbc_ingest`"),
    Peer("polars_adbc", 'polars, `write_database(engine="adbc")`'),
    Peer("dlt_adbc", "dlt, Parquet through ADBC, 4 workers", faster=1.6),
    Peer("mage_export", "Mage, `Postgres.export`", faster=8),
    Peer("pandas_to_sql", "pandas, `to_sql` (from a tenth)", 0.1, faster=40),
    Peer("pandas_to_sql_psycopg", "pandas, `to_sql`, psycopg 3 (from a tenth)", 0.1, faster=40),
)


def _job(title: str, schema: str, what: str, bench: Workbench, rows: int, **settings: str) -> Case:
    """Our whole job, for a service's published months of so many rows each."""
    service, months = what.split()
    source = bench.published(service, months, rows)
    words = ("--service", service, "--months", months)
    command = bench.program("job", schema, source, *words, **settings)
    return Case(title, command, f"{schema}{bench.suffix}.{service}")


def _scale(service: str, units: int, bench: Workbench, rows: int) -> Case:
    rows *= units
    case = _job(f"{service}, {rows:,} rows", "scale", f"{service} {_MONTH}", bench, rows)
    # The month is new at each run: two copies of the largest would not fit on every disk.
    return replace(case, before="DROP SCHEMA IF EXISTS scale CASCADE")


def _mage_run(bench: Workbench, rows: int) -> Case:
    """The same through Mage, which does not say how many rows it loaded."""
    case = _job("our whole job, `mage run`", "mage_run", f"{_SERVICE} {_MONTH}", bench, rows)
    variables = json.dumps({"service": _SERVICE, "months": str(_MONTH), "force": "true"})
    mage = Path(sys.executable).with_name("mage")
    words = (mage, "run", "mage_project", "tlc_trips", "--runtime-vars", variables)
    return replace(
        case, command=replace(case.command, words=words), rows=_staged(bench, rows, "load")[1]
    )


@cache
def _staged(bench: Workbench, rows: int, schema: str) -> tuple[Path, int]:
    """A month that was conformed and loaded once, and waits to be loaded again.

    Returns:
        The run table that conform returned, as Parquet, and the number of accepted rows.
    """
    table = bench.folder / f"conformed_{schema}{bench.suffix}.parquet"
    source = bench.published(_SERVICE, str(_MONTH), rows)
    words = ("--service", _SERVICE, "--months", str(_MONTH), "--table", table)
    return table, int(bench.run(bench.program("prepare", schema, source, *words))["rows"])


def _load(
    title: str,
    bench: Workbench,
    rows: int,
    schema: str = "load",
    settings: Mapping[str, str] | None = None,
) -> Case:
    """Our load of a staged month, under other settings of the server where they are given."""
    table, accepted = _staged(bench, rows, schema)
    command = bench.program("load", schema, table.parent, "--table", table)
    trips = f"{schema}{bench.suffix}.{_SERVICE} WHERE source_month = '{_MONTH}-01'"
    return Case(title, command, trips, accepted, settings=settings or {})


def _present(count: int, bench: Workbench, rows: int) -> Case:
    """Our load where so many months of a thousand rows are present; a small study makes fewer."""
    schema = f"present_{count}"
    if others := min(count, rows // 1_000):
        following = f"{_SERVICE} {_MONTH + 1}:{_MONTH + others}"
        bench.run(_job("", schema, following, bench, 1_000).command)
    return _load(f"{count} other months present", bench, rows, schema)


def _floor(title: str, options: str, bench: Workbench, rows: int) -> Case:
    """What the server needs at least: the rows that our load writes, encoded beforehand."""
    table, accepted = _staged(bench, rows, "load")
    encoded = table.with_suffix(".pgcopy")
    bench.server.psql(f"\\copy (SELECT * FROM load.{_SERVICE}) TO '{encoded}' (FORMAT binary)")
    floor = f"{SCRATCH_SCHEMA}.floor"
    create = f"CREATE TABLE {floor} (LIKE load.{_SERVICE})"
    copy = f"COPY {floor} FROM STDIN (FORMAT binary{options})"
    statements = ("BEGIN", create, copy, "COMMIT") if options else (copy,)
    words = [word for statement in statements for word in ("--command", statement)]
    command = Command(
        (psql_program(), "-X", "-q", "-v", "ON_ERROR_STOP=1", *words),
        inherited() | bench.server.client_environment(),
        stdin=encoded,
    )
    return Case(title, command, floor, accepted, before="" if options else create)


def _peer(peer: Peer, bench: Workbench, rows: int) -> Case:
    """A peer, isolated with what ``peers/<name>.txt`` pins."""
    rows = int(rows * peer.share)
    month = bench.published(_SERVICE, str(_MONTH), rows) / f"{_SERVICE}_tripdata_{_MONTH}.parquet"
    uv = Path(sys.executable).with_name("uv")
    isolated = (uv, "run", "--isolated", "--no-project", "--python", sys.executable)
    pinned = (*isolated, "--with-requirements", _PEERS / f"{peer.name}.txt", "python")
    script = (_PEERS / "run.py", peer.name.removesuffix("_psycopg"))
    settings = {"DATABASE_URL": bench.database_url, "DLT_DATA_DIR": str(bench.folder / "scratch")}
    words = (*pinned, *script, month, SCRATCH_SCHEMA, peer.name)
    table = f"{SCRATCH_SCHEMA}.{peer.name}"
    command = Command(words, inherited() | settings)
    return Case(peer.title, command, table, rows, share=peer.share, is_peer=True)


PAIRED: Mapping[str, Make] = {
    "load": partial(_load, "our load to Postgres"),
    "job": partial(_job, "our whole job", "job", f"{_SERVICE} {_MONTH}"),
    "mage_run": _mage_run,
}
"""What two checkouts are compared by."""

_SIZES = (("yellow", 1), ("yellow", 3), ("yellow", 10), ("fhvhv", 3), ("fhvhv", 20))
_YEAR = f"{_SERVICE} 2023-01:2023-12"

_DEFAULTS = {
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "5min",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
}
"""PostgreSQL 18's own values of the settings that the embedded server changes for the load."""

_SETTINGS = {
    **{name: (name, value) for name, value in _DEFAULTS.items()},
    "shared_buffers_1gb": ("shared_buffers", "1GB"),
    "wal_buffers": ("wal_buffers", "64MB"),
    "synchronous_commit": ("synchronous_commit", "off"),
    "fsync": ("fsync", "off"),
}

STUDIES = {
    "compare": Study(
        "One month, against the floor and what else there is",
        rows=3_000_000,
        rounds=5,
        cases={
            "floor": partial(_floor, "floor: binary COPY by psql", ""),
            "floor_freeze": partial(_floor, "floor: in one transaction, FREEZE", ", FREEZE"),
            **PAIRED,
            **{peer.name: partial(_peer, peer) for peer in PEERS},
        },
        bases={"× floor": "floor", "× our job": "job"},
    ),
    "scale": Study(
        "Rows against time and memory",
        rows=1_000_000,
        rounds=3,
        cases={f"{size[0]}_{size[1]}": partial(_scale, *size) for size in _SIZES},
    ),
    "partitions": Study(
        "Months present against load time",
        rows=3_000_000,
        rounds=5,
        cases={f"present_{count}": partial(_present, count) for count in (0, 10, 50, 200)},
        bases={"× none": "present_0"},
    ),
    "workers": Study(
        "Twelve months in one run",
        rows=500_000,
        rounds=3,
        cases={
            "one_month": partial(_job, "one month alone", "one_month", f"{_SERVICE} 2023-06"),
            **{
                f"workers_{n}": partial(
                    _job, f"twelve months, TLC_WORKERS={n}", f"workers_{n}", _YEAR, TLC_WORKERS=n
                )
                for n in "124"
            },
        },
        bases={"× one month": "one_month"},
    ),
    "settings": Study(
        "The server's settings",
        rows=3_000_000,
        rounds=5,
        cases={
            "embedded": partial(_load, "as embedded"),
            "defaults": partial(_load, "PostgreSQL's defaults", settings=_DEFAULTS),
            **{
                case: partial(_load, f"`{name} = {value}`", settings={name: value})
                for case, (name, value) in _SETTINGS.items()
            },
        },
        bases={"× as embedded": "embedded"},
    ),
}
