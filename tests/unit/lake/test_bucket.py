"""What the bucket of a lake deletes by itself."""

from nyc_tlc.core.lake.bucket import bucket_settings, lifecycle_rules


def test_in_a_shared_bucket_only_what_is_the_lakes_is_deleted() -> None:
    assert lifecycle_rules("lake/") == [
        {"action": {"type": "Delete"}, "condition": condition}
        for condition in (
            {"age": 7, "isLive": True, "matchesPrefix": ["lake/staging/"]},
            {"daysSinceNoncurrentTime": 1, "matchesPrefix": ["lake/staging/"]},
            {"daysSinceNoncurrentTime": 30, "matchesPrefix": ["lake/"]},
        )
    ]
    assert bucket_settings("lake/") == {
        "iamConfiguration": {
            "publicAccessPrevention": "enforced",
            "uniformBucketLevelAccess": {"enabled": True},
        },
        "versioning": {"enabled": True},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        "lifecycle": {"rule": lifecycle_rules("lake/")},
    }
    assert lifecycle_rules("")[-1]["condition"] == {"daysSinceNoncurrentTime": 30}
