"""Where data may be loaded from: BigQuery reads buckets of its dataset's own region."""

from __future__ import annotations

from dataclasses import dataclass

from google.api_core import exceptions as api
from google.cloud import storage

from nyc_tlc.adapters.google.retry import BLIP, TIMEOUT, repeated
from nyc_tlc.adapters.lake.gcs_errors import GcsErrors
from nyc_tlc.core.errors import ConfigurationError

_ANYWHERE = "US"
"""A dataset of this multi-region loads from buckets everywhere (BigQuery's documentation on batch
loading, "Location considerations", November 2026)."""


@dataclass(frozen=True)
class BucketRegion:
    """Where a bucket is, in capitals: ``US``, ``EUROPE-WEST4``, ``NAM4``.

    Attributes:
        is_dual: It lies in two regions at once, whose names the location does not tell.
    """

    location: str
    is_dual: bool

    def may_feed(self, dataset: str) -> bool:
        """Whether a dataset there can be loaded from the bucket, as far as we can tell."""
        dataset = dataset.upper()
        in_europe = dataset == "EU" and self.location.startswith("EUR")
        return dataset in {_ANYWHERE, self.location} or in_europe or self.is_dual


def bucket_region(client: storage.Client, bucket: str) -> BucketRegion | None:
    """Where a bucket is; None when we may not ask (storage.buckets.get)."""
    with GcsErrors(f"gs://{bucket}", bucket).of("", "storage.buckets.get"):
        try:
            found = client.get_bucket(bucket, timeout=TIMEOUT, retry=repeated(BLIP))
        except api.Forbidden:
            return None
    return BucketRegion(str(found.location).upper(), found.location_type == "dual-region")


def require_near(region: BucketRegion | None, bucket: str, dataset: str, location: str) -> None:
    """Let nothing begin that BigQuery would refuse for its place.

    Raises:
        ConfigurationError: the dataset cannot be loaded from the bucket; says where both are.
    """
    if region is None or region.may_feed(location):
        return
    raise ConfigurationError(
        f"the bucket gs://{bucket} is in {region.location}, the BigQuery dataset {dataset} in "
        f"{location}: a dataset is loaded from a bucket of its own region. Nothing was loaded. "
        f"Name another dataset in BIGQUERY_DATASET with BIGQUERY_LOCATION={region.location}, or a "
        f"bucket in {location} in LAKE_URL."
    )
