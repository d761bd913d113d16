"""The programs of the image: settings, secrets, the server's copy of the project."""

import stat

import pytest
import yaml

from deploy.image import project_for_server, with_settings, write_secrets

LOCAL = {"COMPOSE_PROFILES": "local,mage"}
COMPLETED = {
    "what is given wins over the file": (
        {"POSTGRES_PASSWORD": "mine"}, {"POSTGRES_PASSWORD": "mine"},
    ),
    "what is empty is not given": (
        {"POSTGRES_PASSWORD": "", "LAKE_URL": ""},
        {"POSTGRES_PASSWORD": "from a file", "LAKE_URL": None, "gcp-key.json": None},
    ),
    "an empty folder is the image's": (
        {"MAGE_DATA_DIR": "", "TLC_WORK_DIR": "/elsewhere"},
        {"MAGE_DATA_DIR": "/data/mage", "TLC_WORK_DIR": "/elsewhere"},
    ),
    "without the profile nothing local is assumed": (
        {"COMPOSE_PROFILES": "mage"},
        dict.fromkeys(["POSTGRES_HOST", "STORAGE_EMULATOR_HOST", "BIGQUERY_DATASET",
                       "MAGE_DATABASE_CONNECTION_URL"]),
    ),
    "the local servers stand in for what is not named": (
        LOCAL | {"POSTGRES_PORT": "6432"},
        {
            "POSTGRES_HOST": "postgres", "POSTGRES_PORT": "5432", "LAKE_URL": "gs://nyc-tlc-lake",
            "BIGQUERY_EMULATOR_HOST": "http://bigquery:9050",
            "MAGE_DATABASE_CONNECTION_URL":
                "postgresql+psycopg2://mage:p%40ss%2Fword@postgres:5432/mage",
        },
    ),
    "an emulator is never mixed with one's own lake": (
        LOCAL | {"LAKE_URL": "gs://mine"},
        {"LAKE_URL": "gs://mine", "STORAGE_EMULATOR_HOST": None, "BIGQUERY_EMULATOR_HOST": None},
    ),
    "one's own server has its own port": (
        LOCAL | {"POSTGRES_HOST": "db", "POSTGRES_PORT": "6432"},
        {"POSTGRES_HOST": "db", "POSTGRES_PORT": "6432"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "known"), COMPLETED.values(), ids=COMPLETED)
def test_settings_are_completed(given, known, tmp_path):
    (tmp_path / "POSTGRES_PASSWORD").write_text("from a file\n")
    (tmp_path / "MAGE_DATABASE_PASSWORD").write_text("p@ss/word")
    (tmp_path / "gcp-key.json").write_text("{}")
    completed = with_settings.completed({"SECRETS_DIR": str(tmp_path), **given})
    assert {name: completed.get(name) for name in known} == known


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
    assert (chosen["JWT_SECRET"], chosen["DEFAULT_OWNER_PASSWORD"]) == ("kept", "from env")
    made = {chosen[f"{role}_PASSWORD"] for role in ("POSTGRES", "READER", "SUPERUSER")}
    assert [len(value) for value in made] == [32] * 3
    # None is made up for a server elsewhere.
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
    pipeline, there = image / "pipelines" / "p", server / "pipelines" / "p"
    for folder in (pipeline, image / "data_loaders"):
        folder.mkdir(parents=True)
    (image / "metadata.yaml").write_text("project_type: standalone")
    (pipeline / "metadata.yaml").write_text("uuid: p")
    (pipeline / "triggers.yaml").write_text("triggers: [{name: a, status: inactive}]")
    project_for_server.refresh(image, server)
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
