"""What a person may look at of a month, in every store: Postgres, a bucket, BigQuery's emulator."""

import uuid
from datetime import timedelta

import pytest

from embedded.samples.months import write_month
from nyc_tlc.core.audit.values import Part
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, YELLOW, Service
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import render_record
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.jobs.look_at_trips import look_at_trips
from nyc_tlc.jobs.preview import Preview
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_reader, connect_stores
from tests.ports.months import SampleMonth, load, partition
from tests.ports.published_months import publish, recorded

STORES = {"postgres": "Postgres", "lake": "the lake", "bigquery": "BigQuery"}
REFUND, ZERO_DISTANCE = 1 << 8, 1 << 4
JANUARY = SampleMonth(
    rows=7,
    values={
        "pickup_datetime": [
            Month(2024, 1).start + timedelta(hours=2, minutes=30 + m, microseconds=123_456)
            for m in range(7)
        ],
        "vendor_id": [2, None, 1, 1, 1, 1, 1],
        "fare_amount": [13.35, None, -5.0, 0.0, 1.0, 1.0, 1.0],
        "store_and_fwd_flag": ["N", None, " ", "Y", "N", "N", "N"],
        "extra_columns": ['{"surge": 1.5}', *[None] * 6],
        "quality_flags": [0, REFUND, REFUND | ZERO_DISTANCE, 0, 0, 0, 0],
    },
    quarantined=[{"Fare_amount": 1.5, "Extra": None}, {}, {}],
)
FEBRUARY = SampleMonth(partition("2024-02"), rows=3)
YELLOW_JANUARY = SampleMonth(partition(service=YELLOW), rows=2, quarantined=[{"a": 1}])
MONTHS = (FEBRUARY, JANUARY, YELLOW_JANUARY)


@pytest.fixture(params=STORES)
def store(request, settings, monkeypatch) -> str:
    """A store that holds these months, and that the settings of this process lead to."""
    changed = {}
    if request.param != "postgres":
        gcs = request.getfixturevalue("gcs")
        changed |= {
            "lake_url": f"gs://{gcs.bucket}/{uuid.uuid4().hex}",
            "storage_emulator_host": gcs.url,
        }
    if request.param == "bigquery":
        server = request.getfixturevalue("bigquery")
        changed |= {
            "bigquery_project": server.project,
            "bigquery_dataset": f"reader_{uuid.uuid4().hex[:8]}",
            "bigquery_emulator_host": server.url,
        }
    settings = settings.model_copy(update=changed)
    monkeypatch.setattr(Settings, "load", lambda: settings)
    ports = connect_stores(settings)
    for month in MONTHS:
        if request.param == "postgres":
            load(ports.warehouse, month)
        else:
            commit(ports, month)
    return request.param


def commit(ports: Ports, month: SampleMonth) -> None:
    manifest = publish(ports.lake, month)
    path = lake_paths.manifest(month.partition)
    ports.lake.write(path, render_record(manifest), if_generation=None)
    if ports.bigquery is not None:
        jobs = ports.bigquery.load_partition(month.partition, manifest)
        record = recorded(manifest, jobs, ports.bigquery.address)
        path = lake_paths.warehouse_load(month.partition, ports.bigquery.address)
        ports.lake.write(path, render_record(record), if_generation=None)


def test_a_few_rows_of_one_month_are_shown_as_they_are_held(store):
    reader = connect_reader(Settings.load(), store)
    assert reader.name == STORES[store]
    assert reader.months(GREEN) == [Month(2024, 1), Month(2024, 2)]
    assert (
        reader.rows(JANUARY.partition, Part.TRIPS, 100)
        .select(JANUARY.table().schema.names)
        .equals(JANUARY.table().cast(reader.rows(JANUARY.partition, Part.TRIPS, 100).schema))
    )
    assert reader.rows(JANUARY.partition, Part.TRIPS, 2).num_rows == 2
    held = reader.rows(JANUARY.partition, Part.QUARANTINE, 2).to_pylist()
    assert [(row["source_row"], row["reason"]) for row in held] == [
        (7, "pickup_missing"), (8, "pickup_missing"),
    ]  # fmt: skip
    assert held[0]["published"] == '{"Fare_amount": 1.5, "Extra": null}' or (
        store == "postgres" and held[0]["published"] == '{"Extra": null, "Fare_amount": 1.5}'
    )


