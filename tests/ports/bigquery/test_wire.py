"""What BigQuery is sent, and what we make of its answers.

The emulator knows no permissions, regions, bills nor faults; this server does as it is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery as library

from nyc_tlc.adapters.bigquery import connection as bigquery_connection
from nyc_tlc.adapters.bigquery import tables as bigquery_tables
from nyc_tlc.adapters.bigquery.connection import BigQuerySettings
from nyc_tlc.adapters.bigquery.region import BucketRegion
from nyc_tlc.adapters.bigquery.warehouse import BigQueryWarehouse
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.core.contract.schemas import bigquery_schema
from nyc_tlc.core.contract.service import FHV, GREEN
from nyc_tlc.core.errors import (
    ConfigurationError,
    ContractError,
    ReconciliationError,
    RetryableError,
)
from nyc_tlc.core.lake.records import Manifest, WarehouseLoad
from tests.ports.bigquery.wire import BUCKET, DATASET, ENDED_AT, PROJECT, BigQueryWire, error
from tests.ports.months import SampleMonth, partition
from tests.ports.published_months import publish
from tests.ports.scripted_http import Answer, Request, ScriptedServer, serve

MONTH = SampleMonth(rows=7, quarantined=[{}, {}])
JANUARY = MONTH.partition
ACCOUNT = "Access Denied: Project some-project: User does not have"


@pytest.fixture
def wire() -> BigQueryWire:
    made = BigQueryWire()
    made.output_rows.extend([7, 2])
    return made


@pytest.fixture
def server(wire: BigQueryWire) -> Iterator[ScriptedServer]:
    with serve(wire.answer) as server:
        yield server


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return publish(FolderLake(tmp_path / "lake"), MONTH)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library give up at once."""
    soon = library.DEFAULT_RETRY.with_timeout(0.2)
    for module in ("warehouse", "connection", "tables"):
        monkeypatch.setattr(f"nyc_tlc.adapters.bigquery.{module}.RETRY", soon)


def _warehouse(server: ScriptedServer, location: str | None = None) -> BigQueryWarehouse:
    settings = BigQuerySettings(
        project=PROJECT,
        dataset=DATASET,
        location=location,
        lake_url=f"gs://{BUCKET}/top",
        maximum_bytes_billed=123_456_789,
    )
    return BigQueryWarehouse(
        bigquery_connection.connect(
            settings, emulator=server.url, storage_emulator=server.url, key_file=None
        )
    )


@pytest.fixture
def warehouse(server: ScriptedServer) -> BigQueryWarehouse:
    return _warehouse(server)


def _posted(server: ScriptedServer, last: str) -> list[dict[str, Any]]:
    return [json.loads(r.body) for r in server.requests if _is_post(r, last)]


def _is_post(request: Request, last: str) -> bool:
    return request.method == "POST" and request.path.endswith(f"/{last}")


def test_load_job_replaces_one_partition_with_one_object(
    warehouse: BigQueryWarehouse, server: ScriptedServer, manifest: Manifest
) -> None:
    warehouse.load_partition(JANUARY, manifest)
    trips, quarantine = _posted(server, "jobs")
    load = trips["configuration"]["load"]
    assert load["sourceUris"] == [
        "gs://lake/top/trips/service=green/year=2024/month=01/part-0.parquet"
    ]
    assert load["destinationTable"] == {
        "projectId": PROJECT, "datasetId": DATASET, "tableId": "green$202401",
    }  # fmt: skip
    assert (load["writeDisposition"], load["createDisposition"], load["sourceFormat"]) == (
        "WRITE_TRUNCATE",
        "CREATE_NEVER",
        "PARQUET",
    )
    assert load["timePartitioning"] == {"type": "MONTH", "field": "source_month"}
    assert load["clustering"] == {"fields": ["pu_location_id", "pickup_datetime"]}
    assert load["schema"]["fields"] == bigquery_schema(GREEN.contract)
    assert trips["configuration"]["labels"] == {"managed_by": "nyc_tlc"}
    assert trips["jobReference"]["location"] == "EU"
    assert quarantine["configuration"]["load"]["destinationTable"]["tableId"] == (
        "quarantine_green$202401"
    )


def test_job_id_says_what_is_loaded_where(
    warehouse: BigQueryWarehouse, server: ScriptedServer, manifest: Manifest
) -> None:
    warehouse.load_partition(JANUARY, manifest)
    generation = manifest.objects[0].generation
    assert [body["jobReference"]["jobId"] for body in _posted(server, "jobs")] == [
        f"nyc_tlc_tlc_green_202401_{'a' * 16}_{generation}_1",
        f"nyc_tlc_tlc_quarantine_green_202401_{'a' * 16}_{manifest.objects[1].generation}_1",
    ]


