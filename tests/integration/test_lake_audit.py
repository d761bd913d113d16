"""Every kind of thing that can be wrong is done to real stores, found, and repaired."""

from __future__ import annotations

import io
import os
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pyarrow.parquet as pq
import pytest
from markupsafe import escape

from embedded.samples.months import write_month
from embedded.servers.gcs import GcsServer
from embedded.servers.ports import HOST
from embedded.servers.postgres import PostgresServer
from nyc_tlc.adapters.bigquery import connection as bigquery_connection
from nyc_tlc.adapters.bigquery.connection import BigQuerySettings
from nyc_tlc.adapters.bigquery.warehouse import BigQueryWarehouse
from nyc_tlc.adapters.lake import gcs as gcs_adapter
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.inspector import PostgresInspector
from nyc_tlc.adapters.postgres.ledger import take_turn
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.adapters.source.folder import FolderSource
from nyc_tlc.core.audit.findings import KINDS, Remedy
from nyc_tlc.core.audit.verdicts import require_sound
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.paths import AUDIT_REPORT
from nyc_tlc.core.lake.records import Manifest, WarehouseLoad, parse_record, render_record
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.audit import AuditScope, LakeAudit
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.warehouse import LakeWarehouse
from nyc_tlc.settings import Settings
from nyc_tlc.steps.inspect_month import Inspection

ROWS = 400
FIRST = Month(2021, 3)


@dataclass(frozen=True)
class World:
    """Real stores with some months in them."""

    lake: Lake
    postgres: PostgresServer
    schema: str
    published: Path
    trips: Trips
    auditing: LakeAudit
    bigquery: LakeWarehouse | None

    def load(self, *partitions: Partition, seed: int = 0) -> None:
        self.publish(*partitions, seed=seed)
        self.trips.load(self.trips.land(partitions, force=False))

    def publish(self, *partitions: Partition, seed: int = 0) -> None:
        for partition in partitions:
            write_month(partition, ROWS, self.published, seed=seed)

    def sql(self, statement: str) -> list[tuple]:
        connection = psycopg2.connect(
            host=HOST, port=self.postgres.port, dbname=self.postgres.database,
            user=self.postgres.user, password=self.postgres.password,
            options=f"-c search_path={self.schema}",
        )  # fmt: skip
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def manifest(self, partition: Partition) -> Manifest:
        path = lake_paths.manifest(partition)
        return parse_record(Manifest, self.lake.read(path)[0], path)

    def rewrite(self, path: str, change: Callable[[bytes], bytes]) -> None:
        self.lake.write(path, change(self.lake.read(path)[0]), if_generation=None)

    def holdings(self) -> tuple[dict, list[tuple]]:
        """Every object but the report, and the ledger."""
        objects = {s.path: s.generation for s in self.lake.list("") if s.path != AUDIT_REPORT}
        return objects, self.sql("SELECT * FROM ledger ORDER BY service, source_month")

    def audit(self, *partitions: Partition, **how: bool):
        return self.auditing.audit(AuditScope(partitions, **how))


def build(
    lake: Lake, postgres: PostgresServer, folder: Path, bigquery: LakeWarehouse | None = None
) -> World:
    schema = f"audit_{uuid.uuid4().hex[:12]}"
    (folder / "published").mkdir()
    settings = Settings(
        postgres_host=HOST, postgres_port=postgres.port, postgres_dbname=postgres.database,
        postgres_user=postgres.user, postgres_password=postgres.password, postgres_schema=schema,
        lake_url="not-used", tlc_attempts=3, tlc_log_level="ERROR",
    )  # fmt: skip
    database = Database(
        host=HOST, port=postgres.port, dbname=postgres.database, user=postgres.user,
        password=postgres.password, connect_timeout=5,
    )  # fmt: skip
    warehouse = PostgresWarehouse(database, schema)
    ports = Ports(
        source=FolderSource(folder / "published"), lake=lake, warehouse=warehouse,
        ledger=warehouse, work_dir=folder / "work", bigquery=bigquery,
    )  # fmt: skip
    auditing = LakeAudit(settings, ports, PostgresInspector(database, schema))
    trips = Trips(settings, ports)
    return World(lake, postgres, schema, folder / "published", trips, auditing, bigquery)


