"""docs/lake.md says what the code does."""

import re
from pathlib import Path

from nyc_tlc.adapters.google import retry as gcs_retry
from nyc_tlc.adapters.lake import gcs, object_store
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import YELLOW
from nyc_tlc.core.lake import bucket as bucket_settings
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.month import Month

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "lake.md").read_text("utf-8").split())


def test_days_are_those_of_the_bucket():
    assert f"are deleted after {bucket_settings.STAGING_DAYS} days" in PAGE
    assert f"older ones for {bucket_settings.NONCURRENT_DAYS} days" in PAGE
    assert bucket_settings.STAGING_NONCURRENT_DAYS == 1
    assert "deleted staged objects go after a day" in PAGE


def test_sizes_and_times_are_those_of_the_uploads():
    assert gcs._UPLOAD_CHUNK == object_store._CHUNK == 8 << 20
    assert "requests of 8 MiB" in PAGE
    assert gcs_retry.UPLOAD_TIMEOUT == object_store._CLIENT["timeout"].total_seconds() == 300
    assert "A request has five minutes" in PAGE
    assert gcs_retry.UPLOAD_OUTAGE == object_store._OUTAGE.total_seconds() == 900
    assert "up to fifteen minutes" in PAGE


def test_paths_are_those_of_the_lake():
    partition = Partition(YELLOW, Month(2024, 1))
    paths = (lake_paths.trips, lake_paths.quarantine, lake_paths.manifest, lake_paths.landing)
    for path in paths:
        assert path(partition) in PAGE


def test_every_permission_that_an_error_names_is_listed():
    for name in ("gcs.py", "gcs_bucket.py"):
        source = (ROOT / "nyc_tlc" / "adapters" / "lake" / name).read_text()
        for permission in re.findall(r'"(storage\.[a-z]+\.[a-z]+)"', source):
            kind, verb = permission.rsplit(".", 1)
            assert permission in PAGE or (kind in PAGE and f"`.{verb}`" in PAGE)
