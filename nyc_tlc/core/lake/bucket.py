"""How the lake's bucket is to be set up on Google Cloud: what goes by itself, what can come back.

`make gcs-setup` and deploy/terraform/lake.tf say the same; a test compares them.
"""

from typing import Any

STAGING = "staging/"
STAGING_DAYS = 7
"""A run deletes what it staged, minutes later: this is the net for runs that died."""
STAGING_NONCURRENT_DAYS = 1
"""A deleted staged object is of no use to anybody, and as large as its month."""
NONCURRENT_DAYS = 30
"""For which an object that somebody replaced or deleted can be brought back."""


def bucket_settings(prefix: str) -> dict[str, Any]:
    """The settings of the JSON API's bucket resource.

    Versions are the way back. Soft deletion as well would bill each staged object for another week.

    Args:
        prefix: The lake's path in the bucket, ending with a slash; empty: the entire bucket.
    """
    return {
        "iamConfiguration": {
            "publicAccessPrevention": "enforced",
            "uniformBucketLevelAccess": {"enabled": True},
        },
        "versioning": {"enabled": True},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        "lifecycle": {"rule": lifecycle_rules(prefix)},
    }


def lifecycle_rules(prefix: str) -> list[dict[str, Any]]:
    """What is deleted by the bucket itself: nothing live but what is staged, so never raw/."""
    staging = [f"{prefix}{STAGING}"]
    noncurrent: dict[str, Any] = {"daysSinceNoncurrentTime": NONCURRENT_DAYS}
    if prefix:  # others may keep older versions next to the lake
        noncurrent["matchesPrefix"] = [prefix]
    conditions: list[dict[str, Any]] = [
        {"age": STAGING_DAYS, "isLive": True, "matchesPrefix": staging},
        {"daysSinceNoncurrentTime": STAGING_NONCURRENT_DAYS, "matchesPrefix": staging},
        noncurrent,
    ]
    return [{"action": {"type": "Delete"}, "condition": condition} for condition in conditions]
