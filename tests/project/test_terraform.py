"""The Terraform files are sound, and say what the code and the documents say."""

import os
import re
import shutil
import subprocess
from datetime import timedelta

import hcl2
import pytest
from hcl2 import SerializationOptions

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.bucket import STAGED_FILES, STAGING_DAYS, bucket_settings, lifecycle_rules
from nyc_tlc.core.month import Month
from nyc_tlc.steps.staging import ABANDONED_AFTER
from tests.repository import DEV_ENV, ROOT

INFRA = ROOT / "deploy" / "terraform"
README = (INFRA / "README.md").read_text()
TEXT = "\n".join(path.read_text() for path in sorted(INFRA.glob("*.tf")))
TABLE_ROW = re.compile(r"^\| `([\w./]+)` \| (.+?) \| (.+?) \|$", re.M)


BLOCKS = [
    hcl2.loads(
        path.read_text(),
        serialization_options=SerializationOptions(strip_string_quotes=True, explicit_blocks=False),
    )
    for path in sorted(INFRA.glob("*.tf"))
]


def declared(kind):
    """Name and body of each block of a kind; of a resource, its type too."""
    return [item for file in BLOCKS for block in file.get(kind, []) for item in block.items()]


RESOURCES = {
    f"{kind}.{name}": body for kind, named in declared("resource") for name, body in named.items()
}
VARIABLES = dict(declared("variable"))


def test_files_are_formatted_and_valid(tmp_path):
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed here")
    # On a copy: it writes next to the files.
    copied = shutil.copytree(INFRA, tmp_path / "t", ignore=shutil.ignore_patterns(".terraform*"))

    def terraform(*words):
        return subprocess.run(
            ["terraform", *words], cwd=copied, check=False, capture_output=True,
            text=True, env={**os.environ, "TF_IN_AUTOMATION": "1"},
        )  # fmt: skip

    found = terraform("fmt", "-check", "-diff")
    assert found.returncode == 0, found.stdout + found.stderr
    begun = terraform("init", "-backend=false", "-input=false")
    if "could not connect to registry.terraform.io" in " ".join(begun.stderr.split()):
        pytest.skip("the registry that has Google's provider cannot be reached from here")
    assert begun.returncode == 0, begun.stderr
    found = terraform("validate")
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_reference_is_to_something_declared_and_the_provider_is_pinned():
    code = re.sub(r"#.*", "", TEXT)
    named = set(re.findall(r"(?<![\w/.])(google_\w+\.\w+)", code))
    assert named <= set(RESOURCES)
    assert set(re.findall(r"\bvar\.(\w+)", code)) == set(VARIABLES)

    (versions,) = re.findall(r"required_providers \{(.+?)\n  \}", TEXT, re.S)
    (version,) = re.findall(r'version = "(.+)"', versions)
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_bucket_is_set_up_as_by_make_gcs_setup():
    bucket = RESOURCES["google_storage_bucket.lake"]
    days = {f"var.{name}": body.get("default") for name, body in VARIABLES.items()}
    conditions = [rule["condition"][0] for rule in bucket["lifecycle_rule"]]
    assert all(rule["action"][0]["type"] == "Delete" for rule in bucket["lifecycle_rule"])
    rules = [
        {API[name]: condition_value(name, value, days) for name, value in condition.items()
         if name in API}
        for condition in conditions
    ]  # fmt: skip
    settings = bucket_settings("")
    assert rules == [rule["condition"] for rule in settings["lifecycle"]["rule"]]
    seconds = bucket["soft_delete_policy"][0]["retention_duration_seconds"]
    assert str(seconds) == settings["softDeletePolicy"]["retentionDurationSeconds"]
    assert bucket["versioning"][0]["enabled"] is settings["versioning"]["enabled"]
    access = settings["iamConfiguration"]
    assert bucket["public_access_prevention"] == access["publicAccessPrevention"]
    assert access["publicAccessPrevention"] == "enforced"
    assert bucket["uniform_bucket_level_access"] is access["uniformBucketLevelAccess"]["enabled"]


API = {
    "age": "age",
    "with_state": "isLive",
    "matches_prefix": "matchesPrefix",
    "matches_suffix": "matchesSuffix",
    "days_since_noncurrent_time": "daysSinceNoncurrentTime",
}


def condition_value(name, value, days):
    if name == "with_state":
        return value == "LIVE"
    return days.get(re.sub(r"[${}]", "", value), value) if isinstance(value, str) else value


def test_only_what_is_staged_is_deleted_while_it_is_live():
    staged = lake_paths.staging(Partition(GREEN, Month(2024, 1)))
    for rule in lifecycle_rules(""):
        condition = rule["condition"]
        if "daysSinceNoncurrentTime" not in condition:
            assert [staged.startswith(prefix) for prefix in condition["matchesPrefix"]] == [True]
            assert condition["matchesSuffix"] == [f"/{name}" for name in STAGED_FILES]
    assert timedelta(days=STAGING_DAYS) > ABANDONED_AFTER


def test_nothing_is_public_and_nothing_is_destroyed_with_its_data():
    bucket = RESOURCES["google_storage_bucket.lake"]
    dataset = RESOURCES["google_bigquery_dataset.tlc"]
    assert bucket["location"] == dataset["location"] == "${var.location}"
    assert bucket["force_destroy"] is dataset["delete_contents_on_destroy"] is False
    assert not re.search("google_service_account_key|allUsers", TEXT)


def test_account_has_the_documented_roles_and_no_other():
    granted = {
        body["role"]
        for name, body in RESOURCES.items()
        if "_iam_member." in name and body["member"] == "${google_service_account.pipeline.member}"
    }
    assert granted == {role for role, *_ in TABLE_ROW.findall(README) if role.startswith("roles/")}
    assert not [role for role in granted if role.endswith(("admin", "Admin", "owner", "editor"))]


def test_readme_has_every_variable_as_declared():
    written = {name: (default, text) for name, default, text in TABLE_ROW.findall(README)}
    for name, body in VARIABLES.items():
        default, text = written[name]
        value = body.get("default", "required")
        assert default.strip("`") == {"None": "none"}.get(str(value), str(value)), name
        assert text == body["description"]


def test_lines_for_the_environment_are_settings_of_ours():
    given = re.findall(r"^\s+([A-Z_]+)=", dict(declared("output"))["env"]["value"], re.M)
    assert given == ["LAKE_URL", "BIGQUERY_PROJECT", "BIGQUERY_DATASET", "BIGQUERY_LOCATION"]
    assert set(given) <= DEV_ENV.keys()
