"""What an hour in Mage's pages changes, through its API: it stays, and git sees none of it."""

import subprocess

import pytest
import yaml

pytestmark = pytest.mark.integration


@pytest.fixture
def server(scheduled):
    """The running Mage; after the test its project is as shipped."""
    project = scheduled.server.project
    yield scheduled.server
    assert git(project, "status", "--porcelain") == ""
    (project / "pipelines/tlc_zones/metadata.local.yaml").unlink(missing_ok=True)
    (project / "pipelines/lake_audit/triggers.local.yaml").unlink(missing_ok=True)


def git(project, *words):
    said = subprocess.run(["git", *words], cwd=project, capture_output=True, text=True, check=True)
    return said.stdout


def test_a_variable_of_a_shipped_pipeline_is_edited(server):
    server.post("pipelines/tlc_zones/variables", {"variable": {"name": "mine", "value": "2024-01"}})
    listed = server.get("pipelines/tlc_zones/variables")["variables"][-1]["variables"]
    assert {"uuid": "mine", "type": "<class 'str'>", "value": "2024-01"} in listed
    file = server.project / "pipelines/tlc_zones/metadata.local.yaml"
    assert yaml.safe_load(file.read_text()) == {"variables": {"mine": "2024-01"}}


@pytest.mark.parametrize(
    ("name", "kind", "language", "template"),
    [
        ("count_zones", "transformer", "python", "transformers/default.jinja"),
        ("my folder/my zones", "data_exporter", "python", "data_exporters/postgres.py"),
        ("ask zones", "data_loader", "sql", None),
    ],
)
def test_a_block_of_ones_own_is_put_into_a_shipped_pipeline(server, name, kind, language, template):
    config = {"config": {"template_path": template}} if template else {}
    block = {"name": name, "type": kind, "language": language, "upstream_blocks": ["land_zones"]}
    made = server.post("pipelines/tlc_zones/blocks", {"block": {**block, **config}})["block"][
        "uuid"
    ]
    blocks = server.get("pipelines/tlc_zones")["pipeline"]["blocks"]
    (mine,) = [block for block in blocks if block["uuid"] == made]
    assert mine["upstream_blocks"] == ["land_zones"]
    assert any(server.project.glob(f"{kind}s/**/{made.rpartition('/')[2]}.*"))


def test_a_pipeline_of_ones_own_has_all_in_its_file_but_no_path_of_this_machine(server):
    mine = server.post("pipelines", {"pipeline": {"name": "mine", "type": "python"}})["pipeline"]
    block = {"name": "first", "type": "data_loader", "language": "python"}
    server.post(f"pipelines/{mine['uuid']}/blocks", {"block": block})
    written = (server.project / "pipelines/mine/metadata.yaml").read_text()
    assert [block["uuid"] for block in yaml.safe_load(written)["blocks"]] == ["first"]
    assert str(server.project.parent) not in written


def test_a_shipped_pipeline_is_duplicated_into_one_of_ones_own(server):
    clone = {"pipeline": {"clone_pipeline_uuid": "tlc_zones", "name": "my_zones"}}
    server.post("pipelines", clone)
    written = yaml.safe_load((server.project / "pipelines/my_zones/metadata.yaml").read_text())
    assert "land_zones" in {block["uuid"] for block in written["blocks"]}


def test_a_shipped_trigger_is_switched_on_and_its_token_is_in_no_file(server):
    trigger = server.trigger("lake_audit", "weekly_audit")
    where = f"pipeline_schedules/{trigger['id']}"
    for change in ({"status": "active"}, {"rotate_token": True}):
        body = {"pipeline_schedule": {"id": trigger["id"], **change}}
        changed = server.put(where, body)["pipeline_schedule"]
    kept = (server.project / "pipelines/lake_audit/triggers.local.yaml").read_text()
    assert yaml.safe_load(kept)["triggers"]["weekly_audit"]["status"] == "active"
    assert changed["token"] not in kept
    server.put(where, {"pipeline_schedule": {"id": trigger["id"], "status": "inactive"}})


def test_the_settings_of_the_project_are_changed(server):
    (project,) = server.get("projects")["projects"]
    for wanted in (True, False):
        body = {"project": {"features": {"operation_history": wanted}}}
        server.put(f"projects/{project['name']}", body)
        (after,) = server.get("projects")["projects"]
        assert after["features"] == project["features"] | {"operation_history": wanted}
