"""What the steps rely on in a warehouse that loads from the lake: BigQuery, emulated or real.

`make test-cloud` runs this suite in a real project; docs/bigquery.md says how, and in what the
emulator differs.
"""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery as library

from nyc_tlc.adapters.bigquery.connection import BigQueryDataset, BigQuerySettings, connect
from nyc_tlc.adapters.bigquery.tables import LABELS
from nyc_tlc.adapters.bigquery.warehouse import BigQueryWarehouse
from nyc_tlc.adapters.lake import gcs
from nyc_tlc.core.audit.values import Part, checksums, of_columns, of_rows, typed_columns
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.contract.schemas import (
    arrow_schema,
    bigquery_fields,
    bigquery_quarantine_schema,
    quarantine_arrow_schema,
)
from nyc_tlc.core.contract.service import GREEN, SERVICES, YELLOW
from nyc_tlc.core.errors import ConfigurationError, ContractError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import WarehouseJob
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.warehouse import StoreCounts
from tests.ports.months import SampleMonth, judged, load_dimensions, partition
from tests.ports.published_months import publish, recorded, write

JANUARY = SampleMonth(rows=7, quarantined=[{"total_amount": 1.5}, {}])
OTHER_JANUARY = SampleMonth(rows=4, sha256="b" * 64)
FEBRUARY = SampleMonth(partition("2024-02"), rows=3)
YELLOW_JANUARY = SampleMonth(partition(service=YELLOW), rows=6, quarantined=[{"a": 1}])
CONTRACTS = [service.contract for service in SERVICES.values()]
GROWN = Column("surge", ColumnType.DOUBLE, "More to pay", unit="US dollars")


@dataclass(frozen=True)
class Store:
    """A dataset of a test's own, the lake that it is loaded from, and a reader of both."""

    dataset: BigQueryDataset
    lake: Lake
    is_emulated: bool

    @property
    def warehouse(self) -> BigQueryWarehouse:
        """A new one each time: what a run knows of the tables, the next one does not."""
        return BigQueryWarehouse(self.dataset)

    def load(self, month: SampleMonth) -> tuple[WarehouseJob, ...]:
        return self.warehouse.load_partition(month.partition, publish(self.lake, month))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        found = self.dataset.client.query(
            sql.replace("{}", self.dataset.address), location=self.dataset.settings.location
        ).result()
        return [tuple(row) for row in found]

    def table(self, name: str) -> library.Table:
        return self.dataset.client.get_table(self.dataset.reference.table(name))

    def counts(self, month: SampleMonth) -> StoreCounts:
        return self.warehouse.count(month.partition).counts


def _store(address: str, lake_url: str, cache: Path, **emulators: str | None) -> Store:
    project, dataset = address.split(".")
    servers = {"emulator": None, "storage_emulator": None, "key_file": None, **emulators}
    settings = BigQuerySettings(
        project=project,
        dataset=f"{dataset}_{uuid.uuid4().hex[:12]}",
        location="US" if emulators else None,
        lake_url=f"{lake_url}/{uuid.uuid4().hex[:12]}",
        maximum_bytes_billed=100 << 20,
    )
    storage = servers["storage_emulator"]
    lake = gcs.connect(settings.lake_url, cache=cache, emulator=storage, key_file=None)
    return Store(connect(settings, **servers), lake, is_emulated=bool(emulators))


@pytest.fixture
def emulated(bigquery, gcs, tmp_path) -> Store:
    servers = {"emulator": bigquery.url, "storage_emulator": gcs.url}
    return _store(f"{bigquery.project}.test", f"gs://{gcs.bucket}", tmp_path, **servers)


@pytest.fixture
def in_the_cloud(tmp_path) -> Iterator[Store]:
    address = os.environ.get("TLC_TEST_BIGQUERY_DATASET", "")
    bucket = os.environ.get("TLC_TEST_LAKE_URL", "")
    if "." not in address or not bucket.startswith("gs://"):
        pytest.skip(
            "TLC_TEST_BIGQUERY_DATASET=project.dataset and TLC_TEST_LAKE_URL=gs://… are not set; "
            "see docs/bigquery.md"
        )
    store = _store(address, bucket.rstrip("/"), tmp_path)
    yield store
    store.dataset.client.delete_dataset(
        store.dataset.reference, delete_contents=True, not_found_ok=True
    )
    for stored in list(store.lake.list("")):
        store.lake.delete(stored.path)


@pytest.fixture(params=["emulated", pytest.param("in_the_cloud", marks=pytest.mark.cloud)])
def store(request) -> Store:
    return request.getfixturevalue(request.param)


