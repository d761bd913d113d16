"""What is measured: five studies, each a table of cases."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from embedded.servers.postgres import psql_program
from nyc_tlc.core.month import Month
from qa.benchmarks.measure import Command
from qa.benchmarks.results import Kind
from qa.benchmarks.workbench import SCRATCH_SCHEMA, Workbench, inherited

_SERVICE, _MONTH = "yellow", Month(2024, 1)
_PEERS = Path(__file__).parent / "peers"


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
        kind: The failure of a peer is reported; any other ends the study.
    """

    title: str
    command: Command
    count: str
    rows: int | None = None
    before: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    kind: Kind = "ours"


Make = Callable[[Workbench, int], Case]
"""Makes a case and its input, of the study's unit of rows."""


@dataclass(frozen=True)
class Study:
    """One question.

    Attributes:
        rows: Its unit of rows unless another is given; of a quick run in ``quick_rows``.
        rounds: Counted rounds unless others are given.
        bases: Cases that the others are held against, by the heading of their column.
    """

    title: str
    rows: int
    rounds: int
    cases: Mapping[str, Make]
    bases: Mapping[str, str] = field(default_factory=dict)
    quick_rows: int = 5_000


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


def _job(title: str, schema: str, what: str, bench: Workbench, rows: int) -> Case:
    """Our whole job, for a service's published months of so many rows each."""
    service, months = what.split()
    source = bench.published(service, months, rows)
    return Case(
        title,
        bench.program(schema, source, "job", "--service", service, "--months", months),
        f"SELECT count(*) FROM {schema}{bench.suffix}.{service}",
    )


def _mage_run(bench: Workbench, rows: int) -> Case:
    """The same through Mage, which does not say how many rows it loaded."""
    case = _job("our whole job, `mage run`", "mage_run", f"{_SERVICE} {_MONTH}", bench, rows)
    variables = json.dumps({"service": _SERVICE, "months": str(_MONTH), "force": "true"})
    mage = Path(sys.executable).with_name("mage")
    words = (mage, "run", "mage_project", "tlc_trips", "--runtime-vars", variables)
    return replace(case, command=replace(case.command, words=words), rows=_staged(bench, rows)[1])


def _staged(bench: Workbench, rows: int, schema: str = "load") -> tuple[Path, int]:
    """A month that was conformed and loaded once, and waits to be loaded again.

    It is made once for each schema after the workbench was opened, with the code as it is now.

    Returns:
        The run table that conform returned, as Parquet, and the number of accepted rows.
    """
    table = bench.lake(schema) / "conformed.parquet"
    record = table.with_suffix(".rows")
    if not record.exists():
        table.parent.mkdir(exist_ok=True)
        source = bench.published(_SERVICE, str(_MONTH), rows)
        words = ("--service", _SERVICE, "--months", str(_MONTH), "--table", table)
        answer = bench.run(bench.program(schema, source, "prepare", *words))
        record.write_text(str(answer["rows"]), encoding="ascii")
    return table, int(record.read_text(encoding="ascii"))


def _load(title: str, bench: Workbench, rows: int, schema: str = "load") -> Case:
    table, accepted = _staged(bench, rows, schema)
    return Case(
        title,
        bench.program(schema, table.parent, "load", "--table", table),
        f"SELECT count(*) FROM {schema}{bench.suffix}.{_SERVICE} "
        f"WHERE source_month = '{_MONTH}-01'",
        accepted,
    )


def _floor(title: str, options: str, bench: Workbench, rows: int) -> Case:
    """What the server needs at least: the rows that our load writes, encoded beforehand."""
    table, accepted = _staged(bench, rows)
    encoded = table.with_suffix(".pgcopy")
    if not encoded.exists():
        bench.save_rows(f"load.{_SERVICE}", encoded)
    create = f"CREATE TABLE {SCRATCH_SCHEMA}.floor (LIKE load.{_SERVICE})"
    copy = f"COPY {SCRATCH_SCHEMA}.floor FROM STDIN (FORMAT binary{options})"
    statements = ("BEGIN", create, copy, "COMMIT") if options else (copy,)
    words = [word for statement in statements for word in ("--command", statement)]
    return Case(
        title,
        Command(
            (psql_program(), "-X", "-q", "-v", "ON_ERROR_STOP=1", *words),
            inherited() | bench.server.client_environment(),
            stdin=encoded,
        ),
        f"SELECT count(*) FROM {SCRATCH_SCHEMA}.floor",
        accepted,
        before=() if options else (create,),
        kind="floor",
    )


