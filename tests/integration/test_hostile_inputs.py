"""What somebody could send us to break in, to fill memory or to spoil a store: all of it refused.

Each case is run by the pipeline's own steps over a real Postgres and a lake that hold the month
already. It has to end in an error of ours that says what was found; nothing that a reader sees may
change, no secret may be said, and memory has to stay what it is for a month.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import random
import re
import struct
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.csv_months import write_csv_month
from embedded.samples.months import published_batches, published_schema, write_month
from mage_project.run_context import run_force, run_partitions
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.source import cdn as tlc_cdn
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ConfigurationError, PipelineError, SourceError
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores
from tests.ports.scripted_http import Answer, serve

MONTH = Partition(GREEN, Month(2020, 10))
ROWS = 500
SECRET = "hunter2-the-user's-password"
MOST_MEMORY = 400 << 20
"""Bytes that a case may add to the process: a month of 24 million rows adds less."""

Write = Callable[[Path], None]


_TABLE: list[pa.Table] = []


def parquet(change: Callable[[pa.Table], pa.Table], **options: Any) -> Write:
    def write(path: Path) -> None:
        pq.write_table(change(_TABLE[0]), path, **options)

    return write


def with_column(name: str, values: Callable[[int], pa.Array]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        array = values(table.num_rows)
        at = table.schema.get_field_index(name)
        return table.append_column(name, array) if at < 0 else table.set_column(at, name, array)

    return change


def nested(rows: int) -> pa.Array:
    array: pa.Array = pa.array([1.0] * rows)
    for _ in range(60):
        array = pa.StructArray.from_arrays([array], ["a"])
    return array


def varint(number: int) -> bytes:
    """A number as Thrift's compact protocol has it."""
    zigzag, octets = (number << 1) ^ (number >> 63), bytearray()
    zigzag &= (1 << 64) - 1
    while zigzag >= 0x80:
        octets.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    return bytes([*octets, zigzag])


def lying_footer(*lies: tuple[int, int], last: bool = False) -> Write:
    """The month with numbers of its footer replaced by others."""

    def write(path: Path) -> None:
        pq.write_table(_TABLE[0], path)
        whole = path.read_bytes()
        (size,) = struct.unpack("<I", whole[-8:-4])
        body, footer = whole[: -8 - size], whole[-8 - size : -8]
        for told, lie in lies:
            assert varint(told) in footer
            if last:
                footer = varint(lie).join(footer.rsplit(varint(told), 1))
            else:
                footer = footer.replace(varint(told), varint(lie))
        path.write_bytes(body + footer + struct.pack("<I", len(footer)) + b"PAR1")

    return write


def raw(content: bytes) -> Write:
    return lambda path: path.write_bytes(content) and None


def csv(change: Callable[[bytes], bytes]) -> Write:
    """The month as CSV, changed: header and lines."""
    return lambda path: path.write_bytes(gzip.compress(change(_CSV[0]), 1)) and None


_CSV: list[bytes] = []


def header_and(lines: bytes) -> Callable[[bytes], bytes]:
    return lambda text: text.partition(b"\n")[0] + b"\n" + lines