def gcs_lake(gcs: GcsServer, folder: Path) -> Lake:
    url = f"gs://{gcs.bucket}/audit_{uuid.uuid4().hex[:12]}"
    return gcs_adapter.connect(url, cache=folder / "cache", emulator=gcs.url, key_file=None)


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def garbage(_: bytes) -> bytes:
    return b'{"cut": '


def land_only(world: World, month: Partition) -> None:
    manifest = world.manifest(month)
    for path in (lake_paths.manifest(month), *(stored.path for stored in manifest.objects)):
        world.lake.delete(path)
    world.sql(f"DROP TABLE {month.table_name}; DELETE FROM ledger WHERE {where(month)};"
              f"DELETE FROM quarantine WHERE {where(month)}")  # fmt: skip


def land_revision(world: World, month: Partition) -> None:
    world.publish(month, seed=1)
    world.trips.land([month], force=False)


def spoil_superseded(world: World, month: Partition) -> None:
    """Two revisions: the first version is spoilt, the second lost."""
    for seed in (1, 2):
        world.load(month, seed=seed)
    second, first = world.manifest(month).superseded
    world.rewrite(first.raw, flipped)
    world.lake.delete(second.raw)


def keep_more_raw(world: World, month: Partition) -> None:
    data = b"a version that a killed run landed"
    path = lake_paths.raw(month, sha256(data).hexdigest(), ".parquet")
    world.lake.write(path, data, if_generation=0)


def miscount(world: World, month: Partition) -> None:
    manifest = world.manifest(month)
    counts = manifest.counts.model_copy(update={"accepted": manifest.counts.accepted + 1})
    record = render_record(manifest.model_copy(update={"counts": counts}))
    world.lake.write(lake_paths.manifest(month), record, if_generation=None)


def shorten_file(world: World, month: Partition) -> None:
    """Three rows fewer, and a manifest that knows the new file's checksum."""
    manifest, path = world.manifest(month), lake_paths.trips(month)
    with world.lake.open(path) as file:
        rows = pq.read_table(file)
    written = io.BytesIO()
    pq.write_table(rows.slice(3), written)
    stored = world.lake.write(path, written.getvalue(), if_generation=None)
    objects = (stored, manifest.objects[1])
    record = render_record(manifest.model_copy(update={"objects": objects}))
    world.lake.write(lake_paths.manifest(month), record, if_generation=None)


def where(month: Partition) -> str:
    return f"service = '{month.service}' AND source_month = '{month.month}-01'"


def ledger(change: str) -> Callable[[World, Partition], None]:
    return lambda world, month: world.sql(f"UPDATE ledger SET {change} WHERE {where(month)}")


def table(statement: str) -> Callable[[World, Partition], None]:
    return lambda world, month: world.sql(
        statement.format(table=month.table_name, where=where(month))
    )


def rewrite(path: Callable, change: Callable) -> Callable[[World, Partition], None]:
    return lambda world, month: world.rewrite(path(world, month), change)


def delete(path: Callable) -> Callable[[World, Partition], None]:
    return lambda world, month: world.lake.delete(path(world, month))


def landing(_, month):
    return lake_paths.landing(month)


def manifest(_, month):
    return lake_paths.manifest(month)


def trips_file(_, month):
    return lake_paths.trips(month)


def raw(world, month):
    return world.manifest(month).landing.raw


def write(path: str) -> Callable[[World, Partition], None]:
    return lambda world, month: world.lake.write(
        path.format(month=month.hive_path), b"left behind", if_generation=0
    )


def together(*changes: Callable[[World, Partition], object]) -> Callable[[World, Partition], None]:
    """Several things that have nothing to do with each other, to spare the loading of months."""

    def make(world: World, month: Partition) -> None:
        for change in changes:
            change(world, month)

    return make


