"""Every kind of thing that can be wrong is done to real stores, found, and repaired."""

import io
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from markupsafe import escape

from embedded.servers.ports import HOST
from embedded.servers.postgres import PostgresServer
from nyc_tlc.adapters.postgres.ledger import take_turn
from nyc_tlc.core.audit.findings import KINDS, Remedy
from nyc_tlc.core.audit.verdicts import require_sound
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import ConfigurationError, PipelineError, ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Manifest, WarehouseLoad, render_record
from nyc_tlc.core.month import Month
from nyc_tlc.settings import Settings
from nyc_tlc.steps.inspect_month import Inspection
from nyc_tlc.wiring import connect_inspector
from tests.integration.world import World

FIRST = Month(2021, 3)


@contextmanager
def world_in(postgres: PostgresServer, folder: Path, **stores: str) -> Iterator[World]:
    (folder / "published").mkdir()
    settings = Settings(
        postgres_host=HOST, postgres_port=postgres.port, postgres_dbname=postgres.database,
        postgres_user=postgres.user, postgres_password=postgres.password,
        postgres_schema=name(), tlc_source_url=(folder / "published").as_uri(),
        tlc_work_dir=folder / "work", tlc_attempts=3, tlc_log_level="ERROR", **stores,
    )  # fmt: skip
    world = World(settings)
    try:
        yield world
    finally:
        world.sql(f"DROP SCHEMA {settings.postgres_schema} CASCADE")


def name() -> str:
    return f"audit_{uuid.uuid4().hex[:12]}"


def in_bucket(gcs) -> dict[str, str]:
    return {"lake_url": f"gs://{gcs.bucket}/{name()}", "storage_emulator_host": gcs.url}


def holdings(world: World) -> tuple[dict, list[tuple]]:
    """Every object but the report, and the ledger."""
    objects = {s.path: s.generation for s in world.lake.list("")}
    objects.pop(lake_paths.AUDIT_REPORT)
    return objects, world.sql("SELECT * FROM ledger ORDER BY service, source_month")


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
        world.publish(month, seed=seed)
        world.load(month)
    second, first = world.manifest(month).superseded
    world.rewrite(first.raw, flipped)
    world.lake.delete(second.raw)


LANDED = b"a version that a killed run landed"
KEPT, RUN = sha256(LANDED).hexdigest(), "20240101T000000000000-12345678"


def keep_more_raw(world: World, month: Partition) -> None:
    world.lake.write(lake_paths.raw(month, KEPT, ".parquet"), LANDED, if_generation=0)


def miscount(world: World, month: Partition) -> None:
    counts = world.manifest(month).counts
    counts = counts.model_copy(update={"accepted": counts.accepted + 1})
    world.amend(lake_paths.manifest(month), Manifest, counts=counts)


def outdate_zones(world: World, month: Partition) -> None:
    """As if the month had been located with polygons, and others had been landed since."""
    record = lake_paths.of_samples(lake_paths.ZONE_POLYGONS_LANDING)
    landing = world.manifest(month).landing.model_copy(update={"sha256": "b" * 64})
    world.lake.write(record, render_record(landing), if_generation=None)
    world.amend(lake_paths.manifest(month), Manifest, zone_polygons="a" * 64)


def shorten_file(world: World, month: Partition) -> None:
    """Three rows fewer, and a manifest that knows the new file's checksum."""
    path, written = lake_paths.trips(month), io.BytesIO()
    with world.lake.open(path) as file:
        pq.write_table(pq.read_table(file).slice(3), written)
    stored = world.lake.write(path, written.getvalue(), if_generation=None)
    objects = (stored, world.manifest(month).objects[1])
    world.amend(lake_paths.manifest(month), Manifest, objects=objects)


def spoil_bigquery(world: World, month: Partition) -> None:
    """Rows deleted by hand, and a record that tells of an earlier contract."""
    world.amend(path_of("bigquery", world, month), WarehouseLoad, contract="green/0")
    world.ports.bigquery._dataset.query(
        f"DELETE FROM `{world.ports.bigquery.address}.green` WHERE source_row < 3 "
        f"AND source_month = '{month.month}-01'"
    )


def alter_bigquery(world: World, month: Partition) -> None:
    """Two rows exchange their numbers, and so their values; quarantined ones are rewritten."""
    address, where = world.ports.bigquery.address, f"source_month = '{month.month}-01'"
    for change in (
        f"UPDATE `{address}.green` SET source_row = 1 - source_row WHERE source_row < 2",
        f"UPDATE `{address}.quarantine_green` SET reason = UPPER(reason), published = ''",
    ):
        world.ports.bigquery._dataset.query(
            f"{change}{' AND' if 'WHERE' in change else ' WHERE'} {where}"
        )


