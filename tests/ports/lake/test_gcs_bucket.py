"""`make gcs-setup`: what it finds, says and changes in the settings of the lake's bucket."""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest

from nyc_tlc.adapters.lake import gcs_bucket
from nyc_tlc.adapters.lake.gcs_bucket import GcsBucket
from nyc_tlc.core.errors import ConfigurationError, RetryableError
from nyc_tlc.core.lake.bucket import lifecycle_rules
from nyc_tlc.jobs.bucket import set_up_bucket
from nyc_tlc.settings import Settings
from tests.ports.lake import gcs_wire
from tests.ports.scripted_http import Answer, Request

THEIRS = {
    "action": {"type": "SetStorageClass", "storageClass": "NEARLINE"},
    "condition": {"age": 9},
}
UNHEARD_OF = {"action": {"type": "Sublimate"}, "condition": {"age": 1}}


@dataclass
class Bucket:
    """The resource of one bucket, and what it answers first."""

    settings: dict[str, Any] = field(
        default_factory=lambda: {
            "name": "lake",
            "location": "EU",
            "metageneration": "7",
            "iamConfiguration": {
                "uniformBucketLevelAccess": {"enabled": True, "lockedTime": "2027-01-01"},
                "publicAccessPrevention": "inherited",
            },
            "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": "2026"},
        }
    )
    refusals: list[Answer] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        assert request.path == "/storage/v1/b/lake"
        if self.refusals:
            return self.refusals.pop(0)
        if request.method == "PATCH":
            if request.query["ifMetagenerationMatch"] != self.settings["metageneration"]:
                return gcs_wire.error(412, "Precondition Failed")
            self.settings.update(json.loads(request.body))
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(self.settings).encode())


@pytest.fixture
def wire() -> Bucket:
    return Bucket()


@pytest.fixture
def lake(server) -> GcsBucket:
    return gcs_bucket.connect("gs://lake/top", emulator=server.url, key_file=None)


def _set_up(lake_url: str, emulator: str | None = None, *, apply: bool) -> str:
    postgres = dict.fromkeys(("host", "dbname", "user", "password"), "x")
    settings = Settings(
        **{f"postgres_{name}": value for name, value in postgres.items()},
        lake_url=lake_url,
        storage_emulator_host=emulator,
    )
    return set_up_bucket(settings, apply=apply)


def test_dry_run_says_what_differs_and_changes_nothing(server, wire):
    before = deepcopy(wire.settings)
    said = _set_up("gs://lake", server.url, apply=False)
    assert said.startswith("gs://lake (EU)\n")
    assert 'versioning:\n  is     null\n  should {"enabled": true}' in said
    assert "`make gcs-setup APPLY=true`" in said
    assert [request.method for request in server.requests] == ["GET"]
    assert wire.settings == before


def test_what_is_applied_is_right_the_next_time(server, wire):
    assert _set_up("gs://lake", server.url, apply=True).endswith("It was changed.")
    assert wire.settings["lifecycle"]["rule"] == lifecycle_rules("")
    assert wire.settings["versioning"] == {"enabled": True}
    assert wire.settings["softDeletePolicy"] == {"retentionDurationSeconds": "0"}
    again = _set_up("gs://lake", server.url, apply=True)
    assert again == "gs://lake (EU) is set up as it should be. Nothing was changed."
    assert [request.method for request in server.requests] == ["GET", "PATCH", "GET"]


def test_rules_of_others_are_kept_and_an_older_one_of_ours_is_replaced(lake, wire):
    ours = deepcopy(lifecycle_rules("top/"))
    ours[0]["condition"]["age"] = 3
    # What was set up before 2026-11-28 would delete what others have below staging/.
    older = [
        {"action": {"type": "Delete"}, "condition": condition}
        for condition in (
            {"age": 7, "isLive": True, "matchesPrefix": ["top/staging/"]},
            {"daysSinceNoncurrentTime": 1, "matchesPrefix": ["top/staging/"]},
            {"daysSinceNoncurrentTime": 30, "matchesPrefix": ["top/"]},
        )
    ]
    wire.settings["lifecycle"] = {"rule": [THEIRS, *older, *ours, UNHEARD_OF]}
    found = lake.settings()
    lake.change(found, lake.wanted(found))
    rules = wire.settings["lifecycle"]["rule"]
    assert [rule for rule in rules if rule in (THEIRS, UNHEARD_OF)] == [THEIRS, UNHEARD_OF]
    assert sorted(map(str, rules)) == sorted(
        map(str, [THEIRS, UNHEARD_OF, *lifecycle_rules("top/")])
    )


def test_bucket_that_somebody_else_changes_is_left_to_them(lake, wire):
    found = lake.settings()
    wire.settings["metageneration"] = "8"
    before = deepcopy(wire.settings)
    with pytest.raises(RetryableError, match="changed by somebody else"):
        lake.change(found, lake.wanted(found))
    assert wire.settings == before


@pytest.mark.parametrize("permission", ["get", "update"])
def test_refusal_names_the_permission_and_the_role(lake, wire, permission):
    found = lake.settings()
    who = "robot@p.iam.gserviceaccount.com"
    message = f"{who} does not have storage.buckets.{permission} access to the bucket."
    wire.refusals.append(gcs_wire.error(403, message, "forbidden"))
    with pytest.raises(ConfigurationError) as failure:
        lake.settings() if permission == "get" else lake.change(found, lake.wanted(found))
    said = str(failure.value)
    assert f"permission storage.buckets.{permission}, which roles/storage.admin" in said
    assert f"--member=serviceAccount:{who} --role=roles/storage.admin" in said


def test_bucket_that_does_not_exist_is_named(lake, wire):
    wire.refusals.append(gcs_wire.no_bucket())
    with pytest.raises(ConfigurationError, match="gcloud storage buckets create gs://lake"):
        lake.settings()


@pytest.mark.parametrize("url", ["s3://lake", "az://lake", "./lake"])
def test_lake_elsewhere_is_not_set_up_from_here(url):
    with pytest.raises(ConfigurationError, match=r"expected gs://bucket.*docs/lake\.md"):
        _set_up(url, apply=True)


def test_emulator_takes_the_settings(gcs):
    url = f"gs://{gcs.bucket}"
    assert _set_up(url, gcs.url, apply=True).endswith("It was changed.")
    assert "as it should be" in _set_up(url, gcs.url, apply=False)
    with pytest.raises(ConfigurationError, match="bucket absent does not exist"):
        _set_up("gs://absent", gcs.url, apply=True)