def noise(size: int) -> bytes:
    """Text that gzip cannot make much smaller."""
    return random.Random(0).randbytes(size // 2).hex().encode()


def gzip_of(size: int, fill: bytes = b"\0") -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        for _ in range(size >> 20):
            file.write(fill * (1 << 20))
    return out.getvalue()


FILES: Mapping[str, tuple[Write, str]] = {
    "parquet: one text of 300 MB": (
        parquet(
            with_column(
                "store_and_fwd_flag", lambda n: pa.array(["N" * (300 << 20)] + ["N"] * (n - 1))
            ),
            compression="zstd",
            use_dictionary=False,
            write_statistics=False,
        ),
        "bytes in a row group of 500 rows",
    ),
    "parquet: a text of 900 KB in a dictionary, repeated": (
        parquet(
            with_column("store_and_fwd_flag", lambda n: pa.array(["N" * 900_000] * n)),
            compression="zstd",
        ),
        "a value of store_and_fwd_flag has 900,000 bytes",
    ),
    "parquet: a text of 5 KB": (
        parquet(
            with_column("store_and_fwd_flag", lambda n: pa.array(["N" * 5_000] + ["Y"] * (n - 1))),
            use_dictionary=False,
        ),
        "a value of store_and_fwd_flag has 5,000 bytes",
    ),
    "parquet: a row group for each row": (
        parquet(lambda t: pa.concat_tables([t] * 3).slice(0, 1_001), row_group_size=1),
        "1,001 row groups, expected at most 1,000",
    ),
    "parquet: 10,000 columns": (
        parquet(
            lambda t: pa.table({f"c{i}": pa.nulls(t.num_rows, pa.int8()) for i in range(10_000)})
        ),
        "columns, expected at most 200",
    ),
    "parquet: a footer of 8 MB": (
        parquet(lambda t: t.replace_schema_metadata({"x": "y" * (8 << 20)})),
        "bytes of footer",
    ),
    "parquet: a structure 60 levels deep": (
        parquet(with_column("extra", nested)),
        "column extra is struct<",
    ),
    "parquet: a column name of 100 KB": (
        parquet(with_column("x" * 100_000, lambda n: pa.nulls(n, pa.int8()))),
        "is unknown",
    ),
    "parquet: a column name with SQL": (
        parquet(with_column('a"; DROP SCHEMA tlc CASCADE; --', lambda n: pa.nulls(n, pa.int8()))),
        "is unknown",
    ),
    "parquet: the same column twice": (
        parquet(lambda t: t.append_column("extra", t["extra"])),
        "extra",
    ),
    "parquet: a footer of more rows than there are": (
        lying_footer((ROWS, ROWS * 40), last=True),
        "contradicts itself",
    ),
    "parquet: rows and groups of more rows than there are": (
        lying_footer((ROWS, ROWS * 40)),
        "as it was",
    ),
    "parquet: a negative number of rows": (
        lying_footer((ROWS, -ROWS), last=True),
        "as it was",
    ),
    "parquet: negative sizes throughout": (
        lying_footer((ROWS, -ROWS)),
        "as it was",
    ),
    "parquet: the footer's length beyond the file": (
        raw(b"PAR1" + b"\0" * 50 + struct.pack("<I", 1 << 20) + b"PAR1"),
        "cannot be read as Parquet",
    ),
    "parquet: a footer of noise": (
        raw(b"PAR1" + bytes(range(200)) + struct.pack("<I", 200) + b"PAR1"),
        "cannot be read as Parquet",
    ),
    "parquet: an encrypted footer": (
        raw(b"PARE" + b"\0" * 50 + struct.pack("<I", 20) + b"PARE"),
        "not a whole Parquet file",
    ),
    "parquet: HTML with status 200": (
        raw(b"<!doctype html><title>Sign in</title>"),
        "HTML",
    ),
}

CSVS: Mapping[str, tuple[Write, str]] = {
    "csv: a gzip bomb of zeros": (raw(gzip_of(256 << 20)), "a line of more than"),
    "csv: a gzip bomb of line ends": (raw(gzip_of(256 << 20, b"\n")), "100 per byte"),
    "csv: a line of 20 MB": (csv(lambda t: t + noise(20 << 20)), "a line of more than"),
    "csv: fields of 1 MB": (
        csv(lambda t: t.replace(b",N,", b"," + noise(1 << 20) + b",", 3)),
        "a value of store_and_fwd_flag has 1,048,576 bytes",
    ),
    "csv: NUL throughout": (csv(header_and(b"\0" * 1000 + b"\n")), "cannot be read"),
    "csv: no UTF-8 throughout": (
        csv(lambda t: header_and(t.partition(b"\n")[2].replace(b",", b"\xff,"))(t)),
        "cannot be read",
    ),
    "csv: quotes that are never closed": (csv(header_and(b'"1,2\n' * 300)), "cannot be read"),
    "csv: formula cells": (
        csv(header_and(b"=cmd|' /C calc'!A0," * 19 + b"=1+1\n")),
        "cannot be read",
    ),
    "csv: 100,000 columns": (
        csv(lambda t: b",".join(b"c%d" % i for i in range(100_000)) + b"\n1\n"),
        "columns, expected at most 200",
    ),
    "csv: gzip within gzip": (raw(gzip.compress(gzip.compress(b"a,b\n1,2\n"))), "gzip of gzip"),
    "csv: gzip cut short": (
        lambda path: path.write_bytes(gzip.compress(_CSV[0])[:-500]) and None,
        "cannot be read",
    ),
    "csv: Parquet under its name": (parquet(lambda t: t), "found Parquet"),
}

NAMES: Mapping[str, tuple[Write, str]] = {
    "name: a folder where the file should be": (Path.mkdir, "is missing"),
    "name: a pipe that never says anything": (os.mkfifo, "is missing"),
    "name: a link to itself": (lambda path: path.symlink_to(path), "is missing"),
    "name: a link to what is no month": (
        lambda path: path.symlink_to("/etc/passwd"),
        "an unknown kind of file",
    ),
}

REDIRECTED = "http://169.254.169.254/latest/meta-data/iam/"
ANSWERS: Mapping[str, tuple[Callable[[str], Answer], str]] = {
    "http: a redirect to itself": (
        lambda url: Answer(302, {"Location": url}),
        "TooManyRedirects",
    ),
    "http: a redirect to a file": (
        lambda _: Answer(302, {"Location": "file:///etc/passwd"}),
        "file://",
    ),
    "http: a redirect to the cloud's credentials": (
        lambda _: Answer(302, {"Location": REDIRECTED}),
        "169.254.169.254",
    ),
    "http: a body larger than any month": (
        lambda _: Answer(200, {"Content-Length": str(1 << 50)}),
        "1,125,899,906,842,624 bytes",
    ),
    "http: a body without an end": (
        lambda _: Answer(200, body=b"PAR1" * (1 << 20), framed=False),
        "more than",
    ),
    "http: less body than announced": (
        lambda _: Answer(200, {"Content-Length": "100"}, b"PAR1"),
        "failed",
    ),
    "http: 500 headers": (
        lambda _: Answer(200, {f"X-{i}": "x" for i in range(500)}),
        "failed",
    ),
    "http: a header of 1 MB": (
        lambda _: Answer(200, {"ETag": "x" * (1 << 20)}),
        "failed",
    ),
    "http: gzip on top": (
        lambda _: Answer(200, {"Content-Encoding": "gzip"}, gzip_of(1 << 20)),
        "Content-Encoding gzip",
    ),
    "http: a page instead of the file": (
        lambda _: Answer(200, {"Content-Type": "text/html"}, b"<html>please log in</html>"),
        "HTML",
    ),
    "http: a status that there is not": (lambda _: Answer(299), "299"),
    "http: another part than asked for": (
        lambda _: Answer(206, {"Content-Range": "bytes 7-10/4", "ETag": '"x"'}, b"PAR1"),
        "another version or place",
    ),
}

VARIABLES: Mapping[str, tuple[dict[str, Any], str]] = {
    "variables: SQL as service": (
        {"service": "green'; DROP SCHEMA tlc CASCADE; --", "months": "2020-10"},
        "is unknown",
    ),
    "variables: a path as service": (
        {"service": "../../etc/passwd", "months": "2020-10"},
        "is unknown",
    ),
    "variables: a colour that is none": (
        {"color": "purple", "months": "2020-10"},
        "purple is unknown",
    ),
    "variables: a dictionary as service": (
        {"service": {"green": 1}, "months": "2020-10", "color": [{}]},
        "is unknown",
    ),
    "variables: month 13": ({"service": "green", "months": "2020-13"}, "cannot be read"),
    "variables: year 0": ({"service": "green", "months": "0000-01"}, "cannot be read"),
    "variables: every month there is": (
        {"service": "green", "months": "1000-01:9999-12"},
        "outside",
    ),
    "variables: a shell in months": ({"service": "green", "months": "$(id)"}, "cannot be read"),
    "variables: months of a megabyte": (
        {"service": "green", "months": "x" * (1 << 20)},
        "cannot be read",
    ),
    "variables: digits of another script": (
        {"service": "green", "months": "\uff12\uff10\uff12\uff10-\uff11\uff10"},
        "cannot be read",
    ),
    "variables: a list of lists as months": (
        {"service": "green", "months": [["2020-10"]]},
        "cannot be read",
    ),
    "variables: a year of words": (
        {"service": "green", "year": "MMXX", "month": 10},
        "expected a number",
    ),
    "variables: a year of 20 digits": (
        {"service": "green", "year": 10**20, "month": 10},
        "cannot be read",
    ),
    "variables: force that is neither": (
        {"service": "green", "months": "2020-10", "force": "rm -rf /"},
        "force is",
    ),
    "variables: a date that is none": (
        {"service": "green", "execution_date": "yesterday'--"},
        "is not a date",
    ),
}

SETTINGS: Mapping[str, tuple[dict[str, str], str]] = {
    "environment: a schema of SQL": (
        {"POSTGRES_SCHEMA": 'x"; DROP SCHEMA tlc; --\0'},
        "POSTGRES_SCHEMA",
    ),
    "environment: a schema of Postgres' own": (
        {"POSTGRES_SCHEMA": "pg_catalog"},
        "POSTGRES_SCHEMA",
    ),
    "environment: a schema longer than names are": (
        {"POSTGRES_SCHEMA": "s" * 200},
        "POSTGRES_SCHEMA",
    ),
    "environment: a port beyond ports": ({"POSTGRES_PORT": "99999"}, "POSTGRES_PORT"),
    "environment: options as host": (
        {"POSTGRES_HOST": "127.0.0.1 options=-cfsync=off\0"},
        "POSTGRES_HOST",
    ),
    "environment: TLS that there is not": ({"POSTGRES_SSLMODE": "off"}, "POSTGRES_SSLMODE"),
    "environment: a lake elsewhere": ({"LAKE_URL": "ftp://evil.example/lake"}, "LAKE_URL"),
    "environment: a source of another scheme": (
        {"TLC_SOURCE_URL": "gopher://127.0.0.1:6379/_FLUSHALL"},
        "TLC_SOURCE_URL",
    ),
    "environment: a source with a secret": (
        {"TLC_SOURCE_URL": f"ftp://me:{SECRET}@evil.example/"},
        "TLC_SOURCE_URL",
    ),
    "environment: a billion workers": ({"TLC_WORKERS": "1000000000"}, "TLC_WORKERS"),
    "environment: a time-out of no number": ({"TLC_SOURCE_TIMEOUT": "nan"}, "TLC_SOURCE_TIMEOUT"),
    "environment: a profile that is a path": (
        {"TLC_PROFILE": "../../etc/passwd"},
        "is not a profile",
    ),
    "environment: a template as password": (
        {"POSTGRES_PASSWORD": "", "POSTGRES_USER": "{{ cycler.__init__ }}"},
        "POSTGRES_PASSWORD",
    ),
}


def manifest_with(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda text: json.dumps({**json.loads(text), **changes}).encode()


RECORDS: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "record: a path out of the lake": (manifest_with(raw="../../../etc/passwd"), "inside the lake"),
    "record: an absolute path": (manifest_with(raw="/etc/passwd"), "inside the lake"),
    "record: a path with a NUL": (manifest_with(raw="raw/\0"), "inside the lake"),
    "record: negative rows": (manifest_with(rows=-1), "greater than or equal to 0"),
    "record: wrong types": (manifest_with(rows={"a": []}, bytes="many"), "not a landing record"),
    "record: fields that nobody knows": (
        manifest_with(__class__="os.system"),
        "not a landing record",
    ),
    "record: 100,000 levels": (lambda _: b"[" * 100_000, "not a landing record"),
    "record: a number of a million digits": (
        lambda t: re.sub(rb'"rows": \d+', b'"rows": ' + b"9" * 10**6, t),
        "not a landing record",
    ),
    "record: 20 MB": (lambda _: b'"' + b"x" * (20 << 20) + b'"', "bytes, expected"),
    "record: no UTF-8": (lambda _: b'{"raw": "\xff\xfe"}', "not a landing record"),
}


def test_there_are_more_than_forty() -> None:
    assert sum(map(len, (FILES, NAMES, CSVS, ANSWERS, VARIABLES, SETTINGS, RECORDS))) > 40


@dataclass
class Stores:
    """A lake and a database that hold the month, and how to run it again.

    Attributes:
        published: Folder from which the month is landed.
        said: Everything that the pipeline logged.
    """

    environment: dict[str, str]
    published: Path
    said: io.StringIO = field(default_factory=io.StringIO)

    def run(self, **changes: str) -> str:
        """Run every step; what it ended with."""
        settings = Settings.load({**self.environment, **changes})
        trips = Trips(settings, connect_stores(settings))
        with pytest.raises(PipelineError) as caught:
            every_step(trips)
        return str(caught.value)

    def seen(self) -> tuple[Any, ...]:
        """What readers see: rows and ledger, and every object that is not on its way."""
        env = self.environment
        with (
            closing(psycopg2.connect(
                host=env["POSTGRES_HOST"], port=env["POSTGRES_PORT"], dbname=env["POSTGRES_DBNAME"],
                user=env["POSTGRES_USER"], password=env["POSTGRES_PASSWORD"],
                options=f"-c search_path={env['POSTGRES_SCHEMA']}",
            )) as connection,
            connection.cursor() as cursor,
        ):  # fmt: skip
            cursor.execute("SELECT count(*), sum(source_row), min(pickup_datetime) FROM green")
            rows = cursor.fetchall()
            cursor.execute("SELECT service, source_month, sha256, reconciled_at FROM ledger")
            ledger = cursor.fetchall()
        lake = connect_stores(Settings.load(env)).lake
        zones = ("trips/", "quarantine/", "manifests/", "staging/")
        return rows, ledger, [(o.path, o.generation) for zone in zones for o in lake.list(zone)]


@pytest.fixture(scope="module")
def loaded(
    postgres: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Stores]]:
    """The stores, by the form of the published files."""
    postgres.make_roles()
    folder = tmp_path_factory.mktemp("hostile")
    _TABLE.append(pq.read_table(write_month(MONTH, ROWS, folder)))
    schema = published_schema(MONTH, SourceFormat.CSV)
    batches = published_batches(MONTH, ROWS, schema)
    _CSV.append(write_csv_month(MONTH, batches, folder, compressed=False).read_bytes())
    made: dict[str, Stores] = {}

    def get(source_format: str) -> Stores:
        if source_format not in made:
            stores = Stores(_environment(postgres, folder, source_format), folder / source_format)
            stores.published.mkdir()
            write_good(stores, source_format)
            settings = Settings.load(stores.environment)
            trips = Trips(settings, connect_stores(settings))
            every_step(trips)
            made[source_format] = stores
        return made[source_format]

    yield get
    postgres.psql("DROP SCHEMA hostile_parquet, hostile_csv CASCADE")