def test_jobs_tell_rows_and_slot_time(warehouse: BigQueryWarehouse, manifest: Manifest) -> None:
    jobs = warehouse.load_partition(JANUARY, manifest)
    assert [(job.rows, job.slot_millis, job.bytes_billed) for job in jobs] == [
        (7, 4321, 0),
        (2, 4321, 0),
    ]
    assert jobs[0].ended_at == datetime.fromtimestamp(ENDED_AT / 1000, UTC)


def test_tables_are_made_with_partitions_clusters_labels_and_descriptions(
    warehouse: BigQueryWarehouse, server: ScriptedServer, manifest: Manifest
) -> None:
    warehouse.load_partition(JANUARY, manifest)
    made = {body["tableReference"]["tableId"]: body for body in _posted(server, "tables")}
    assert list(made) == ["green", "quarantine_green", "green_lake"]
    green = made["green"]
    assert green["timePartitioning"] == {"type": "MONTH", "field": "source_month"}
    assert green["clustering"] == {"fields": ["pu_location_id", "pickup_datetime"]}
    assert green["labels"]["service"] == "green"
    assert all(field["description"] for field in green["schema"]["fields"])
    assert green["description"].startswith("Accepted green trips")


def test_lake_table_reads_year_and_month_from_the_path(
    warehouse: BigQueryWarehouse, server: ScriptedServer, manifest: Manifest
) -> None:
    warehouse.load_partition(JANUARY, manifest)
    (external,) = [body for body in _posted(server, "tables")
                   if body["tableReference"]["tableId"] == "green_lake"]  # fmt: skip
    config = external["externalDataConfiguration"]
    assert config["sourceFormat"] == "PARQUET"
    assert config["sourceUris"] == ["gs://lake/top/trips/service=green/*"]
    assert config["hivePartitioningOptions"] == {
        "mode": "CUSTOM",
        "sourceUriPrefix": "gs://lake/top/trips/service=green/{year:INTEGER}/{month:INTEGER}",
    }


def test_only_columns_that_a_service_has_are_clustered_by() -> None:
    reference = library.DatasetReference(PROJECT, DATASET)
    tables = bigquery_tables.service_tables(reference, FHV.contract)
    assert set(tables.trips.clustering_fields) <= set(FHV.contract.by_name)


def test_count_asks_for_one_partition_and_bills_no_more_than_it_may(
    warehouse: BigQueryWarehouse, server: ScriptedServer
) -> None:
    counted = warehouse.count(JANUARY)
    assert (counted.counts.accepted, counted.counts.quarantined) == (7, 2)
    assert (counted.job.bytes_billed, counted.job.slot_millis) == (10_485_760, 17)
    (body,) = _posted(server, "jobs")
    query = body["configuration"]["query"]
    assert query["maximumBytesBilled"] == "123456789"
    assert query["useQueryCache"] is False
    assert "FROM `some-project.tlc.green` WHERE source_month = @month" in query["query"]
    assert query["queryParameters"][0]["parameterValue"] == {"value": "2024-01-01"}


def test_dataset_is_made_where_the_bucket_is(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, server: ScriptedServer, manifest: Manifest
) -> None:
    wire.location, wire.bucket_location, wire.bucket_type = None, "EUROPE-WEST4", "region"
    warehouse.load_partition(JANUARY, manifest)
    (made,) = _posted(server, "datasets")
    assert (made["location"], made["labels"]) == ("EUROPE-WEST4", {"managed_by": "nyc_tlc"})
    assert made["description"]


def test_dataset_is_made_where_the_settings_say(
    wire: BigQueryWire, server: ScriptedServer, manifest: Manifest
) -> None:
    wire.location, wire.bucket_location = None, "EUROPE-WEST4"
    _warehouse(server, "EU").load_partition(JANUARY, manifest)
    assert [made["location"] for made in _posted(server, "datasets")] == ["EU"]


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
def test_which_bucket_may_feed_which_dataset(bucket: str, dataset: str, *, may: bool) -> None:
    assert BucketRegion(bucket, is_dual=False).may_feed(dataset) is may