@pytest.fixture
def loaded(store) -> Store:
    """A dataset with two green months and a yellow one."""
    for month in (JANUARY, FEBRUARY, YELLOW_JANUARY):
        store.load(month)
    return store


def _counts(month: SampleMonth) -> StoreCounts:
    return StoreCounts(month.rows, len(month.quarantined))


def test_loaded_month_is_counted_and_no_other(store):
    assert store.counts(JANUARY) == StoreCounts(accepted=0, quarantined=0)
    # No zone on the way: 02:30 stays 02:30 on the night the clocks go forward.
    when = datetime(2024, 3, 10, 2, 30, 0, 123456)  # noqa: DTZ001 - wall clock
    jobs = store.load(replace(JANUARY, values={"pickup_datetime": [when] * 7}))
    described = [(job.kind, job.rows, job.bytes_billed) for job in jobs]
    assert described == [("load", 7, 0), ("load", 2, 0)]
    assert store.counts(JANUARY) == _counts(JANUARY)
    assert store.counts(FEBRUARY) == StoreCounts(accepted=0, quarantined=0)
    found = store.rows("SELECT source_row, total_amount, pickup_datetime FROM `{}.green`")
    assert sorted(found) == [(row, 1.0 + row, when) for row in range(7)]
    job = store.warehouse.count(JANUARY.partition).job
    assert (job.kind, job.rows) == ("query", 1)
    assert job.ended_at.tzinfo is not None
    empty = SampleMonth(rows=0, quarantined=[{}])
    store.load(empty)
    assert store.counts(empty) == StoreCounts(accepted=0, quarantined=1)


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_rows_arrive_as_they_were_judged(service, store, tmp_path):
    month = judged(partition("2024-03", service), 2_000, tmp_path)
    store.load(month)
    names = ", ".join(month.values)
    found = store.rows(f"SELECT {names} FROM `{{}}.{service}` ORDER BY source_row")
    assert found == list(zip(*month.values.values(), strict=True))


def test_values_have_the_checksums_that_the_lake_says(store):
    numbers = [float("nan"), -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, float("-inf"), None]
    month = replace(
        JANUARY,
        values={
            "fare_amount": numbers,
            "store_and_fwd_flag": ["", "é😀", ",1:", None, "N", "n", "\x7f"],
            "dropoff_datetime": [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
                                 *[None] * 5],
            "extra_columns": ['{"b": 1.50,"a":1e308}', *[None] * 6],
        },
    )  # fmt: skip
    store.load(month)
    contract = month.partition.service.contract
    paths = (lake_paths.trips(month.partition), lake_paths.quarantine(month.partition))
    for part, path in zip(Part, paths, strict=True):
        columns = typed_columns(contract, part, as_in_the_lake=True)
        asked = [*of_rows(columns), *of_columns(columns)]
        with store.lake.open(path) as file:
            expected = checksums(pq.read_table(file).to_batches(), asked)
        assert store.warehouse.checksums(month.partition, part, asked) == expected


def test_same_content_again_finds_the_jobs_that_loaded_it(loaded):
    """Also when several load it at once: one copy is left."""
    manifest = publish(loaded.lake, OTHER_JANUARY)

    def load(_: int) -> tuple[WarehouseJob, ...]:
        return loaded.warehouse.load_partition(JANUARY.partition, manifest)

    with ThreadPoolExecutor(4) as pool:
        ids = {tuple(job.id for job in jobs) for jobs in pool.map(load, range(4))}
    assert ids == {tuple(job.id for job in load(5))}
    assert loaded.counts(OTHER_JANUARY) == _counts(OTHER_JANUARY)


def test_a_month_is_replaced_alone_also_by_content_that_comes_back(loaded):
    for january in (OTHER_JANUARY, JANUARY):
        loaded.load(january)
        for month in (january, FEBRUARY, YELLOW_JANUARY):
            assert loaded.counts(month) == _counts(month)
    by_month = "SELECT source_month, COUNT(*) FROM `{}.green` GROUP BY 1 ORDER BY 1"
    assert loaded.rows(by_month) == [(date(2024, 1, 1), 7), (date(2024, 2, 1), 3)]
    first, again = (loaded.load(FEBRUARY) for _ in range(2))
    assert {job.id for job in first}.isdisjoint(job.id for job in again)
    assert loaded.counts(FEBRUARY) == _counts(FEBRUARY)