def every_step(trips: Trips) -> None:
    conformed = trips.conform(trips.land([MONTH], force=False))
    trips.reconcile(trips.load_to_postgres(conformed), trips.publish_to_lake(conformed))


def write_good(stores: Stores, source_format: str) -> None:
    path = stores.published / f"{MONTH.file_stem}.{source_format}"
    if source_format == "parquet":
        pq.write_table(_TABLE[0], path)
    else:
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(_CSV[0], mtime=0))


def _environment(postgres: Any, folder: Path, source_format: str) -> dict[str, str]:
    return {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(postgres.port),
        "POSTGRES_DBNAME": postgres.database,
        "POSTGRES_USER": "tlc_loader",
        "POSTGRES_PASSWORD": postgres.password_of("loader"),
        "POSTGRES_SCHEMA": f"hostile_{source_format}",
        "LAKE_URL": str(folder / f"lake_{source_format}"),
        "TLC_SOURCE_FORMAT": source_format,
        "TLC_SOURCE_URL": (folder / source_format).as_uri(),
        "TLC_WORK_DIR": str(folder / "work"),
        "TLC_ATTEMPTS": "1",
        "TLC_WORKERS": "1",
    }


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    logging.getLogger("nyc_tlc").propagate = True
    return caplog


def peak_memory() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def check_refused(
    stores: Stores, attack: Callable[[], str], expected: str, said: pytest.LogCaptureFixture
) -> None:
    before = stores.seen()
    pa.default_memory_pool().release_unused()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    base = peak_memory()
    error = attack()
    assert peak_memory() - base < MOST_MEMORY
    assert expected in error
    for told in (error, said.text):
        assert "unexpected" not in told
        assert "Traceback" not in told
        assert len(told) < 5_000
        assert stores.environment["POSTGRES_PASSWORD"] not in told
        assert SECRET not in told
    assert stores.seen() == before


