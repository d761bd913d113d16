"""What somebody could send us to break in, to fill memory or to spoil a store: all of it refused.

Each case is run by the pipeline's own steps over a real Postgres and a lake that hold the month
already. It has to end in one of our errors that says what was found; nothing that a reader sees
may change, no secret may be printed, and memory has to stay what it is for a month.
"""

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.csv_months import write_csv_month
from embedded.samples.months import published_batches, published_schema, write_month
from mage_project.run_context import run_force, run_partitions
from nyc_tlc.adapters.source import bounds
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ConfigurationError, PipelineError
from nyc_tlc.core.files.file_kind import SAMPLE_LINES
from nyc_tlc.core.month import Month
from nyc_tlc.settings import Settings
from tests.integration.world import World
from tests.ports.scripted_http import Answer, serve

MONTH = Partition(GREEN, Month(2020, 10))
ROWS = 500
SECRET = "hunter2-the-user's-password"
MOST_MEMORY = 400 << 20
"""Bytes that a case may add to the process: a month of 24 million rows adds less."""

Write = Callable[[Path], object]
FLAG = "store_and_fwd_flag"
_TABLE: list[pa.Table] = []
_CSV: list[bytes] = []
"""The month in its two forms; filled by the fixture ``loaded``."""


def parquet(change: Callable[[pa.Table], pa.Table], **options: Any) -> Write:
    return lambda path: pq.write_table(change(_TABLE[0]), path, **options)