def test_the_month_that_is_looked_at_is_told_in_three_tables(store):
    newest = look_at_trips(GREEN, None, store)
    assert {row["source_month"] for row in newest.accepted.to_pylist()} == {"2024-02-01"}
    assert newest.quarantined.to_pylist() == [
        {"note": f"{STORES[store]} holds no quarantined row of green 2024-02"}
    ]
    seen = look_at_trips(GREEN, Month(2024, 1), store)
    first, second, *_ = seen.accepted.to_pylist()
    assert first["pickup_datetime"] == "2024-01-01 02:30:00.123456"
    assert (first["fare_amount"], second["fare_amount"], second["vendor_id"]) == (13.35, None, None)
    assert [row["Fare_amount"] for row in seen.quarantined.to_pylist()] == [1.5, None, None]
    assert [(row["kind"], row["code"], row["rows"]) for row in seen.counts.to_pylist()] == [
        ("quarantine reason", "pickup_missing", 3),
        ("quality flag", "refund_pair", 2),
        ("quality flag", "zero_distance", 1),
    ]
    assert all(row["meaning"] for row in seen.counts.to_pylist())


@pytest.mark.parametrize(
    ("service", "month", "expected"),
    [
        (GREEN, Month(2024, 3), "{} does not hold green 2024-03: choose one of its 2 months, "
         "2024-01 to 2024-02, or load it with the pipeline tlc_trips."),
        (Service("fhv", Month(2015, 1), Month(2015, 1), GREEN.contract), None,
         "{} holds no month of fhv yet: load one with the pipeline tlc_trips."),
    ],
    ids=["another month", "another service"],
)  # fmt: skip
def test_a_month_that_is_not_there_is_refused_in_one_sentence(service, month, expected, store):
    with pytest.raises(ConfigurationError) as refused:
        look_at_trips(service, month, store)
    assert str(refused.value) == expected.format(STORES[store])


@pytest.mark.parametrize(
    ("store_name", "expected"),
    [
        ("bigquery", "BigQuery is switched off here, since BIGQUERY_DATASET is not set: choose"),
        ("s3", "store 's3' is unknown: expected postgres, lake or bigquery."),
        ("postgres", "Postgres holds no month of green yet"),
        ("lake", "the lake holds no month of green yet"),
    ],
)
def test_a_store_that_has_nothing_to_show_says_so(store_name, expected, settings, monkeypatch):
    monkeypatch.setattr(Settings, "load", lambda: settings)
    with pytest.raises(ConfigurationError) as refused:
        look_at_trips(GREEN, None, store_name)
    assert str(refused.value).startswith(expected)


class TestPreviewOfARun:
    """What the blocks of tlc_trips show beside their run table."""

    @pytest.fixture
    def run(self, settings, tmp_path) -> tuple[Trips, Preview, Lake]:
        for month in (1, 2):
            write_month(Partition(GREEN, Month(2024, month)), 400, tmp_path / "published", seed=1)
        ports = connect_stores(settings)
        return Trips(settings, ports), Preview(settings, ports), ports.lake

    def test_every_step_shows_rows_of_the_last_month(self, run):
        trips, preview, _ = run
        rows = trips.land([partition("2024-01"), partition("2024-02")])
        published = preview.published(rows)
        assert published.num_rows == 100
        assert "lpep_pickup_datetime" in published.schema.names  # as TLC spells it
        conformed = trips.conform(rows)
        assert preview.quarantined(conformed).schema.names[0] == "reason"
        assert 0 < preview.quarantined(conformed).num_rows <= conformed[1].quarantined
        loaded, stored = trips.load_to_postgres(conformed), trips.publish_to_lake(conformed)
        seen = {
            "conformed": preview.accepted(conformed),
            "in Postgres": preview.stored(loaded, "postgres"),
            "in the lake": preview.stored(stored, "lake"),
        }
        for where, table in seen.items():
            assert table.num_rows == 100, where
            assert set(table["source_month"].to_pylist()) == {"2024-02-01"}, where
            assert table.equals(seen["conformed"]), where
        assert preview.stored(stored, "bigquery").to_pylist() == [
            {"note": "skipped: BIGQUERY_DATASET is not set"}
        ]
        trips.reconcile(loaded, stored)
        again = trips.land([partition("2024-01"), partition("2024-02")])
        assert {row.status for row in again} == {Status.UNCHANGED}
        assert preview.published(again).equals(published)
        assert preview.accepted(again).equals(seen["conformed"])

    def test_a_step_without_rows_says_why_and_fails_nothing(self, run):
        trips, preview, lake = run
        (row,) = trips.land([partition("2024-01")])
        (planned,) = trips.land([partition("2024-02")], only_plan=True)
        lake.delete(next(stored.path for stored in lake.list("raw/") if "parquet" in stored.path))
        failed: RunRow = row.failed("why")
        for table, why in (
            (preview.published([failed, planned]), "no month of this run has landed"),
            (preview.published([row]), "published file is not in raw/"),
            (preview.quarantined([row]), "no row was quarantined"),
            (preview.accepted([row]), "is gone"),
            (preview.stored([row], "postgres"), "no rows can be shown"),
        ):
            ((note,),) = (table[name].to_pylist() for name in table.schema.names)
            assert table.schema.names == ["note"]
            assert why in note
