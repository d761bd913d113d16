"""What BigQuery is sent, and what we make of its answers.

The emulator knows no permissions, regions, bills nor faults; this server follows a script.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from google.cloud import bigquery as library

from nyc_tlc.adapters.bigquery.connection import BigQuerySettings, BucketRegion, connect
from nyc_tlc.adapters.bigquery.tables import CALL, service_tables
from nyc_tlc.adapters.bigquery.warehouse import BigQueryWarehouse
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.core.contract.schemas import bigquery_fields
from nyc_tlc.core.contract.service import FHV, GREEN
from nyc_tlc.core.errors import (
    ConfigurationError,
    ContractError,
    ReconciliationError,
    RetryableError,
)
from nyc_tlc.core.lake.records import Manifest, WarehouseJob
from tests.ports.bigquery.wire import BUCKET, DATASET, ENDED_AT, PROJECT, BigQueryWire, error
from tests.ports.months import SampleMonth
from tests.ports.published_months import publish, recorded
from tests.ports.scripted_http import Answer, ScriptedServer

MONTH = SampleMonth(rows=7, quarantined=[{}, {}])
JANUARY = MONTH.partition
JSON = {"Content-Type": "application/json"}

Load = Callable[[], tuple[WarehouseJob, ...]]
Posted = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def wire() -> BigQueryWire:
    made = BigQueryWire()
    made.output_rows.extend([7, 2])
    return made


@pytest.fixture
def posted(server) -> Posted:
    """The bodies that were posted to paths with this end."""
    return lambda last: [
        json.loads(request.body)
        for request in server.requests
        if request.method == "POST" and request.path.endswith(f"/{last}")
    ]


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    return publish(FolderLake(tmp_path / "lake"), MONTH)


@pytest.fixture
def load(server, manifest) -> Load:
    return lambda: _warehouse(server).load_partition(JANUARY, manifest)


def _warehouse(server: ScriptedServer, location: str | None = None) -> BigQueryWarehouse:
    settings = BigQuerySettings(
        project=PROJECT,
        dataset=DATASET,
        location=location,
        lake_url=f"gs://{BUCKET}/top",
        maximum_bytes_billed=123_456_789,
    )
    return BigQueryWarehouse(
        connect(settings, emulator=server.url, storage_emulator=server.url, key_file=None)
    )


def test_load_job_replaces_one_partition_with_one_object(load, posted, manifest):
    jobs = load()
    trips, quarantine = posted("jobs")
    assert trips["configuration"]["labels"] == {"managed_by": "nyc_tlc"}
    assert trips["configuration"]["load"] == {
        "sourceUris": ["gs://lake/top/trips/service=green/year=2024/month=01/part-0.parquet"],
        "sourceFormat": "PARQUET",
        "destinationTable": {
            "projectId": PROJECT, "datasetId": DATASET, "tableId": "green$202401",
        },
        "writeDisposition": "WRITE_TRUNCATE",
        "createDisposition": "CREATE_NEVER",
        "timePartitioning": {"type": "MONTH", "field": "source_month"},
        "clustering": {"fields": ["pu_location_id", "pickup_datetime"]},
        "schema": {"fields": bigquery_fields(GREEN.contract.columns)},
    }  # fmt: skip
    target = quarantine["configuration"]["load"]["destinationTable"]
    assert target["tableId"] == "quarantine_green$202401"
    content = [f"{'a' * 16}_{stored.generation}_1" for stored in manifest.objects]
    assert [(body["jobReference"]["jobId"], body["jobReference"]["location"])
            for body in (trips, quarantine)] == [
        (f"nyc_tlc_tlc_green_202401_{content[0]}", "EU"),
        (f"nyc_tlc_tlc_quarantine_green_202401_{content[1]}", "EU"),
    ]  # fmt: skip
    assert [(job.rows, job.slot_millis, job.bytes_billed) for job in jobs] == [
        (7, 4321, 0), (2, 4321, 0),
    ]  # fmt: skip
    assert jobs[0].ended_at == datetime.fromtimestamp(ENDED_AT / 1000, UTC)


def test_lake_table_reads_year_and_month_from_the_path(load, posted):
    load()
    tables = {body["tableReference"]["tableId"]: body for body in posted("tables")}
    assert list(tables) == ["green", "quarantine_green", "green_lake"]
    config = tables["green_lake"]["externalDataConfiguration"]
    assert config["sourceFormat"] == "PARQUET"
    assert config["sourceUris"] == ["gs://lake/top/trips/service=green/*"]
    assert config["hivePartitioningOptions"] == {
        "mode": "CUSTOM",
        "sourceUriPrefix": "gs://lake/top/trips/service=green/{year:INTEGER}/{month:INTEGER}",
    }


def test_only_columns_that_a_service_has_are_clustered_by():
    trips, _ = service_tables(library.DatasetReference(PROJECT, DATASET), FHV.contract)
    assert set(trips.clustering_fields) <= set(FHV.contract.by_name)


def test_count_asks_for_one_partition_and_bills_no_more_than_it_may(server, posted):
    counted = _warehouse(server).count(JANUARY)
    assert (counted.counts.accepted, counted.counts.quarantined) == (7, 2)
    assert (counted.job.bytes_billed, counted.job.slot_millis) == (10_485_760, 17)
    (body,) = posted("jobs")
    query = body["configuration"]["query"]
    assert query["maximumBytesBilled"] == "123456789"
    assert query["useQueryCache"] is False
    assert "FROM `some-project.tlc.green` WHERE source_month = @month" in query["query"]
    assert query["queryParameters"][0]["parameterValue"] == {"value": "2024-01-01"}


@pytest.mark.parametrize(
    ("stated", "bucket", "made"),
    [
        (None, "EUROPE-WEST4", "EUROPE-WEST4"),
        ("EU", "EUROPE-WEST4", "EU"),
        (None, None, "US"),
    ],
)
def test_dataset_is_made_where_the_settings_say_or_the_bucket_is(
    wire, server, posted, manifest, stated, bucket, made
):
    wire.location, wire.bucket_location, wire.bucket_type = None, bucket, "region"
    _warehouse(server, stated).load_partition(JANUARY, manifest)
    (dataset,) = posted("datasets")
    assert (dataset["location"], dataset["labels"]) == (made, {"managed_by": "nyc_tlc"})
    assert dataset["description"]


@pytest.mark.parametrize(
    ("bucket", "dataset", "may"),
    [
        ("EU", "EU", True),
        ("EUROPE-WEST4", "europe-west4", True),
        ("EUROPE-WEST4", "EU", True),
        ("EUR4", "EU", True),
        ("ASIA-EAST1", "US", True),
        ("US", "EU", False),
        ("US-EAST1", "us-west1", False),
        ("EU", "europe-west4", False),
    ],
)
def test_which_bucket_may_feed_which_dataset(bucket, dataset, may):
    assert BucketRegion(bucket, is_dual=False).may_feed(dataset) is may


def test_bucket_of_another_region_is_refused_before_the_load(wire, load, posted):
    wire.bucket_location, wire.bucket_type = "US-EAST1", "region"
    with pytest.raises(ConfigurationError, match=r"gs://lake is in US-EAST1.*dataset.*in EU"):
        load()
    assert posted("jobs") == posted("tables") == []


def _ends(reason: str, message: str) -> dict[str, str]:
    return {"reason": reason, "message": message}


_denied = partial(error, 403, "accessDenied")
FAILURES: dict[type[Exception], list[tuple[Answer | dict[str, str], str]]] = {
    ConfigurationError: [
        (
            _denied("bigquery.jobs.create permission in project some-project."),
            r"bigquery\.jobs\.create, which roles/bigquery\.jobUser has: gcloud projects "
            r"add-iam-policy-binding some-project .*--role=roles/bigquery\.jobUser",
        ),
        (
            _denied("Permission bigquery.tables.updateData denied"),
            r"bigquery\.tables\.updateData, which roles/bigquery\.dataEditor has",
        ),
        (
            _denied("File gs://lake/x: no storage.objects.get access"),
            r"storage\.objects\.get, which roles/storage\.objectViewer has: gcloud storage buckets "
            r"add-iam-policy-binding gs://BUCKET",
        ),
        (
            _ends("accessDenied", "me does not have storage.objects.get access"),
            r"roles/storage\.objectViewer",
        ),
        (
            _ends("invalid", "Cannot read in different locations: source: US, destination: EU"),
            r"source: US, destination: EU.*its own region",
        ),
        (
            error(404, "notFound", "Not found: Dataset some-project:tlc"),
            r"Dataset some-project:tlc.*BIGQUERY_DATASET",
        ),
        (
            Answer(400, JSON, b'{"error": {"errors": [5], "message": ["no"]}}'),
            r"refused: .*no.* \(400\).*not recognised",
        ),
    ],
    ContractError: [
        (_ends("invalid", "Error while reading data"), r"data; job .*do not fit"),
    ],
    RetryableError: [
        (_ends("backendError", "try again"), r"try again; job nyc_tlc_.*_1"),
        (error(403, "quotaExceeded", "Your table exceeded quota"), "exceeded"),
        # When its own three attempts have failed; the emulator has one writer.
        (error(400, "invalidQuery", "Could not serialize access to table p:d.t"), "serialize"),
        (error(503, "backendError", "down"), r"some-project\.tlc returned an unexp"),
        # JSON of a proxy, no defect of ours: found by fuzzing Cloud Storage's answers.
        (Answer(500, JSON, b'{"error": null}'), "an unexpected response"),
        (Answer(403, JSON, b'{"error": "by a proxy"}'), "an unexpected response"),
        (Answer(200, JSON, b"null"), "an unexpected response"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "failure", "match"),
    [(kind, *case) for kind, cases in FAILURES.items() for case in cases],
)
def test_failure_is_explained_and_leaves_the_quarantine_alone(
    wire, load, monkeypatch, failure, kind, match
):
    monkeypatch.setitem(CALL, "retry", library.DEFAULT_RETRY.with_timeout(0.2))
    wire.bucket_location = None  # whose region we may not ask for, which is left to BigQuery
    if isinstance(failure, Answer):
        wire.faults.extend([failure] * 50)
    else:
        wire.outcomes.append(failure)
    with pytest.raises(kind, match=match):
        load()
    assert len(wire.jobs) <= 1


@pytest.mark.parametrize(("status", "reason"), [(503, "backendError"), (429, "rateLimitExceeded")])
def test_passing_fault_is_tried_again_by_the_library(wire, load, posted, status, reason):
    wire.faults.append(error(status, reason, "later"))
    load()
    ids = [body["jobReference"]["jobId"] for body in posted("jobs")]
    assert len(ids) == 3
    assert ids[0] == ids[1]


def test_content_that_fails_for_good_is_given_up(wire, load):
    wire.outcomes.extend([_ends("invalid", "no")] * 20)
    for _ in range(20):
        with pytest.raises(ContractError):
            load()
    with pytest.raises(ReconciliationError, match="20 loads of the same content"):
        load()


def test_other_rows_than_expected_are_reported_with_their_figures(wire, load):
    wire.output_rows[0] = 6_999
    with pytest.raises(ReconciliationError, match=r"wrote 6,999 rows, the lake has 7.*with force"):
        load()


def test_months_of_a_service_ask_for_its_tables_once(load, server, manifest):
    record = recorded(manifest, load(), f"{PROJECT}.{DATASET}")
    next_run = _warehouse(server)
    before = len(server.requests)
    assert all(next_run.holds(JANUARY, record) for _ in range(5))
    assert len(server.requests) - before == 2