@pytest.mark.parametrize("what", ["rows of another month", "a file of other columns"])
def test_file_that_does_not_fit_is_refused_and_changes_nothing(loaded, what):
    """Readers see what they saw before."""
    everything = [
        f"SELECT * FROM `{{}}.{table}` ORDER BY source_month, source_row"
        for table in ("green", "quarantine_green", "yellow")
    ]
    before = [loaded.rows(sql) for sql in everything]
    month, match = OTHER_JANUARY, "do not fit one another"
    if what == "rows of another month":
        month, match = replace(month, values={"source_month": [date(2024, 5, 1)] * 4}), "partition"
    manifest = publish(loaded.lake, month)
    if what == "a file of other columns":
        stranger = pa.table({"source_month": ["not a date"], "source_row": [1]})
        trips = write(loaded.lake, lake_paths.trips(JANUARY.partition), stranger)
        manifest = manifest.model_copy(update={"objects": (trips, trips)})
    with pytest.raises(ContractError, match=match):
        loaded.warehouse.load_partition(JANUARY.partition, manifest)
    assert [loaded.rows(sql) for sql in everything] == before


def test_load_that_failed_is_tried_under_another_name(loaded):
    manifest = publish(loaded.lake, OTHER_JANUARY)
    path = lake_paths.trips(JANUARY.partition)
    held = loaded.lake.read(path)
    loaded.lake.delete(path)
    with pytest.raises(Exception, match="Not found"):
        loaded.warehouse.load_partition(JANUARY.partition, manifest)
    assert loaded.counts(JANUARY).accepted == JANUARY.rows
    loaded.lake.write(path, held[0], if_generation=None)
    jobs = loaded.warehouse.load_partition(JANUARY.partition, manifest)
    assert jobs[0].id.endswith("_2")
    assert loaded.counts(OTHER_JANUARY) == _counts(OTHER_JANUARY)


def test_what_was_loaded_is_held_until_its_tables_go(loaded):
    manifest = publish(loaded.lake, OTHER_JANUARY)
    jobs = loaded.warehouse.load_partition(JANUARY.partition, manifest)
    load = recorded(manifest, jobs, loaded.warehouse.address)
    assert loaded.warehouse.holds(JANUARY.partition, load)
    loaded.dataset.client.delete_table(loaded.dataset.reference.table("green"))
    assert not loaded.warehouse.holds(JANUARY.partition, load)
    loaded.load(FEBRUARY)  # makes the table again
    assert not loaded.warehouse.holds(JANUARY.partition, load)
    again = loaded.warehouse.load_partition(JANUARY.partition, manifest)
    assert again[0].id != jobs[0].id
    assert loaded.counts(OTHER_JANUARY) == _counts(OTHER_JANUARY)


def test_tables_are_the_contracts(loaded):
    table, version = loaded.table("green"), str(GREEN.contract.version)
    assert table.time_partitioning.to_api_repr() == {"type": "MONTH", "field": "source_month"}
    assert table.clustering_fields == ["pu_location_id", "pickup_datetime"]
    assert table.labels == {"managed_by": "nyc_tlc", "service": "green", "contract": version}
    assert "green trips" in table.description
    fields = {field.name: field for field in table.schema}
    assert list(fields) == [column.name for column in GREEN.contract.columns]
    assert fields["tip_amount"].description == "Tip; of taxis, card tips only [US dollars]"
    assert fields["pickup_datetime"].field_type == "DATETIME"
    assert fields["pickup_datetime"].mode == "REQUIRED"
    assert fields["source_month"].field_type == "DATE"
    assert loaded.table("quarantine_green").clustering_fields == table.clustering_fields


def test_table_of_an_older_contract_gets_its_columns(loaded):
    first, *others = GREEN.contract.columns
    columns = (replace(first, meaning="Who drove"), *others, GROWN)
    grown = replace(GREEN.contract, version=99, columns=columns)
    service = replace(GREEN, contract=grown)
    month = replace(OTHER_JANUARY, partition=replace(JANUARY.partition, service=service))
    loaded.load(replace(month, values={"surge": [0.5] * 4}))
    assert loaded.table("green").schema[-1].description == "More to pay [US dollars]"
    assert loaded.table("green").schema[0].description.startswith("Who drove")
    assert loaded.table("green").labels["contract"] == "99"
    assert loaded.rows("SELECT source_month, SUM(surge) FROM `{}.green` GROUP BY 1 ORDER BY 1") == [
        (date(2024, 1, 1), 2.0),
        (date(2024, 2, 1), None),
    ]


def test_table_of_somebody_else_is_left_alone(store):
    store.warehouse.describe()
    theirs = library.Table(
        store.dataset.reference.table("green"), [library.SchemaField("vendor_id", "STRING")]
    )
    store.dataset.client.create_table(theirs)
    with pytest.raises(ConfigurationError, match=r"it has no label managed_by:nyc_tlc"):
        store.load(JANUARY)
    assert [field.name for field in store.table("green").schema] == ["vendor_id"]