def _peer(peer: Peer, bench: Workbench, rows: int) -> Case:
    """A peer, isolated with what ``peers/<name>.txt`` pins."""
    pins, rows = _PEERS / f"{peer.name}.txt", int(rows * peer.share)
    month = bench.published(_SERVICE, str(_MONTH), rows) / f"{_SERVICE}_tripdata_{_MONTH}.parquet"
    uv = Path(sys.executable).with_name("uv")
    isolated = (uv, "run", "--isolated", "--no-project", "--python", sys.executable)
    script = (_PEERS / "run.py", peer.name.removesuffix("_psycopg"))
    words = ("--with-requirements", pins, "python", *script, month, SCRATCH_SCHEMA, peer.name)
    settings = {"DATABASE_URL": bench.database_url, "DLT_DATA_DIR": str(bench.folder / "scratch")}
    return Case(
        peer.title,
        Command((*isolated, *words), inherited() | settings),
        f"SELECT count(*) FROM {SCRATCH_SCHEMA}.{peer.name}",
        rows,
        share=peer.share,
        kind="peer",
    )


def _scale(service: str, units: int, bench: Workbench, rows: int) -> Case:
    rows *= units
    case = _job(f"{service}, {rows:,} rows", "scale", f"{service} {_MONTH}", bench, rows)
    # The month is new at each run: two copies of the largest would not fit on every disk.
    return replace(case, before=("DROP SCHEMA IF EXISTS scale CASCADE",))


def _present(count: int, bench: Workbench, rows: int) -> Case:
    """Our load where so many months of a thousand rows are present; a small study makes fewer."""
    schema, count = f"present_{count}", min(count, rows // 1_000)
    # Months to come stand in where the past ones are not enough.
    past = min(count, len(Month(2011, 1).through(_MONTH - 1)))
    for first, last in ((_MONTH - past, _MONTH - 1), (_MONTH + 1, _MONTH + (count - past))):
        if first <= last:
            bench.run(_job("", schema, f"{_SERVICE} {first}:{last}", bench, 1_000).command)
    return _load(f"{count} other months present", bench, rows, schema)


def _workers(workers: int, bench: Workbench, rows: int) -> Case:
    title, schema = f"twelve months, TLC_WORKERS={workers}", f"workers_{workers}"
    case = _job(title, schema, f"{_SERVICE} 2023-01:2023-12", bench, rows)
    environment = {**case.command.environment, "TLC_WORKERS": str(workers)}
    return replace(case, command=replace(case.command, environment=environment))


def _setting(title: str, settings: Mapping[str, str], bench: Workbench, rows: int) -> Case:
    title = title or ", ".join(f"`{name} = {value}`" for name, value in settings.items())
    return replace(_load(title, bench, rows), settings=settings)


PAIRED: Mapping[str, Make] = {
    "load": partial(_load, "our load to Postgres"),
    "job": partial(_job, "our whole job", "job", f"{_SERVICE} {_MONTH}"),
    "mage_run": _mage_run,
}
"""What two checkouts are compared by."""

_SIZES = (("yellow", 1), ("yellow", 3), ("yellow", 10), ("fhvhv", 3), ("fhvhv", 20))

_DEFAULTS = {
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "5min",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
}
"""PostgreSQL 18's own values of the settings that the embedded server changes for the load."""

_SETTINGS = {
    **{name: {name: value} for name, value in _DEFAULTS.items()},
    "shared_buffers_1gb": {"shared_buffers": "1GB"},
    "wal_buffers": {"wal_buffers": "64MB"},
    "synchronous_commit": {"synchronous_commit": "off"},
    "fsync": {"fsync": "off"},
}

STUDIES = {
    "compare": Study(
        "One month, against the floor and what else there is",
        rows=3_000_000,
        quick_rows=20_000,
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
            **{f"workers_{workers}": partial(_workers, workers) for workers in (1, 2, 4)},
        },
        bases={"× one month": "one_month"},
    ),
    "settings": Study(
        "The server's settings",
        rows=3_000_000,
        rounds=5,
        cases={
            "embedded": partial(_setting, "as embedded", {}),
            "defaults": partial(_setting, "PostgreSQL's defaults", _DEFAULTS),
            **{name: partial(_setting, "", settings) for name, settings in _SETTINGS.items()},
        },
        bases={"× as embedded": "embedded"},
    ),
}