DONE: dict[frozenset[str], Callable[[World, Partition], object]] = {
    frozenset(codes.split()): what
    for codes, what in {
        "not_loaded": land_only,
        "revision_not_loaded": land_revision,
        "contract_stale quarantine_rows": together(
            ledger("contract = 'green/0'"), table("DELETE FROM quarantine WHERE {where}")
        ),
        "landing_missing not_reconciled": together(delete(landing), ledger("reconciled_at = NULL")),
        "landing_unreadable lake_tampered": together(
            rewrite(landing, garbage), rewrite(trips_file, flipped)
        ),
        "raw_missing table_altered": together(
            delete(raw), table("UPDATE {table} SET fare_amount = 0")
        ),
        "raw_tampered lake_missing": together(rewrite(raw, flipped), delete(trips_file)),
        "superseded_tampered superseded_missing": spoil_superseded,
        "manifest_missing": delete(manifest),
        "manifest_unreadable": rewrite(manifest, garbage),
        "manifest_inconsistent ledger_differs lake_rows": miscount,
        "lake_rows": shorten_file,
        "ledger_missing": table("DELETE FROM ledger WHERE {where}"),
        "ledger_differs table_rows": ledger(
            "rows_published = rows_published + 1, rows_accepted = rows_accepted + 1"
        ),
        "table_missing table_orphan": table("ALTER TABLE green DETACH PARTITION {table}"),
        "table_rows table_altered": table(
            "DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} LIMIT 3)"
        ),
        "source_revised": lambda world, month: world.publish(month, seed=1),
        "source_absent raw_unreferenced object_orphan staging_orphan table_orphan "
        "table_foreign": together(
            lambda world, month: (world.published / month.file_name).unlink(),
            keep_more_raw,
            write("trips/{month}/part-1.parquet"),
            write("staging/{month}/0123_20240101T000000-12345678/trips.parquet"),
            table("CREATE TABLE {table}_new_0 (LIKE green)"),
            table("CREATE TABLE mine PARTITION OF green FOR VALUES IN ('1999-01-01')"),
        ),
    }.items()
}
"""What is done to a month each, by the codes under which it must be found."""
MONTHS = dict(zip(DONE, (Partition(GREEN, FIRST + i) for i in range(len(DONE))), strict=True))
TABLES = {"table_orphan", "table_foreign"}
"""Found without a month: a table's name says whose it is."""
BEYOND_REPAIR = {code for code, kind in KINDS.items() if kind.remedy is Remedy.OPERATOR}


def bigquery_record(world: World, month: Partition) -> str:
    return lake_paths.warehouse_load(month, world.bigquery.address)


def spoil_bigquery(world: World, month: Partition) -> None:
    """Rows deleted by hand, and a record that tells of an earlier contract."""
    path = bigquery_record(world, month)
    load = parse_record(WarehouseLoad, world.lake.read(path)[0], path)
    old = render_record(load.model_copy(update={"contract": "green/0"}))
    world.lake.write(path, old, if_generation=None)
    world.bigquery._dataset.query(
        f"DELETE FROM `{world.bigquery.address}.green` WHERE source_row < 3 "
        f"AND source_month = '{month.month}-01'"
    )


DONE_TO_BIGQUERY = {
    frozenset({"bigquery_missing"}): delete(bigquery_record),
    frozenset({"bigquery_unreadable"}): rewrite(bigquery_record, garbage),
    frozenset({"bigquery_differs", "bigquery_rows"}): spoil_bigquery,
}