def test_views_of_others_are_left_and_those_from_before_there_were_labels_are_ours(store):
    load_dimensions(store.warehouse)
    store.rows("CREATE VIEW `{}.trips` AS SELECT 'x' AS service")
    assert store.warehouse.others() == ()
    store.warehouse.replace_views(CONTRACTS)
    assert store.table("trips").labels == LABELS
    assert store.rows("SELECT COUNT(*) FROM `{}.trips`") == [(0,)]
    store.dataset.client.delete_table(store.dataset.reference.table("green_named"))
    store.rows("CREATE VIEW `{}.green_named` AS SELECT 1 AS mine")
    with pytest.raises(ConfigurationError, match=r"green_named in BigQuery is not ours"):
        store.warehouse.replace_views(CONTRACTS)
    assert store.rows("SELECT * FROM `{}.green_named`") == [(1,)]
    store.rows("CREATE TABLE `{}.green_2024_01` (a INT64)")
    assert store.warehouse.others() == ("BigQuery's table green_2024_01",)


def test_dataset_elsewhere_than_stated_is_refused(store):
    assert store.warehouse.describe().endswith(f"loaded from {store.lake.url}")
    settings = replace(store.dataset.settings, location="europe-west4")
    moved = BigQueryDataset(store.dataset.client, settings)
    with pytest.raises(ConfigurationError, match=r" is in US, BIGQUERY_LOCATION says europe-west4"):
        BigQueryWarehouse(moved).load_partition(JANUARY.partition, publish(store.lake, JANUARY))


def test_dimension_table_is_replaced_and_may_hold_nulls_and_json(store):
    shapes = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"type": "Point"}', None]))
    columns = {"location_id": pa.array([132, 1], pa.int16()), "zone": ["JFK Airport", None]}
    zones = pa.table({**columns, "longitude": [-73.98, None], "geometry": shapes})
    for rows in (zones, zones, zones.slice(1)):
        wrote = store.warehouse.replace_table(
            "taxi_zone", rows, key="location_id", comment="The zones"
        )
        assert wrote == rows.num_rows
        assert (
            store.rows(
                "SELECT location_id, zone, longitude, JSON_VALUE(geometry, '$.type') "
                "FROM `{}.taxi_zone` ORDER BY location_id DESC"
            )
            == [(132, "JFK Airport", -73.98, "Point"), (1, None, None, None)][-wrote:]
        )
    assert store.table("taxi_zone").description == "The zones"


def test_views_give_trips_their_names(store):
    load_dimensions(store.warehouse)
    values = {"vendor_id": [1, 2, None], "pu_location_id": [132, 1, None]}
    store.load(replace(FEBRUARY, values=values))
    store.load(YELLOW_JANUARY)
    for _ in range(2):
        assert store.warehouse.replace_views(CONTRACTS) == (
            "yellow_named", "green_named", "fhv_named", "fhvhv_named", "trips", "quarantine",
        )  # fmt: skip
    assert store.rows(
        "SELECT vendor_name, pu_borough, pu_zone FROM `{}.green_named` ORDER BY source_row"
    ) == [
        ("Creative Mobile Technologies", "Queens", "JFK Airport"),
        ("Curb Mobility (formerly VeriFone)", "EWR", "Newark Airport"),
        (None, None, None),
    ]
    assert store.rows("SELECT service, COUNT(*) FROM `{}.trips` GROUP BY 1 ORDER BY 1") == [
        ("green", 3),
        ("yellow", 6),
    ]
    assert store.rows("SELECT service, source_month, published FROM `{}.quarantine`") == [
        ("yellow", date(2024, 1, 1), '{"a": 1}')
    ]


def test_lake_is_one_table_and_a_query_bills_no_more_than_it_may(loaded):
    if loaded.is_emulated:
        pytest.skip("bqemulator 1.4.0 has no external tables and bills nothing; see test_wire.py")
    assert loaded.rows("SELECT year, month, COUNT(*) FROM `{}.green_lake` GROUP BY 1, 2") == [
        (2024, 1, 7),
        (2024, 2, 3),
    ]
    job = loaded.warehouse.count(JANUARY.partition).job
    assert 0 <= job.bytes_billed <= loaded.dataset.settings.maximum_bytes_billed


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.service)
def test_schema_of_the_table_is_that_of_the_files(contract):
    """Of every column: BigQuery refuses an optional one where the table requires it."""
    for described, stored in (
        (bigquery_fields(contract.columns), arrow_schema(contract)),
        (bigquery_quarantine_schema(contract), quarantine_arrow_schema(contract)),
    ):
        expected = [(f.name, "NULLABLE" if f.nullable else "REQUIRED") for f in stored]
        assert [(f["name"], f["mode"]) for f in described] == expected
