"""What the lake says of one month, for a test to change."""

from datetime import UTC, datetime

from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Landing, Manifest, StoredObject
from tests.partitions import named

MONTH = named("green 2024-01")
SHA = "a" * 64
RAW = lake_paths.raw(MONTH, SHA, ".parquet")
LOADED_AT = datetime(2024, 3, 5, tzinfo=UTC)


def stored(path: str, **other: object) -> StoredObject:
    said = {"path": path, "bytes": 100, "generation": 7, "crc32c": "AAAAAA=="}
    return StoredObject.model_validate({**said, **other})


LANDING = Landing(
    source_uri="https://example.org/green_tripdata_2024-01.parquet", etag='"1"',
    last_modified=None, bytes=1000, sha256=SHA, rows=10, raw=RAW,
)  # fmt: skip
COUNTS = Counts(
    published=10, accepted=8, quarantined=2, by_reason={"pickup_missing": 2}, by_flag={},
    first_pickup=None, last_pickup=None,
)  # fmt: skip
MANIFEST = Manifest(
    service="green", month="2024-01", contract=MONTH.contract_id, vintage="2023-02",
    landing=LANDING, counts=COUNTS, objects=(stored("trips"), stored("quarantine")),
    superseded=(), run="run", published_at=LOADED_AT,
)  # fmt: skip