@pytest.mark.parametrize("name", FILES)
def test_parquet_files(
    loaded: Callable[[str], Stores], name: str, said: pytest.LogCaptureFixture
) -> None:
    write, expected = FILES[name]
    stores = loaded("parquet")
    write(stores.published / MONTH.file_name)
    try:
        check_refused(stores, stores.run, expected, said)
    finally:
        write_good(stores, "parquet")


@pytest.mark.parametrize("name", NAMES)
def test_file_names(
    loaded: Callable[[str], Stores], name: str, said: pytest.LogCaptureFixture
) -> None:
    write, expected = NAMES[name]
    stores = loaded("parquet")
    path = stores.published / MONTH.file_name
    path.unlink()
    write(path)
    try:
        check_refused(stores, stores.run, expected, said)
    finally:
        path.rmdir() if path.is_dir() else path.unlink()
        write_good(stores, "parquet")


@pytest.mark.parametrize("name", CSVS)
def test_csv_files(
    loaded: Callable[[str], Stores], name: str, said: pytest.LogCaptureFixture
) -> None:
    write, expected = CSVS[name]
    stores = loaded("csv")
    write(stores.published / f"{MONTH.file_stem}.csv.gz")
    try:
        check_refused(stores, stores.run, expected, said)
    finally:
        write_good(stores, "csv")


