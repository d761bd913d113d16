"""How the lake's bucket is to be set up on Google Cloud: what goes by itself, what can come back.

`make gcs-setup` and deploy/terraform/lake.tf say the same; a test compares them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

STAGING = "staging/"
STAGED_FILES = ("trips.parquet", "quarantine.parquet", "conformed.json")
"""What a run stages of a month, in a folder of its own."""
FOLDERS = ("raw", "trips", "quarantine", "manifests", "loads", "reference", "report")
STAGING_DAYS = 7
"""A run deletes what it staged, minutes later: this is the net for runs that died."""
STAGING_NONCURRENT_DAYS = 1
"""A deleted staged object is of no use to anybody, and as large as its month."""
NONCURRENT_DAYS = 30
"""For which an object that somebody replaced or deleted can be brought back."""


def bucket_settings(prefix: str) -> dict[str, Any]:
    """The settings of the JSON API's bucket resource.

    Versions are the way back. Soft deletion as well would bill each staged object for another week.
    In a bucket that the lake shares they are its owner's to decide, as is who may see what.

    Args:
        prefix: The lake's path in the bucket, ending with a slash; empty: the entire bucket.
    """
    if prefix:
        return {"lifecycle": {"rule": lifecycle_rules(prefix)}}
    return {
        "iamConfiguration": {
            "publicAccessPrevention": "enforced",
            "uniformBucketLevelAccess": {"enabled": True},
        },
        "versioning": {"enabled": True},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        "lifecycle": {"rule": lifecycle_rules(prefix)},
    }


def is_outdated(rule: Mapping[str, Any], rules: Iterable[Mapping[str, Any]], prefix: str) -> bool:
    """Whether we set a rule before 2026-11-28: it would delete what others have in the bucket."""
    staging = [f"{prefix}{STAGING}"]
    if rule["condition"].get("matchesPrefix") == staging:
        return True
    older: dict[str, Any] = {"daysSinceNoncurrentTime": NONCURRENT_DAYS}
    if prefix:
        older["matchesPrefix"] = [prefix]
    # It came with those for staging/, and alone may be anybody's.
    by_us = any(other["condition"].get("matchesPrefix") == staging for other in rules)
    return by_us and rule["condition"] == older


def lifecycle_rules(prefix: str) -> list[dict[str, Any]]:
    """What is deleted by the bucket itself: nothing live but what is staged, so never raw/.

    Others may keep objects next to ours, and below ``staging/``.
    """
    of_runs: dict[str, Any] = {
        "matchesPrefix": [f"{prefix}{STAGING}service="],
        "matchesSuffix": [f"/{name}" for name in STAGED_FILES],
    }
    written = [f"{prefix}{folder}/" for folder in FOLDERS]
    conditions: list[dict[str, Any]] = [
        {"age": STAGING_DAYS, "isLive": True, **of_runs},
        {"daysSinceNoncurrentTime": STAGING_NONCURRENT_DAYS, **of_runs},
        {"daysSinceNoncurrentTime": NONCURRENT_DAYS, "matchesPrefix": written},
    ]
    return [{"action": {"type": "Delete"}, "condition": condition} for condition in conditions]