def where(month: Partition) -> str:
    return f"service = '{month.service}' AND source_month = '{month.month}-01'"


def path_of(what: str, world: World, month: Partition) -> str:
    if what == "raw":
        return world.manifest(month).landing.raw
    if what == "bigquery":
        return lake_paths.warehouse_load(month, world.ports.bigquery.address)
    return getattr(lake_paths, what)(month)


Change = Callable[[World, Partition], object]


def sql(statement: str) -> Change:
    return lambda world, month: world.sql(
        statement.format(table=month.table_name, where=where(month))
    )


def insert_again(change: str) -> Change:
    """As many rows, in one transaction and a table without a past, some with other values."""
    return sql(
        "CREATE TEMPORARY TABLE taken AS TABLE {table}; TRUNCATE {table};"
        f"UPDATE taken SET {change} WHERE source_row < 9; INSERT INTO {{table}} TABLE taken"
    )


def ledger(change: str) -> Change:
    return sql(f"UPDATE ledger SET {change} WHERE {{where}}")


def rewrite(what: str, change: Callable[[bytes], bytes]) -> Change:
    return lambda world, month: world.rewrite(path_of(what, world, month), change)


def delete(what: str) -> Change:
    return lambda world, month: world.lake.delete(path_of(what, world, month))


def write(path: str) -> Change:
    return lambda world, month: world.lake.write(
        path.format(month=month.hive_path), b"left behind", if_generation=0
    )


def together(*changes: Change) -> Change:
    """Several things that have nothing to do with each other, to spare the loading of months."""
    return lambda world, month: [change(world, month) for change in changes]


def marked(name: str) -> str:
    """The record that a load makes with each of its tables."""
    return f"COMMENT ON TABLE {name} IS 'Made by nyc_tlc as {name}'"


DONE: dict[str, Change] = {
    "not_loaded": land_only,
    "revision_not_loaded": land_revision,
    "contract_stale quarantine_rows": together(
        ledger("contract = 'green/0'"), sql("DELETE FROM quarantine WHERE {where}")
    ),
    "landing_missing not_reconciled": together(delete("landing"), ledger("reconciled_at = NULL")),
    "landing_unreadable lake_tampered": together(
        rewrite("landing", garbage), rewrite("trips", flipped)
    ),
    "raw_missing table_altered table_values": together(
        delete("raw"), sql("UPDATE {table} SET fare_amount = 0")
    ),
    "table_values": insert_again("fare_amount = trip_distance, trip_distance = fare_amount"),
    "quarantine_values": sql(
        "UPDATE quarantine SET published = jsonb_set(published, '{{trip_distance}}', '0.12') "
        "WHERE {where} AND source_row = (SELECT min(source_row) FROM quarantine WHERE {where})"
    ),
    "raw_tampered lake_missing": together(rewrite("raw", flipped), delete("trips")),
    "superseded_tampered superseded_missing": spoil_superseded,
    "zones_outdated": outdate_zones,
    "manifest_missing": delete("manifest"),
    "manifest_unreadable": rewrite("manifest", garbage),
    "manifest_inconsistent ledger_differs lake_rows": miscount,
    "lake_rows": shorten_file,
    "ledger_missing": sql("DELETE FROM ledger WHERE {where}"),
    "ledger_differs table_rows": ledger(
        "rows_published = rows_published + 1, rows_accepted = rows_accepted + 1"
    ),
    "table_missing table_orphan": sql("ALTER TABLE green DETACH PARTITION {table}"),
    "table_rows table_altered": sql(
        "DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} LIMIT 3)"
    ),
    "source_revised": lambda world, month: world.publish(month, seed=1),
    "source_absent raw_unreferenced staging_orphan table_orphan table_foreign": together(
        lambda world, month: (world.published / month.file_name).unlink(),
        keep_more_raw,
        write(f"staging/{{month}}/{KEPT[:16]}_{RUN}/trips.parquet"),
        sql("CREATE TABLE {table}_new_0 (LIKE green); " + marked("{table}_new_0")),
        sql("CREATE TABLE mine PARTITION OF green FOR VALUES IN ('1999-01-01')"),
    ),
}
"""What is done to a month each, by the codes under which it must be found."""
MONTHS = dict(zip(DONE, (Partition(GREEN, FIRST + i) for i in range(len(DONE))), strict=True))
LAST = list(MONTHS.values())[-1].hive_path
OF_OTHERS = (
    "raw/README",
    f"raw/{LAST}/notes.txt",
    f"raw/{LAST}/{KEPT}.parquet.bak/{KEPT}.parquet",
    f"trips/{LAST}/part-1.parquet",
    f"trips/{LAST}/.part-0.parquet.crc",
    f"trips/{LAST}/Part-0.parquet",
    "trips/_delta_log/00000000000000000000.json",
    "trips/service=green/year=2031/month=01/part-0.parquet",
    "trips/service=red/year=2021/month=03/part-0.parquet",
    "quarantine/reviewed.csv",
    f"quarantine/{LAST}/part-0.parquet.2024-05-01",
    "manifests/service=green/year=2031/month=02.json",
    f"manifests/{LAST}.json.orig",
    "reference/boroughs/part-0.parquet",
    "report/lake_audit.html.old",
    "loads/README",
    f"staging/{LAST}/notes.txt",
    f"staging/{LAST}/{KEPT[:16]}_{RUN}/notes.txt",
    f"staging/{LAST}/{KEPT[:16]}_{RUN}.bak/trips.parquet",
    f"staging/{LAST}/{'0' * 16}_{RUN}/trips.parquet",
    f"staging/other/{LAST}/{KEPT[:16]}_{RUN}/trips.parquet",
    f"staging_old/{LAST}/{KEPT[:16]}_{RUN}/trips.parquet",
    "backup/trips.parquet",
)
"""What others keep beside ours, by names like ours."""
TABLES = {"table_orphan", "table_foreign"}
"""Found without a month: a table's name says whose it is."""
BEYOND_REPAIR = {code for code, kind in KINDS.items() if kind.remedy is Remedy.OPERATOR}