def test_bucket_of_another_region_is_refused_before_the_load(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, server: ScriptedServer, manifest: Manifest
) -> None:
    wire.bucket_location, wire.bucket_type = "US-EAST1", "region"
    with pytest.raises(ConfigurationError, match=r"gs://lake is in US-EAST1.*dataset.*in EU"):
        warehouse.load_partition(JANUARY, manifest)
    assert _posted(server, "jobs") == _posted(server, "tables") == []


def test_region_that_we_may_not_ask_for_is_left_to_bigquery(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    wire.bucket_location = None
    wire.outcomes.append(
        {
            "reason": "invalid",
            "message": "Cannot read and write in different locations: source: US, destination: EU",
        }
    )
    with pytest.raises(ConfigurationError, match=r"source: US, destination: EU.*its own region"):
        warehouse.load_partition(JANUARY, manifest)


@pytest.mark.parametrize(
    ("message", "command"),
    [
        (
            f"{ACCOUNT} bigquery.jobs.create permission in project some-project.",
            r"bigquery\.jobs\.create, which roles/bigquery\.jobUser has: gcloud projects "
            r"add-iam-policy-binding some-project .*--role=roles/bigquery\.jobUser",
        ),
        (
            "Access Denied: Table some-project:tlc.green: Permission bigquery.tables.updateData "
            "denied",
            r"bigquery\.tables\.updateData, which roles/bigquery\.dataEditor has",
        ),
        (
            "Access Denied: File gs://lake/top/x: does not have storage.objects.get access",
            r"storage\.objects\.get, which roles/storage\.objectViewer has: gcloud storage buckets "
            r"add-iam-policy-binding",
        ),
    ],
)
def test_403_names_the_permission_and_the_command(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest, message: str, command: str
) -> None:
    wire.faults.append(error(403, "accessDenied", message))
    with pytest.raises(ConfigurationError, match=command):
        warehouse.load_partition(JANUARY, manifest)


def test_job_that_is_denied_the_file_says_so_too(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    message = "Access Denied: me does not have storage.objects.get access"
    wire.outcomes.append({"reason": "accessDenied", "message": message})
    with pytest.raises(ConfigurationError, match=r"roles/storage\.objectViewer"):
        warehouse.load_partition(JANUARY, manifest)


def test_dataset_that_goes_away_is_named(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    wire.faults.append(error(404, "notFound", "Not found: Dataset some-project:tlc"))
    with pytest.raises(ConfigurationError, match=r"Dataset some-project:tlc.*BIGQUERY_DATASET"):
        warehouse.load_partition(JANUARY, manifest)


@pytest.mark.parametrize(("status", "reason"), [(503, "backendError"), (429, "rateLimitExceeded")])
def test_passing_fault_is_tried_again_by_the_library(
    wire: BigQueryWire,
    warehouse: BigQueryWarehouse,
    server: ScriptedServer,
    manifest: Manifest,
    status: int,
    reason: str,
) -> None:
    wire.faults.append(error(status, reason, "later"))
    warehouse.load_partition(JANUARY, manifest)
    ids = [body["jobReference"]["jobId"] for body in _posted(server, "jobs")]
    assert len(ids) == 3
    assert ids[0] == ids[1]


@pytest.mark.usefixtures("impatient")
def test_service_that_stays_down_is_retryable(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    wire.faults.extend([error(503, "backendError", "down")] * 50)
    with pytest.raises(RetryableError, match=r"some-project\.tlc did not answer well"):
        warehouse.load_partition(JANUARY, manifest)


@pytest.mark.parametrize(
    "fault",
    [
        Answer(500, {"Content-Type": "application/json"}, b'{"error": null}'),
        Answer(403, {"Content-Type": "application/json"}, b'{"error": "denied by a proxy"}'),
        Answer(200, {"Content-Type": "application/json"}, b"null"),
    ],
)
def test_json_that_is_not_bigquerys_is_retryable(
    impatient: None, warehouse: BigQueryWarehouse, wire: BigQueryWire, manifest: Manifest,
    fault: Answer,
) -> None:  # fmt: skip
    """It is a proxy's, and no defect of ours: found by fuzzing Cloud Storage's answers."""
    wire.faults.extend([fault] * 3)
    with pytest.raises(RetryableError, match="did not answer well"):
        warehouse.load_partition(JANUARY, manifest)


def test_a_refusal_without_google_s_words_is_a_refusal(
    warehouse: BigQueryWarehouse, wire: BigQueryWire, manifest: Manifest
) -> None:
    body = b'{"error": {"errors": [5], "message": ["no"]}}'
    wire.faults.append(Answer(400, {"Content-Type": "application/json"}, body))
    with pytest.raises(ContractError, match=r"refused: .*no.* \(400\)"):
        warehouse.load_partition(JANUARY, manifest)


def test_quota_is_retryable(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    wire.faults.append(error(403, "quotaExceeded", "Your table exceeded quota for imports"))
    with pytest.raises(RetryableError, match="exceeded quota"):
        warehouse.load_partition(JANUARY, manifest)


def test_lost_answer_finds_the_job_that_was_begun(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    first = warehouse.load_partition(JANUARY, manifest)
    assert warehouse.load_partition(JANUARY, manifest) == first
    assert len(wire.jobs) == 2


def test_job_older_than_its_table_does_not_count(
    wire: BigQueryWire, server: ScriptedServer, manifest: Manifest
) -> None:
    _warehouse(server).load_partition(JANUARY, manifest)
    wire.tables.clear()
    wire.created = ENDED_AT + 1
    wire.output_rows.extend([7, 2])
    again = _warehouse(server).load_partition(JANUARY, manifest)
    assert [job.id.rpartition("_")[2] for job in again] == ["2", "2"]


def test_job_that_failed_is_followed_by_another(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    wire.outcomes.append({"reason": "backendError", "message": "try again"})
    with pytest.raises(RetryableError, match=r"try again; job nyc_tlc_tlc_green_202401_.*_1"):
        warehouse.load_partition(JANUARY, manifest)
    wire.output_rows.clear()
    wire.output_rows.extend([7, 2])
    jobs = warehouse.load_partition(JANUARY, manifest)
    assert jobs[0].id.endswith("_2")


def test_job_that_ends_in_error_leaves_the_quarantine_alone(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    wire.outcomes.append({"reason": "invalid", "message": "Error while reading data"})
    with pytest.raises(ContractError, match=r"Error while reading data; job .*do not fit"):
        warehouse.load_partition(JANUARY, manifest)
    assert len(wire.jobs) == 1


def test_content_that_fails_for_good_is_given_up(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    wire.outcomes.extend([{"reason": "invalid", "message": "no"}] * 20)
    for _ in range(20):
        with pytest.raises(ContractError):
            warehouse.load_partition(JANUARY, manifest)
    with pytest.raises(ReconciliationError, match="20 loads of the same content"):
        warehouse.load_partition(JANUARY, manifest)


def test_other_rows_than_expected_are_told_with_their_figures(
    wire: BigQueryWire, warehouse: BigQueryWarehouse, manifest: Manifest
) -> None:
    wire.output_rows[0] = 6_999
    with pytest.raises(ReconciliationError, match=r"wrote 6,999 rows, the lake has 7.*with force"):
        warehouse.load_partition(JANUARY, manifest)


def test_month_of_another_version_of_the_object_is_another_job(
    warehouse: BigQueryWarehouse, wire: BigQueryWire, manifest: Manifest
) -> None:
    warehouse.load_partition(JANUARY, manifest)
    wire.output_rows.extend([7, 2])
    trips, quarantine = manifest.objects
    published_anew = tuple(
        stored.model_copy(update={"generation": 9}) for stored in (trips, quarantine)
    )
    warehouse.load_partition(JANUARY, manifest.model_copy(update={"objects": published_anew}))
    assert len(wire.jobs) == 4


def test_months_of_a_service_ask_for_its_tables_once(
    warehouse: BigQueryWarehouse, server: ScriptedServer, manifest: Manifest
) -> None:
    jobs = warehouse.load_partition(JANUARY, manifest)
    load = WarehouseLoad(
        service="green",
        month="2024-01",
        warehouse=warehouse.address,
        contract=manifest.contract,
        sha256=manifest.landing.sha256,
        objects=manifest.objects,
        jobs=jobs,
        run="test",
        loaded_at=datetime.now(UTC),
    )
    next_run = _warehouse(server)
    before = len(server.requests)
    assert all(next_run.holds(JANUARY, load) for _ in range(5))
    assert len(server.requests) - before == 2


def test_february_goes_into_its_own_partition(
    warehouse: BigQueryWarehouse, server: ScriptedServer, tmp_path: Path
) -> None:
    february = SampleMonth(partition("2024-02"), rows=7, quarantined=[{}, {}])
    warehouse.load_partition(february.partition, publish(FolderLake(tmp_path / "lake"), february))
    destination = _posted(server, "jobs")[0]["configuration"]["load"]["destinationTable"]
    assert destination["tableId"] == "green$202402"
