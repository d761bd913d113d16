"""The programs of the image: settings, secrets, the server's copy of the project."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from deploy.image import project_for_server, with_settings, write_secrets

LOCAL = {"COMPOSE_PROFILES": "local,mage"}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "POSTGRES_PASSWORD").write_text("from a file\n")
    (folder / "MAGE_DATABASE_PASSWORD").write_text("p@ss/word")
    (folder / "gcp-key.json").write_text("{}")
    return folder


def completed(secrets: Path, **given: str) -> dict[str, str]:
    return with_settings.completed({"SECRETS_DIR": str(secrets), **given})


def test_what_is_given_wins_over_the_file_and_empty_is_not_given(secrets):
    assert completed(secrets, POSTGRES_PASSWORD="mine")["POSTGRES_PASSWORD"] == "mine"
    known = completed(secrets, POSTGRES_PASSWORD="", LAKE_URL="")
    assert known["POSTGRES_PASSWORD"] == "from a file"
    assert "LAKE_URL" not in known
    assert "gcp-key.json" not in known


def test_an_empty_folder_is_the_images(secrets):
    known = completed(secrets, MAGE_DATA_DIR="", TLC_WORK_DIR="/elsewhere")
    assert (known["MAGE_DATA_DIR"], known["TLC_WORK_DIR"]) == ("/data/mage", "/elsewhere")


def test_without_the_profile_nothing_local_is_assumed(secrets):
    known = completed(secrets, COMPOSE_PROFILES="mage")
    names = {"POSTGRES_HOST", "STORAGE_EMULATOR_HOST", "BIGQUERY_DATASET"}
    assert not (names | {"MAGE_DATABASE_CONNECTION_URL"}) & known.keys()


def test_the_local_servers_stand_in_for_what_is_not_named(secrets):
    known = completed(secrets, **LOCAL, POSTGRES_PORT="5432")
    assert (known["POSTGRES_HOST"], known["LAKE_URL"]) == ("postgres", "gs://nyc-tlc-lake")
    assert known["BIGQUERY_EMULATOR_HOST"] == "http://bigquery:9050"
    assert known["MAGE_DATABASE_CONNECTION_URL"] == (
        "postgresql+psycopg2://mage:p%40ss%2Fword@postgres:5432/mage"
    )


def test_an_emulator_is_never_mixed_with_a_lake_of_ones_own(secrets):
    known = completed(secrets, **LOCAL, LAKE_URL="gs://mine")
    assert known["LAKE_URL"] == "gs://mine"
    assert not {"STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"} & known.keys()


def test_a_port_of_ones_own_server_is_not_that_of_the_local_one(secrets):
    assert completed(secrets, **LOCAL, POSTGRES_PORT="6432")["POSTGRES_PORT"] == "5432"
    mine = completed(secrets, **LOCAL, POSTGRES_HOST="db", POSTGRES_PORT="6432")
    assert (mine["POSTGRES_HOST"], mine["POSTGRES_PORT"]) == ("db", "6432")


@pytest.mark.parametrize("instance", ["web_server", "scheduler"])
def test_ui_and_scheduler_apart_need_a_database_to_share(instance):
    given = {"INSTANCE_TYPE": instance}
    assert "MAGE_DATABASE_CONNECTION_URL" in (with_settings.shares_no_database(given) or "")
    given["MAGE_DATABASE_CONNECTION_URL"] = "postgresql://…"
    assert with_settings.shares_no_database(given) is None


def test_secrets_are_kept_taken_from_env_or_made(tmp_path):
    (tmp_path / "JWT_SECRET").write_text("kept")
    (tmp_path / "DEFAULT_OWNER_PASSWORD").write_text("old")
    chosen = write_secrets.chosen({"DEFAULT_OWNER_PASSWORD": "from env"}, [tmp_path])
    assert chosen["JWT_SECRET"] == "kept"
    assert chosen["DEFAULT_OWNER_PASSWORD"] == "from env"
    made = [chosen["POSTGRES_PASSWORD"], chosen["READER_PASSWORD"], chosen["SUPERUSER_PASSWORD"]]
    assert len(set(made)) == 3
    assert all(len(value) == 32 for value in made)


def test_no_password_is_made_up_for_a_server_elsewhere(tmp_path):
    assert write_secrets.chosen({"POSTGRES_HOST": "db"}, [tmp_path])["POSTGRES_PASSWORD"] == ""


def test_a_secret_is_written_for_one_user(tmp_path, monkeypatch):
    owners = {}
    monkeypatch.setattr("os.chown", lambda file, user, group: owners.update({user: group}))
    file = tmp_path / "JWT_SECRET"
    for content in (b"one", b"two"):
        write_secrets.write_private(file, content, 10001)
    assert (file.read_bytes(), owners) == (b"two", {10001: 10001})
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    assert list(tmp_path.iterdir()) == [file]


def test_the_servers_project_is_the_images_but_for_the_triggers(tmp_path):
    image, server = tmp_path / "image", tmp_path / "server"
    pipeline = image / "pipelines" / "p"
    pipeline.mkdir(parents=True)
    (image / "metadata.yaml").write_text("project_type: standalone")
    (image / "data_loaders").mkdir()
    (pipeline / "metadata.yaml").write_text("uuid: p")
    (pipeline / "triggers.yaml").write_text("triggers: [{name: a, status: inactive}]")
    project_for_server.refresh(image, server)
    there = server / "pipelines" / "p"
    (there / "metadata.yaml").write_text("rewritten by a run in the UI")
    (there / "triggers.yaml").write_text("triggers: [{name: a, status: active}]")
    (pipeline / "triggers.yaml").write_text("triggers: [{name: a}, {name: b, status: inactive}]")
    project_for_server.refresh(image, server)
    assert (there / "metadata.yaml").read_text() == "uuid: p"
    assert yaml.safe_load((there / "triggers.yaml").read_text())["triggers"] == [
        {"name": "a", "status": "active"},
        {"name": "b", "status": "inactive"},
    ]
    assert (server / "data_loaders").resolve() == image / "data_loaders"
    assert sorted(path.name for path in there.iterdir()) == ["metadata.yaml", "triggers.yaml"]