@pytest.fixture(scope="module")
def story(gcs, postgres, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """Load, look, tamper, look, repair, look again."""
    folder = tmp_path_factory.mktemp("audit")
    world = build(gcs_lake(gcs, folder), postgres, folder)
    every = {"ask_source": True, "deep": True}
    months = tuple(MONTHS.values())
    try:
        world.load(*months)
        told = SimpleNamespace(world=world, before=world.audit(*months, **every))
        for codes, tamper in DONE.items():
            tamper(world, MONTHS[codes])
        told.raw = {stored.path for stored in world.lake.list("raw/")}
        held = world.holdings()
        told.found = world.audit(*months, **every)
        told.held_before, told.held_after = held, world.holdings()
        told.report = world.lake.read(AUDIT_REPORT)[0].decode()
        told.repaired = world.audit(*months, **every, repair=True)
        told.after = world.audit(*months, **every)
        yield told
    finally:
        world.sql(f"DROP SCHEMA {world.schema} CASCADE")


def codes_of(frame, month: Partition) -> dict[str, bool]:
    """Code to whether it was repaired, of a month and of the tables named after it."""
    rows = frame[(frame.service == "green") & (frame.month == str(month.month))]
    strays = frame[(frame.service == "") & frame.findings.str.contains(f" {month.table_name}")]
    texts = [text for text in (*rows.findings, *strays.findings) if text]
    found = [entry for text in texts for entry in text.split("; ")]
    return {entry.split(" ")[0]: " (repaired) " in entry for entry in found}


def test_every_kind_of_finding_is_tried():
    tried = {code for codes in (*DONE, *DONE_TO_BIGQUERY) for code in codes}
    assert tried == set(KINDS)


def test_untouched_stores_are_sound(story):
    require_sound(story.before)
    assert set(story.before.verdict) == {"proved"}
    assert not any(story.before.findings)


@pytest.mark.parametrize("codes", DONE, ids=lambda codes: "-".join(sorted(codes)))
class TestTampering:
    def test_it_is_found_as_what_it_is_and_nothing_else(self, story, codes):
        assert set(codes_of(story.found, MONTHS[codes])) == codes - {"table_foreign"}

    def test_it_is_repaired(self, story, codes):
        repaired = codes_of(story.repaired, MONTHS[codes])
        for code in codes - {"table_foreign"}:
            assert repaired[code] == (KINDS[code].is_wrong and code not in BEYOND_REPAIR), code

    def test_it_is_not_there_afterwards(self, story, codes):
        left = {code for code in codes_of(story.after, MONTHS[codes]) if KINDS[code].is_wrong}
        assert left == codes & BEYOND_REPAIR - {"table_foreign"}


def test_a_table_that_readers_see_and_no_load_made_is_left_to_a_person(story):
    for frame in (story.found, story.repaired, story.after):
        assert "table_foreign mine" in set(frame.findings)
    assert story.world.sql("SELECT to_regclass('mine') IS NOT NULL") == [(True,)]


def test_looking_changes_nothing(story):
    assert story.held_after == story.held_before


def test_raw_is_never_deleted_from(story):
    assert story.raw <= {stored.path for stored in story.world.lake.list("raw/")}


def test_the_run_fails_naming_each(story):
    with pytest.raises(ReconciliationError) as caught:
        require_sound(story.found)
    said = str(caught.value)
    wrong = [codes for codes in DONE if any(KINDS[code].is_wrong for code in codes)]
    for codes in wrong:
        assert any(f"{code}: " in said for code in codes)
        if not codes & TABLES:
            assert f"{MONTHS[codes]}: " in said
    with pytest.raises(ReconciliationError, match=r"^2 things are wrong"):
        require_sound(story.after)


def test_the_report_tells_of_every_finding(story):
    for code in {code for codes in DONE for code in codes}:
        assert f"<code>{code}</code>" in story.report
        assert escape(KINDS[code].sentence) in story.report
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", story.report)


@pytest.fixture
def bigquery_world(gcs, bigquery, postgres, tmp_path) -> Iterator[World]:
    url = f"gs://{gcs.bucket}/audit_{uuid.uuid4().hex[:12]}"
    settings = BigQuerySettings(
        project=bigquery.project, dataset=f"audit_{uuid.uuid4().hex[:12]}",
        location=bigquery.location, lake_url=url, maximum_bytes_billed=10**9,
    )  # fmt: skip
    dataset = bigquery_connection.connect(
        settings, emulator=bigquery.url, storage_emulator=gcs.url, key_file=None
    )
    lake = gcs_adapter.connect(url, cache=tmp_path / "cache", emulator=gcs.url, key_file=None)
    world = build(lake, postgres, tmp_path, BigQueryWarehouse(dataset))
    yield world
    world.sql(f"DROP SCHEMA {world.schema} CASCADE")


def test_what_is_wrong_in_bigquery_is_found_and_repaired(bigquery_world):
    months = dict(zip(DONE_TO_BIGQUERY, MONTHS.values(), strict=False))
    bigquery_world.load(*months.values())
    for codes, month in months.items():
        DONE_TO_BIGQUERY[codes](bigquery_world, month)
    repaired = bigquery_world.audit(*months.values(), repair=True)
    for codes, month in months.items():
        assert codes_of(repaired, month) == dict.fromkeys(codes, True)
    require_sound(bigquery_world.audit(*months.values()))
    assert "BigQuery" in bigquery_world.lake.read(AUDIT_REPORT)[0].decode()


@pytest.fixture
def folder_world(postgres, tmp_path) -> Iterator[World]:
    world = build(FolderLake(tmp_path / "lake"), postgres, tmp_path)
    yield world
    world.sql(f"DROP SCHEMA {world.schema} CASCADE")


def test_a_flipped_byte_that_kept_its_file_time_is_found_deep_only(folder_world, tmp_path):
    month, *_ = MONTHS.values()
    folder_world.load(month)
    for path in (raw(folder_world, month), lake_paths.trips(month)):
        file = tmp_path / "lake" / path
        times = file.stat()
        file.write_bytes(flipped(file.read_bytes()))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert codes_of(folder_world.audit(month), month) == {}
    assert set(codes_of(folder_world.audit(month, deep=True), month)) == {
        "raw_tampered", "lake_tampered",
    }  # fmt: skip
    repaired = folder_world.audit(month, deep=True, repair=True)
    assert codes_of(repaired, month) == {"raw_tampered": True, "lake_tampered": True}
    require_sound(folder_world.audit(month, deep=True))


def test_an_object_that_goes_while_the_audit_looks_is_missing_and_no_error(
    folder_world, monkeypatch
):
    month, *_ = MONTHS.values()
    folder_world.load(month)
    survey = Inspection.survey

    def survey_and_lose(inspection):
        found = survey(inspection)
        folder_world.lake.delete(lake_paths.trips(month))
        return found

    monkeypatch.setattr(Inspection, "survey", survey_and_lose)
    assert codes_of(folder_world.audit(month), month) == {"lake_missing": False}


def test_what_cannot_be_removed_keeps_nothing_else_from_being_repaired(folder_world):
    month, other, *_ = MONTHS.values()
    folder_world.load(month)
    folder_world.sql(
        f"CREATE TABLE {other.table_name}_new (LIKE green); "
        f"CREATE VIEW mine AS SELECT * FROM {other.table_name}_new; "
        "UPDATE ledger SET reconciled_at = NULL"
    )
    repaired = folder_world.audit(month, repair=True)
    assert codes_of(repaired, month) == {"not_reconciled": True}
    assert codes_of(repaired, other) == {"table_orphan": False}


def test_a_repair_leaves_what_a_load_under_way_has_staged(folder_world):
    month, *_ = MONTHS.values()
    folder_world.load(month)
    trips = folder_world.auditing._trips
    conformed = trips.conform(trips.land([month], force=True))
    assert codes_of(folder_world.audit(month, repair=True), month) == {}
    loaded, published = trips.load_to_postgres(conformed), trips.publish_to_lake(conformed)
    assert [row.status for row in trips.reconcile(loaded, published)] == ["reconciled"]


def test_a_repair_that_fails_says_why_and_the_month_stays_wrong(folder_world):
    month, other, *_ = MONTHS.values()
    folder_world.load(month, other)
    for each in (month, other):
        folder_world.lake.delete(raw(folder_world, each))
    (folder_world.published / month.file_name).unlink()
    repaired = folder_world.audit(month, other, repair=True)
    assert codes_of(repaired, month) == {"raw_missing": False}
    assert codes_of(repaired, other) == {"raw_missing": True}
    with pytest.raises(ReconciliationError, match=r"^1 thing is wrong(.|\n)*The repair failed: .*"
                       r"is missing: .* no such file"):  # fmt: skip
        require_sound(repaired)
    assert folder_world.sql(f"SELECT count(*) FROM {month.table_name}") > [(0,)]


def test_a_leftover_that_a_load_works_on_is_none(folder_world):
    month, *_ = MONTHS.values()
    folder_world.load(month)
    folder_world.sql(f"CREATE TABLE {month.table_name}_new_1 (LIKE green)")
    inspector = folder_world.auditing._inspector
    connection = psycopg2.connect(**_credentials(folder_world.postgres))
    try:
        with connection.cursor() as cursor:
            take_turn(cursor, folder_world.schema, month)
            assert inspector.inventory().leftovers == ()
            assert not inspector.drop_leftover(f"{month.table_name}_new_1")
    finally:
        connection.close()
    assert inspector.inventory().leftovers == (f"{month.table_name}_new_1",)
    assert not inspector.drop_leftover(month.table_name)


def _credentials(postgres: PostgresServer) -> dict:
    return {
        "host": HOST, "port": postgres.port, "dbname": postgres.database,
        "user": postgres.user, "password": postgres.password,
    }  # fmt: skip