def with_column(name: str, values: Callable[[int], Any]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        array = values(table.num_rows)
        at = table.schema.get_field_index(name)
        return table.append_column(name, array) if at < 0 else table.set_column(at, name, array)

    return change


def texts(first: str, others: str) -> Callable[[pa.Table], pa.Table]:
    return with_column(FLAG, lambda rows: pa.array([first] + [others] * (rows - 1)))


def bytes_of_nulls(rows: int) -> pa.Array:
    return pa.nulls(rows, pa.int8())


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


def rows_in_footer(false: int, *, last: bool = False) -> Write:
    """The month with its number of rows replaced throughout the footer, or at its last place."""

    def write(path: Path) -> None:
        pq.write_table(_TABLE[0], path)
        whole = path.read_bytes()
        (size,) = struct.unpack("<I", whole[-8:-4])
        body, footer = whole[: -8 - size], whole[-8 - size : -8]
        parts = footer.rsplit(varint(ROWS), 1) if last else footer.split(varint(ROWS))
        assert len(parts) > 1
        footer = varint(false).join(parts)
        path.write_bytes(body + footer + struct.pack("<I", len(footer)) + b"PAR1")

    return write


def raw(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


def footer(content: bytes, size: int, magic: bytes = b"PAR1") -> Write:
    return raw(magic + content + struct.pack("<I", size) + magic)


def csv(change: Callable[[bytes], bytes]) -> Write:
    """The month as CSV, changed: header and lines; it stays a sample, as what the stores hold."""
    return lambda path: path.write_bytes(
        gzip.compress(SAMPLE_LINES + change(_CSV[0].removeprefix(SAMPLE_LINES)), 1)
    )


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
    "one text of 300 MB": (
        parquet(
            texts("N" * (300 << 20), "N"),
            compression="zstd", use_dictionary=False, write_statistics=False,
        ),
        "bytes in a row group of 500 rows",
    ),
    "a text of 900 KB in a dictionary, repeated": (
        parquet(texts("N" * 900_000, "N" * 900_000), compression="zstd"),
        f"a value of {FLAG} has 900,000 bytes",
    ),
    "a text of 5 KB": (
        parquet(texts("N" * 5_000, "Y"), use_dictionary=False),
        f"a value of {FLAG} has 5,000 bytes",
    ),
    "a row group for each row": (
        parquet(lambda t: pa.concat_tables([t] * 3).slice(0, 1_001), row_group_size=1),
        "1,001 row groups, expected at most 1,000",
    ),
    "10,000 columns": (
        parquet(lambda t: pa.table({f"c{i}": bytes_of_nulls(t.num_rows) for i in range(10_000)})),
        "columns, expected at most 200",
    ),
    "a footer of 8 MB": (
        parquet(lambda t: t.replace_schema_metadata({"x": "y" * (8 << 20)})),
        "bytes of footer",
    ),
    "a structure 60 levels deep": (parquet(with_column("extra", nested)), "column extra is struct"),
    "a column name of 100 KB": (parquet(with_column("x" * 100_000, bytes_of_nulls)), "is unknown"),
    "a column name with SQL": (
        parquet(with_column('a"; DROP SCHEMA tlc CASCADE; --', bytes_of_nulls)),
        "is unknown",
    ),
    "the same column twice": (parquet(lambda t: t.append_column("extra", t["extra"])), "extra"),
    "a footer of more rows than there are": (
        rows_in_footer(ROWS * 40, last=True),
        "contradicts itself",
    ),
    "rows and groups of more rows than there are": (rows_in_footer(ROWS * 40), "as it was"),
    "a negative number of rows": (rows_in_footer(-ROWS, last=True), "as it was"),
    "negative sizes throughout": (rows_in_footer(-ROWS), "as it was"),
    "a footer longer than the file": (footer(b"\0" * 50, 1 << 20), "cannot be read as Parquet"),
    "a footer of noise": (footer(bytes(range(200)), 200), "cannot be read as Parquet"),
    "an encrypted footer": (footer(b"\0" * 50, 20, b"PARE"), "not a whole Parquet file"),
    "HTML with status 200": (raw(b"<!doctype html><title>Sign in</title>"), "HTML"),
    "a folder where the file should be": (Path.mkdir, "is missing"),
    "a pipe that never says anything": (os.mkfifo, "is missing"),
    "a link to itself": (lambda path: path.symlink_to(path), "is missing"),
    "a link to another kind of file": (
        lambda path: path.symlink_to("/etc/passwd"),
        "an unknown kind of file",
    ),
}  # fmt: skip
CSVS: Mapping[str, tuple[Write, str]] = {
    "a gzip bomb of zeros": (raw(gzip_of(256 << 20)), "a line of more than"),
    "a gzip bomb of line ends": (raw(gzip_of(256 << 20, b"\n")), "100 per byte"),
    "a line of 20 MB": (csv(lambda t: t + noise(20 << 20)), "a line of more than"),
    "fields of 1 MB": (
        csv(lambda t: t.replace(b",N,", b"," + noise(1 << 20) + b",", 3)),
        f"a value of {FLAG} has 1,048,576 bytes",
    ),
    "NUL throughout": (csv(header_and(b"\0" * 1000 + b"\n")), "cannot be read"),
    "no UTF-8 throughout": (
        csv(lambda t: header_and(t.partition(b"\n")[2].replace(b",", b"\xff,"))(t)),
        "cannot be read",
    ),
    "quotes that are never closed": (csv(header_and(b'"1,2\n' * 300)), "cannot be read"),
    "formula cells": (csv(header_and(b"=cmd|' /C calc'!A0," * 19 + b"=1+1\n")), "cannot be read"),
    "100,000 columns": (
        csv(lambda t: b",".join(b"c%d" % i for i in range(100_000)) + b"\n1\n"),
        "columns, expected at most 200",
    ),
    "gzip within gzip": (raw(gzip.compress(gzip.compress(b"a,b\n1,2\n"))), "gzip of gzip"),
    "gzip cut short": (
        lambda path: path.write_bytes(gzip.compress(_CSV[0])[:-500]),
        "cannot be read",
    ),
    "Parquet under its name": (parquet(lambda t: t), "found Parquet"),
}

ANSWERS: Mapping[str, tuple[Answer, str]] = {
    "a redirect without TLS": (Answer(302, {"Location": "/trip-data/x"}), "expected https://"),
    "a redirect to a file": (Answer(302, {"Location": "file:///etc/passwd"}), "file://"),
    "a redirect to the cloud's credentials": (
        Answer(302, {"Location": "http://169.254.169.254/latest/meta-data/iam/"}),
        "169.254.169.254",
    ),
    "a body larger than any month": (
        Answer(200, {"Content-Length": str(1 << 50)}),
        "1,125,899,906,842,624 bytes",
    ),
    "a body without an end": (Answer(200, body=b"PAR1" * (1 << 20), framed=False), "more than"),
    "less body than announced": (Answer(200, {"Content-Length": "100"}, b"PAR1"), "failed"),
    "500 headers": (Answer(200, {f"X-{i}": "x" for i in range(500)}), "failed"),
    "a header of 1 MB": (Answer(200, {"ETag": "x" * (1 << 20)}), "failed"),
    "gzip on top": (
        Answer(200, {"Content-Encoding": "gzip"}, gzip_of(1 << 20)),
        "Content-Encoding gzip",
    ),
    "a page instead of the file": (
        Answer(200, {"Content-Type": "text/html"}, b"<html>please log in</html>"),
        "HTML",
    ),
    "a status that there is not": (Answer(299), "299"),
    "another part than asked for": (
        Answer(206, {"Content-Range": "bytes 7-10/4", "ETag": '"x"'}, b"PAR1"),
        "another version or place",
    ),
}

VARIABLES: Mapping[str, tuple[dict[str, Any], str]] = {
    "SQL as service": ({"service": "green'; DROP SCHEMA tlc CASCADE; --"}, "is unknown"),
    "a path as service": ({"service": "../../etc/passwd"}, "is unknown"),
    "a colour that is none": ({"service": None, "color": "purple"}, "purple is unknown"),
    "a dictionary as service": (
        {"service": {"green": 1}, "color": [{}]},
        "service is {'green': 1} (dict): expected a text",
    ),
    "every month there is": ({"months": "1000-01:9999-12"}, "outside"),
    "a shell in months": ({"months": "$(id)"}, "cannot be read"),
    "months of a megabyte": ({"months": "x" * (1 << 20)}, "cannot be read"),
    "digits of another script": (
        {"months": "\uff12\uff10\uff12\uff10-\uff11\uff10"},
        "cannot be read",
    ),
    "a list of lists as months": (
        {"months": [["2020-10"]]},
        "months is [['2020-10']] (list): expected a text",
    ),
    "a year of 20 digits": ({"months": None, "year": 10**20, "month": 10}, "cannot be read"),
    "force that is neither": ({"force": "rm -rf /"}, "force is"),
    "a date that is none": ({"months": None, "execution_date": "yesterday'--"}, "is not a date"),
}

CONNECTIONS = {
    "POSTGRES_HOST": "127.0.0.1", "POSTGRES_DBNAME": "x", "POSTGRES_USER": "x",
    "POSTGRES_PASSWORD": SECRET, "LAKE_URL": "./x",
}  # fmt: skip
SETTINGS: Mapping[str, tuple[dict[str, str], str]] = {
    "a schema of SQL": ({"POSTGRES_SCHEMA": 'x"; DROP SCHEMA tlc; --\0'}, "POSTGRES_SCHEMA"),
    "a schema longer than names are": ({"POSTGRES_SCHEMA": "s" * 200}, "POSTGRES_SCHEMA"),
    "options as host": ({"POSTGRES_HOST": "127.0.0.1 options=-cfsync=off\0"}, "POSTGRES_HOST"),
    "TLS that there is not": ({"POSTGRES_SSLMODE": "off"}, "POSTGRES_SSLMODE"),
    "a lake elsewhere": ({"LAKE_URL": "ftp://evil.example/lake"}, "LAKE_URL"),
    "a source of another scheme": (
        {"TLC_SOURCE_URL": "gopher://127.0.0.1:6379/_FLUSHALL"},
        "TLC_SOURCE_URL",
    ),
    "a source with a secret": (
        {"TLC_SOURCE_URL": f"ftp://me:{SECRET}@evil.example/"},
        "TLC_SOURCE_URL",
    ),
    "a billion workers": ({"TLC_WORKERS": "1000000000"}, "TLC_WORKERS"),
    "a time-out of no number": ({"TLC_SOURCE_TIMEOUT": "nan"}, "TLC_SOURCE_TIMEOUT"),
    "a profile that is a path": ({"TLC_PROFILE": "../../etc/passwd"}, "is not a profile"),
    "a template as password": (
        {"POSTGRES_PASSWORD": "", "POSTGRES_USER": "{{ cycler.__init__ }}"},
        "POSTGRES_PASSWORD",
    ),
}


def record_with(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda text: json.dumps({**json.loads(text), **changes}).encode()


RECORDS: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "a path out of the lake": (record_with(raw="../../../etc/passwd"), "inside the lake"),
    "an absolute path": (record_with(raw="/etc/passwd"), "inside the lake"),
    "a path with a NUL": (record_with(raw="raw/\0"), "inside the lake"),
    "negative rows": (record_with(rows=-1), "greater than or equal to 0"),
    "wrong types": (record_with(rows={"a": []}, bytes="many"), "not a landing record"),
    "fields that nobody knows": (record_with(__class__="os.system"), "not a landing record"),
    "100,000 levels": (lambda _: b"[" * 100_000, "not a landing record"),
    "a number of a million digits": (
        lambda t: re.sub(rb'"rows": \d+', b'"rows": ' + b"9" * 10**6, t),
        "not a landing record",
    ),
    "20 MB": (lambda _: b'"' + b"x" * (20 << 20) + b'"', "bytes, expected"),
    "no UTF-8": (lambda _: b'{"raw": "\xff\xfe"}', "not a landing record"),
}


@dataclass
class Stores:
    """A lake and a database that hold the month, and how to run it again.

    Attributes:
        file: The published file from which the month is landed.
        good: Its content.
    """

    environment: dict[str, str]
    file: Path
    good: bytes

    def world(self, **changes: str) -> World:
        return World(Settings.load({**self.environment, **changes}))

    def run(self, **changes: str) -> str:
        """Run every step, and return the error that it ended with."""
        with pytest.raises(PipelineError) as caught:
            self.world(**changes).load(MONTH)
        return str(caught.value)

    def seen(self) -> tuple[Any, ...]:
        """What readers see: rows and ledger, and every object that is not on its way."""
        world = self.world()
        rows = world.sql("SELECT count(*), sum(source_row), min(pickup_datetime) FROM green")
        ledger = world.sql("SELECT service, source_month, sha256, reconciled_at FROM ledger")
        zones = ("trips/", "quarantine/", "manifests/", "staging/")
        objects = [(o.path, o.generation) for zone in zones for o in world.lake.list(zone)]
        return rows, ledger, objects


@pytest.fixture(scope="module")
def loaded(postgres, tmp_path_factory) -> Iterator[Callable[[SourceFormat], Stores]]:
    """The stores, by the form of the published files."""
    postgres.make_roles()
    folder = tmp_path_factory.mktemp("hostile")
    month = write_month(MONTH, ROWS, folder)
    _TABLE.append(pq.read_table(month))
    batches = published_batches(MONTH, ROWS, published_schema(MONTH, SourceFormat.CSV))
    _CSV.append(write_csv_month(MONTH, batches, folder, compressed=False).read_bytes())
    good = {
        SourceFormat.PARQUET: (MONTH.file_name, month.read_bytes()),
        SourceFormat.CSV: (f"{MONTH.file_stem}.csv.gz", gzip.compress(_CSV[0], mtime=0)),
    }
    made: dict[SourceFormat, Stores] = {}

    def get(form: SourceFormat) -> Stores:
        if form not in made:
            name, content = good[form]
            (folder / form).mkdir()
            stores = Stores(_environment(postgres, folder, form), folder / form / name, content)
            stores.file.write_bytes(content)
            stores.world().load(MONTH)
            made[form] = stores
        return made[form]

    yield get
    postgres.psql("DROP SCHEMA hostile_parquet, hostile_csv CASCADE")


def _environment(postgres: Any, folder: Path, form: SourceFormat) -> dict[str, str]:
    return {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(postgres.port),
        "POSTGRES_DBNAME": postgres.database,
        "POSTGRES_USER": "tlc_loader",
        "POSTGRES_PASSWORD": postgres.password_of("loader"),
        "POSTGRES_SCHEMA": f"hostile_{form}",
        "LAKE_URL": str(folder / f"lake_{form}"),
        "TLC_SOURCE_FORMAT": form,
        "TLC_SOURCE_URL": (folder / form).as_uri(),
        "TLC_WORK_DIR": str(folder / "work"),
        "TLC_ATTEMPTS": "1",
        "TLC_WORKERS": "1",
    }


def peak_memory() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


Refuse = Callable[[Stores, Callable[[], str], str], None]


@pytest.fixture
def check_refused(caplog) -> Refuse:
    logging.getLogger("nyc_tlc").propagate = True
    caplog.set_level(logging.INFO, "nyc_tlc")  # what the screen has; the log file has the stacks

    def check(stores: Stores, attack: Callable[[], str], expected: str) -> None:
        before = stores.seen()
        pa.default_memory_pool().release_unused()
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        base = peak_memory()
        error = attack()
        assert peak_memory() - base < MOST_MEMORY
        assert expected in error
        for text in (error, caplog.text):
            assert "unexpected" not in text
            assert "Traceback" not in text
            assert len(text) < 5_000
            assert stores.environment["POSTGRES_PASSWORD"] not in text
            assert SECRET not in text
        assert stores.seen() == before

    return check


@pytest.mark.parametrize(
    ("form", "write", "expected"),
    [
        pytest.param(form, *case, id=f"{form}: {name}")
        for form, cases in ((SourceFormat.PARQUET, FILES), (SourceFormat.CSV, CSVS))
        for name, case in cases.items()
    ],
)
def test_published_files(loaded, check_refused, form, write, expected):
    stores = loaded(form)
    stores.file.unlink()
    write(stores.file)
    try:
        check_refused(stores, stores.run, expected)
    finally:
        stores.file.rmdir() if stores.file.is_dir() else stores.file.unlink()
        stores.file.write_bytes(stores.good)


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_http_answers(loaded, check_refused, answer, expected, monkeypatch):
    if not answer.framed:
        monkeypatch.setattr(bounds, "MOST_FILE_BYTES", 2 << 20)
    stores = loaded(SourceFormat.PARQUET)
    with serve(lambda _: answer) as server:
        source = server.url.replace("//", f"//me:{SECRET}@")
        check_refused(stores, lambda: stores.run(TLC_SOURCE_URL=source), expected)


def start_run(changes: dict[str, Any]) -> None:
    variables = {"service": "green", "months": "2020-10", **changes}
    given = {name: value for name, value in variables.items() if value is not None}
    run_partitions(given)
    run_force(given)


def load_settings(changes: dict[str, str]) -> None:
    Settings.load({**CONNECTIONS, **changes})


@pytest.mark.parametrize(
    ("start", "changes", "expected"),
    [
        pytest.param(start, *case, id=name)
        for start, cases in ((start_run, VARIABLES), (load_settings, SETTINGS))
        for name, case in cases.items()
    ],
)
def test_variables_and_settings(start, changes, expected, monkeypatch):
    for name, value in CONNECTIONS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        start(changes)
    assert expected in str(caught.value)
    assert "Nothing was started" in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("change", "expected"), RECORDS.values(), ids=RECORDS)
def test_records_of_the_lake(loaded, check_refused, change, expected):
    stores = loaded(SourceFormat.PARQUET)
    lake = stores.world().lake
    (record,) = [o.path for o in lake.list("raw/") if o.path.endswith(".json")]
    kept = lake.read(record)
    assert kept is not None
    lake.write(record, change(kept[0]), if_generation=None)
    try:
        check_refused(stores, stores.run, expected)
    finally:
        lake.write(record, kept[0], if_generation=None)
