"""What the bucket of a lake deletes by itself."""

import pytest

from nyc_tlc.core.lake.bucket import bucket_settings, is_outdated, lifecycle_rules

OF_RUNS = {
    "matchesPrefix": ["lake/staging/service="],
    "matchesSuffix": ["/trips.parquet", "/quarantine.parquet", "/conformed.json"],
}


def test_in_a_shared_bucket_only_what_is_the_lakes_is_deleted():
    assert lifecycle_rules("lake/") == [
        {"action": {"type": "Delete"}, "condition": condition}
        for condition in (
            {"age": 7, "isLive": True, **OF_RUNS},
            {"daysSinceNoncurrentTime": 1, **OF_RUNS},
            {
                "daysSinceNoncurrentTime": 30,
                "matchesPrefix": [
                    "lake/raw/",
                    "lake/trips/",
                    "lake/quarantine/",
                    "lake/manifests/",
                    "lake/loads/",
                    "lake/reference/",
                    "lake/report/",
                ],
            },
        )
    ]
    assert bucket_settings("lake/") == {"lifecycle": {"rule": lifecycle_rules("lake/")}}


def test_a_bucket_of_our_own_is_closed_and_keeps_versions():
    assert bucket_settings("") == {
        "iamConfiguration": {
            "publicAccessPrevention": "enforced",
            "uniformBucketLevelAccess": {"enabled": True},
        },
        "versioning": {"enabled": True},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        "lifecycle": {"rule": lifecycle_rules("")},
    }
    assert not any("" in rule["condition"]["matchesPrefix"] for rule in lifecycle_rules(""))


@pytest.mark.parametrize("prefix", ["", "lake/"])
def test_only_rules_that_we_set_before_are_outdated(prefix):
    everything = {"daysSinceNoncurrentTime": 30, **({"matchesPrefix": [prefix]} if prefix else {})}
    conditions = [
        {"age": 7, "matchesPrefix": [f"{prefix}staging/"]}, everything, {"age": 7},
        {**everything, "daysSinceNoncurrentTime": 31}, {"matchesPrefix": ["other/staging/"]},
    ]  # fmt: skip
    rules = [*lifecycle_rules(prefix), *({"condition": condition} for condition in conditions)]
    assert [rule for rule in rules if is_outdated(rule, rules, prefix)] == rules[3:5]
    without = [*rules[:3], *rules[4:]]
    assert not any(is_outdated(rule, without, prefix) for rule in without)