@pytest.mark.parametrize("name", ANSWERS)
def test_http_answers(
    loaded: Callable[[str], Stores], name: str, said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    answer, expected = ANSWERS[name]
    stores = loaded("parquet")
    if "without an end" in name:
        monkeypatch.setattr(tlc_cdn, "MOST_FILE_BYTES", 2 << 20)
    with ExitStack() as running:
        url = ""
        server = running.enter_context(serve(lambda request: answer(url + request.target)))
        url = server.url
        source = url.replace("//", f"//me:{SECRET}@")
        check_refused(stores, lambda: stores.run(TLC_SOURCE_URL=source), expected, said)


def start_run(variables: dict[str, Any]) -> None:
    run_partitions(variables)
    run_force(variables)


@pytest.mark.parametrize("name", VARIABLES)
def test_variables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables, expected = VARIABLES[name]
    for setting, value in {"POSTGRES_DBNAME": "x", "POSTGRES_USER": "x", "LAKE_URL": "x",
                           "POSTGRES_PASSWORD": SECRET}.items():  # fmt: skip
        monkeypatch.setenv(setting, value)
    with pytest.raises(ConfigurationError) as caught:
        start_run(variables)
    assert expected in str(caught.value)
    assert "Nothing was started" in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", SETTINGS)
def test_environment(
    loaded: Callable[[str], Stores], database: Database, name: str, said: pytest.LogCaptureFixture
) -> None:
    changes, expected = SETTINGS[name]
    stores = loaded("parquet")

    def start() -> str:
        with pytest.raises(ConfigurationError) as caught:
            Settings.load({**stores.environment, **changes})
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        return str(caught.value)

    check_refused(stores, start, expected, said)


@pytest.mark.parametrize("name", RECORDS)
def test_records_of_the_lake(
    loaded: Callable[[str], Stores], name: str, said: pytest.LogCaptureFixture
) -> None:
    change, expected = RECORDS[name]
    stores = loaded("parquet")
    lake = connect_stores(Settings.load(stores.environment)).lake
    (record,) = [o.path for o in lake.list("raw/") if o.path.endswith(".json")]
    kept = lake.read(record)
    assert kept is not None
    lake.write(record, change(kept[0]), if_generation=None)
    try:
        check_refused(stores, stores.run, expected, said)
    finally:
        lake.write(record, kept[0], if_generation=None)


def test_servers_of_the_internet_do_not_lead_us_into_our_network() -> None:
    assert tlc_cdn.may_follow("192.0.2.1", "192.0.2.1")
    assert tlc_cdn.may_follow("1.1.1.1", "8.8.8.8")
    assert tlc_cdn.may_follow("10.0.0.1", "10.0.0.2")
    for inside in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "localhost"):
        assert not tlc_cdn.may_follow("1.1.1.1", inside)
    for further in ("169.254.169.254", "fe80::1"):
        assert not tlc_cdn.may_follow("10.0.0.1", further)
    assert issubclass(SourceError, PipelineError)