DONE_TO_BIGQUERY = {
    "bigquery_missing": delete("bigquery"),
    "bigquery_unreadable": rewrite("bigquery", garbage),
    "bigquery_differs bigquery_rows": spoil_bigquery,
    "bigquery_values": alter_bigquery,
}


@pytest.fixture(scope="module")
def story(gcs, postgres, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """Load, look, tamper, look, repair, look again."""
    every = {"ask_source": True, "deep": True}
    months = tuple(MONTHS.values())
    with world_in(postgres, tmp_path_factory.mktemp("audit"), **in_bucket(gcs)) as world:
        world.publish(*months)
        world.load(*months)
        told = SimpleNamespace(world=world, before=world.audit(*months, **every))
        for codes, tamper in DONE.items():
            tamper(world, MONTHS[codes])
        told.others = [world.lake.write(path, b"mine", if_generation=0) for path in OF_OTHERS]
        world.sql("CREATE VIEW green_2099_01_new_0 AS SELECT 1 AS a")
        told.raw = {stored.path for stored in world.lake.list("raw/")}
        told.held_before = holdings(world)
        told.found = world.audit(*months, **every)
        told.held_after, told.report = holdings(world), world.report()
        told.repaired = world.audit(*months, **every, repair=True)
        told.after = world.audit(*months, **every)
        yield told


def codes_of(frame, month: Partition) -> dict[str, bool]:
    """Code to whether it was repaired, of a month and of the tables named after it."""
    rows = frame[(frame.service == "green") & (frame.month == str(month.month))]
    strays = frame[(frame.service == "") & frame.findings.str.contains(f" {month.table_name}")]
    texts = [text for text in (*rows.findings, *strays.findings) if text]
    found = [entry for text in texts for entry in text.split("; ")]
    return {entry.split(" ")[0]: " (repaired) " in entry for entry in found}


def test_every_kind_of_finding_is_tried():
    tried = set(" ".join([*DONE, *DONE_TO_BIGQUERY]).split())
    assert tried | {"object_foreign"} == set(KINDS)


def test_untouched_stores_are_sound(story):
    require_sound(story.before)
    assert set(story.before.verdict) == {"proved"}
    assert not any(story.before.findings)


@pytest.mark.parametrize("tampering", DONE)
def test_it_is_found_as_what_it_is_and_nothing_else_and_repaired(story, tampering):
    month, codes = MONTHS[tampering], set(tampering.split()) - {"table_foreign"}
    repairable = {code for code in codes if KINDS[code].is_wrong} - BEYOND_REPAIR
    assert codes_of(story.found, month) == dict.fromkeys(codes, False)
    repaired = codes_of(story.repaired, month)
    assert {code: repaired[code] for code in codes} == {c: c in repairable for c in codes}
    left = {code for code in codes_of(story.after, month) if KINDS[code].is_wrong}
    assert left == codes & BEYOND_REPAIR


def test_what_others_keep_beside_ours_is_named_and_left(story):
    assert [story.world.lake.stat(path) for path in OF_OTHERS] == story.others
    assert story.world.sql("SELECT a FROM green_2099_01_new_0") == [(1,)]
    # A table that readers see and no load made.
    assert story.world.sql("SELECT to_regclass('mine') IS NOT NULL") == [(True,)]
    beside = {path for path in OF_OTHERS if not path.startswith(("backup/", "staging_old/"))}
    for frame in (story.found, story.repaired, story.after):
        named = {
            text.removeprefix("object_foreign ") for text in "; ".join(frame.findings).split("; ")
        }
        assert beside | {"view green_2099_01_new_0"} <= named
        assert "table_foreign mine" in set(frame.findings)


def test_looking_changes_nothing_and_raw_is_never_deleted_from(story):
    assert story.held_after == story.held_before
    assert story.raw <= {stored.path for stored in story.world.lake.list("raw/")}


def test_the_run_fails_naming_each(story):
    with pytest.raises(ReconciliationError) as caught:
        require_sound(story.found)
    said = caught.value.details
    for tampering, month in MONTHS.items():
        wrong = {code for code in tampering.split() if KINDS[code].is_wrong}
        assert not wrong or any(f"{code}: " in said for code in wrong)
        assert wrong <= TABLES or f"{month}: " in said
    with pytest.raises(ReconciliationError, match=r"^2 things are wrong"):
        require_sound(story.after)


def test_the_report_tells_of_every_finding(story):
    for code in set(" ".join(DONE).split()):
        assert f"<code>{code}</code>" in story.report
        assert escape(KINDS[code].sentence) in story.report
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", story.report)


@pytest.fixture
def bigquery_world(gcs, bigquery, postgres, tmp_path) -> Iterator[World]:
    stores = {
        "bigquery_project": bigquery.project, "bigquery_dataset": name(),
        "bigquery_location": bigquery.location, "bigquery_emulator_host": bigquery.url,
    }  # fmt: skip
    with world_in(postgres, tmp_path, **in_bucket(gcs), **stores) as world:
        yield world


def test_what_is_wrong_in_bigquery_is_found_and_repaired(bigquery_world):
    months = dict(zip(DONE_TO_BIGQUERY, MONTHS.values(), strict=False))
    bigquery_world.publish(*months.values())
    bigquery_world.load(*months.values())
    for codes, month in months.items():
        DONE_TO_BIGQUERY[codes](bigquery_world, month)
    altered = months.pop("bigquery_values")
    assert codes_of(bigquery_world.audit(altered), altered) == {}
    repaired = bigquery_world.audit(altered, deep=True, repair=True)
    assert codes_of(repaired, altered) == {"bigquery_values": True}
    for column in ("trip_distance", "quarantine.reason"):
        assert f"{column}, " in bigquery_world.report()
    store = bigquery_world.ports.bigquery
    for statement in ("TABLE `{}.green_2024_01` (a INT64)", "VIEW `{}.mine` AS SELECT 1 AS a"):
        store._dataset.query("CREATE " + statement.format(store.address))
    repaired = bigquery_world.audit(*months.values(), repair=True)
    of_others = ("BigQuery's table green_2024_01", "BigQuery's view mine")
    assert {f"object_foreign {described}" for described in of_others} <= set(repaired.findings)
    assert store.others() == of_others
    for codes, month in months.items():
        assert codes_of(repaired, month) == dict.fromkeys(codes.split(), True)
    require_sound(bigquery_world.audit(*months.values()))
    assert "BigQuery" in bigquery_world.report()


@pytest.fixture
def world(postgres, tmp_path) -> Iterator[World]:
    """One month in a folder's lake."""
    with world_in(postgres, tmp_path, lake_url=str(tmp_path / "lake")) as world:
        world.publish(MONTH, OTHER)
        world.load(MONTH)
        yield world


MONTH, OTHER, *_ = MONTHS.values()


def test_a_flipped_byte_that_kept_its_file_time_is_found_deep_only(world, tmp_path):
    for path in (path_of("raw", world, MONTH), lake_paths.trips(MONTH)):
        file = tmp_path / "lake" / path
        times = file.stat()
        file.write_bytes(flipped(file.read_bytes()))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert codes_of(world.audit(MONTH), MONTH) == {}
    assert set(codes_of(world.audit(MONTH, deep=True), MONTH)) == {
        "raw_tampered", "lake_tampered",
    }  # fmt: skip
    repaired = world.audit(MONTH, deep=True, repair=True)
    assert codes_of(repaired, MONTH) == {"raw_tampered": True, "lake_tampered": True}
    require_sound(world.audit(MONTH, deep=True))


def test_a_page_of_others_by_the_name_of_the_report_is_left_and_nothing_is_repaired(world):
    world.audit(MONTH)
    world.audit(MONTH)  # over our own
    world.rewrite(lake_paths.AUDIT_REPORT, lambda _: b"<title>Lake audit, by hand</title>")
    world.sql("UPDATE ledger SET reconciled_at = NULL")
    before = {stored.path: stored.generation for stored in world.lake.list("")}
    with pytest.raises(ConfigurationError, match=r"lake_audit\.html is there, and no record of"):
        world.audit(MONTH, repair=True)
    assert {stored.path: stored.generation for stored in world.lake.list("")} == before
    assert world.sql("SELECT reconciled_at FROM ledger") == [(None,)]


def test_an_object_that_goes_while_the_audit_looks_is_missing_and_no_error(world, monkeypatch):
    survey = Inspection.survey

    def survey_and_lose(inspection):
        found = survey(inspection)
        world.lake.delete(lake_paths.trips(MONTH))
        return found

    monkeypatch.setattr(Inspection, "survey", survey_and_lose)
    assert codes_of(world.audit(MONTH), MONTH) == {"lake_missing": False}


def test_what_cannot_be_removed_keeps_nothing_else_from_being_repaired(world):
    world.sql(
        f"CREATE TABLE {OTHER.table_name}_new (LIKE green); {marked(f'{OTHER.table_name}_new')}; "
        f"CREATE VIEW mine AS SELECT * FROM {OTHER.table_name}_new; "
        "UPDATE ledger SET reconciled_at = NULL"
    )
    repaired = world.audit(MONTH, repair=True)
    assert codes_of(repaired, MONTH) == {"not_reconciled": True}
    assert codes_of(repaired, OTHER) == {"table_orphan": False}


def test_a_repair_leaves_what_a_load_under_way_has_staged(world):
    trips = world.trips
    conformed = trips.conform(trips.land([MONTH], force=True))
    assert codes_of(world.audit(MONTH, repair=True), MONTH) == {}
    loaded, published = trips.load_to_postgres(conformed), trips.publish_to_lake(conformed)
    assert [row.status for row in trips.reconcile(loaded, published)] == ["reconciled"]


def test_a_repair_that_fails_says_why_and_the_month_stays_wrong(world):
    world.load(OTHER)
    for each in (MONTH, OTHER):
        world.lake.delete(path_of("raw", world, each))
    (world.published / MONTH.file_name).unlink()
    repaired = world.audit(MONTH, OTHER, repair=True)
    assert codes_of(repaired, MONTH) == {"raw_missing": False}
    assert codes_of(repaired, OTHER) == {"raw_missing": True}
    with pytest.raises(ReconciliationError, match=r"^1 thing is wrong(.|\n)*The repair failed: .*"
                       r"is missing: .* no such file"):  # fmt: skip
        require_sound(repaired)
    assert world.sql(f"SELECT count(*) FROM {MONTH.table_name}") > [(0,)]


def test_a_leftover_that_a_load_works_on_is_none(world):
    left = f"{MONTH.table_name}_new_1"
    world.sql(f"CREATE TABLE {left} (LIKE green); {marked(left)}")
    inspector = connect_inspector(world.settings)
    with closing(world.connection()) as connection, connection.cursor() as cursor:
        take_turn(cursor, world.settings.postgres_schema, MONTH)
        assert inspector.inventory().leftovers == ()
        assert not inspector.drop_leftover(f"{MONTH.table_name}_new_1")
    assert inspector.inventory().leftovers == (f"{MONTH.table_name}_new_1",)
    assert not inspector.drop_leftover(MONTH.table_name)


def test_an_object_of_others_under_our_name_is_not_replaced(world):
    path = lake_paths.trips(OTHER)
    theirs = world.lake.write(path, b"mine", if_generation=0)
    with pytest.raises(PipelineError, match=r"is there, and no record of ours says that we made"):
        world.load(OTHER)
    assert world.lake.stat(path).generation == theirs.generation
    world.lake.delete(path)
    world.load(OTHER)
    require_sound(world.audit(MONTH, OTHER))
