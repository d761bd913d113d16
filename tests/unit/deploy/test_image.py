"""The programs of the image: settings, secrets, the server's copy of the project."""

import json
import os
import stat
import subprocess
from functools import partial
from types import SimpleNamespace

import pytest
import yaml

from deploy.image import project_for_server, with_settings, write_secrets
from mage_server.local_edits import shipped_pipelines

COMPOSE = ["docker", "compose", "version"]
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
    "quotes that docker run --env-file keeps are taken off": (
        {"POSTGRES_USER": "'my user'", "LAKE_URL": '"gs://b"', "POSTGRES_DBNAME": "o'neil'"},
        {"POSTGRES_USER": "my user", "LAKE_URL": "gs://b", "POSTGRES_DBNAME": "o'neil'"},
    ),
    "one container is UI and scheduler": (LOCAL, {"INSTANCE_TYPE": None}),
    "the UI alone, where the scheduler is apart": (
        {"COMPOSE_PROFILES": "local,ui, scheduler"}, {"INSTANCE_TYPE": "web_server"},
    ),
    "never two schedulers": (
        {"COMPOSE_PROFILES": "mage,scheduler"}, {"INSTANCE_TYPE": "web_server"},
    ),
    "the scheduler apart": (
        {"COMPOSE_PROFILES": "ui,scheduler", "COMPOSE_SERVICE": "scheduler"},
        {"INSTANCE_TYPE": "scheduler"},
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


@pytest.mark.parametrize(
    ("profiles", "is_idle"), [("mage", True), ("ui", True), ("ui,scheduler", False)]
)
def test_the_scheduler_waits_while_the_other_container_schedules(profiles, is_idle):
    given = {"COMPOSE_SERVICE": "scheduler", "COMPOSE_PROFILES": profiles}
    assert with_settings.is_idle(given) is is_idle
    assert not with_settings.is_idle({"COMPOSE_PROFILES": profiles})


def test_mage_waits_for_room_and_says_so_once(tmp_path, monkeypatch, capsys):
    free = iter([0, 0, 10**6, 10**9])
    usage = lambda _: SimpleNamespace(free=next(free))  # noqa: E731
    monkeypatch.setattr(with_settings.shutil, "disk_usage", usage)
    monkeypatch.setattr(with_settings, "_SECONDS_BETWEEN_LOOKS", 0)
    with_settings.await_room({"MAGE_DATA_DIR": str(tmp_path / "not" / "yet"), "CHECKOUT": "/app"})
    assert next(free, None) is None
    assert capsys.readouterr().err.count(f"{tmp_path}: No space left on device. It is on") == 1


def test_a_full_or_closed_volume_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MAGE_DATA_DIR", str(tmp_path / "file" / "mage"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TLC_WORK_DIR", str(tmp_path))
    assert with_settings.main(["true"]) == 2
    said = capsys.readouterr().err
    assert "It is on the volume mage-data: make room on its disk" in said
    assert "Not a directory" in said


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
    # What nobody can make up is only handed on.
    assert chosen["TLC_SMTP_PASSWORD"] == ""
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
    write_secrets.write_private(file, b"", 10001)
    assert not file.exists()


WRITTEN = {
    "plain": ("a=b:c", "a=b:c"),
    "empty": ("", None),
    "in single quotes": ("' a $b #c \\d \"e\" ' # a comment", ' a $b #c \\d "e" '),
    "in double quotes": (r'''"% ' \" \\ # \$ {"''', "% ' \" \\ # $ {"),
    "a comment after it": ("word # a comment", "word"),
    "a quote within": ("o'neil\"s", "o'neil\"s"),
    "a dollar that Compose may replace": ("a$b", None),
    "the same in double quotes": ('"a$b"', None),
    "an escape that Compose does not know": (r'"a\tb"', None),
    "a hash that is a comment for some": ("a#b", None),
    "a quote that some do not close": ("'a\\'", None),
}


@pytest.mark.parametrize(("written", "value"), WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_secrets_are_read_as_compose_reads_them_or_refused(written, value, end):
    lines = ["# a comment", "JWT_SECRET=before", f"POSTGRES_PASSWORD={written}", "LAKE_URL=gs://x"]
    given = write_secrets.given_secrets(end.join([*lines, ""]))
    assert given == {"JWT_SECRET": "before"} | ({"POSTGRES_PASSWORD": value} if value else {})
    problems = list(write_secrets.unreadable(given, ["POSTGRES_PASSWORD"]))
    assert len(problems) == (0 if value else 1)
    assert not any(written in problem for problem in problems if written)


@pytest.mark.parametrize(("written", "value"), WRITTEN.values(), ids=WRITTEN)
def test_compose_reads_the_same(written, value, tmp_path, monkeypatch):
    if not value or subprocess.run(COMPOSE, capture_output=True, check=False).returncode:
        pytest.skip("unclear, or docker compose is not installed here")
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)  # Compose prefers it to the file
    (tmp_path / ".env").write_text(f"POSTGRES_PASSWORD={written}\n")
    (tmp_path / "compose.yml").write_text(
        "services: {a: {image: b, environment: {C: '${POSTGRES_PASSWORD}'}}}"
    )
    words = ["docker", "compose", "config", "--format", "json"]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    # Its output has each $ twice, so that it can be read again.
    assert json.loads(said)["services"]["a"]["environment"]["C"].replace("$$", "$") == value


REFUSED = {
    "a superuser's name": (LOCAL | {"POSTGRES_USER": "postgres"}, "the superuser of this server"),
    "a reserved name": (LOCAL | {"POSTGRES_USER": "pg_me"}, "reserved by PostgreSQL"),
    "a name in use": (LOCAL | {"POSTGRES_DBNAME": "mage"}, "Mage's own"),
    "a name too long": (LOCAL | {"POSTGRES_USER": "é" * 32}, "64 bytes, and PostgreSQL takes 63"),
    "a misspelt profile": ({"COMPOSE_PROFILES": "local,mgae"}, "did you mean mage?"),
    "another profile": ({"COMPOSE_PROFILES": "workers"}, "expected some of local, mage"),
    "a server elsewhere": (LOCAL | {"POSTGRES_USER": "postgres", "POSTGRES_HOST": "db"}, None),
    "any other name": (LOCAL | {"POSTGRES_USER": "root", "POSTGRES_DBNAME": "ny_taxi"}, None),
}


@pytest.mark.parametrize(("settings", "reason"), REFUSED.values(), ids=REFUSED)
def test_settings_that_cannot_work_are_refused(settings, reason):
    problems = list(write_secrets.refused(settings))
    assert [reason in problem for problem in problems] == ([True] if reason else [])


@pytest.mark.parametrize(
    ("user", "owner", "done"),
    [
        (0, 1000, [("chown", "data"), ("groups", []), ("gid", 1001), ("uid", 1000)]),
        (0, 0, []),  # Docker Desktop
        (10001, 1000, []),  # not in development
    ],
)
def test_in_development_mage_is_who_owns_the_checkout(user, owner, done, tmp_path, monkeypatch):
    said = []
    seen = SimpleNamespace(stat=lambda: SimpleNamespace(st_uid=owner, st_gid=owner and owner + 1))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "chown", lambda path, *_: said.append(("chown", path.name)))
    for name in ("groups", "gid", "uid"):
        to_hear = partial(lambda name, value: said.append((name, value)), name)
        monkeypatch.setattr(os, f"set{name}", to_hear)
    with_settings.become_owner(seen, [tmp_path / "data"])
    assert said == done


def test_in_development_the_secrets_are_for_who_owns_the_checkout(tmp_path, monkeypatch):
    owners = set()
    for name in ("mage", "postgres"):
        (tmp_path / "secrets" / name).mkdir(parents=True)
    (tmp_path / "env").touch()
    (tmp_path / "key").write_text("{}")
    (tmp_path / "checkout").mkdir()
    monkeypatch.setenv("GIVEN_SECRETS", "")
    monkeypatch.setenv("COMPOSE_PROFILES", "local,mage")
    monkeypatch.setattr(write_secrets, "_ENV_FILE", tmp_path / "env")
    monkeypatch.setattr(write_secrets, "_KEY_FILE", tmp_path / "key")
    monkeypatch.setattr(write_secrets, "_SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(os, "chown", lambda path, user, _: owners.add((path.parent.name, user)))
    for checkout, user in (("absent", 10001), ("checkout", tmp_path.stat().st_uid)):
        monkeypatch.setattr(write_secrets, "_CHECKOUT", tmp_path / checkout)
        owners.clear()
        assert write_secrets.main() == 0
        assert owners == {("mage", user), ("postgres", 999)}


def test_the_servers_project_is_the_images_but_for_the_triggers(tmp_path):
    image, server = tmp_path / "image", tmp_path / "server"
    pipeline, there = image / "pipelines" / "p", server / "pipelines" / "p"
    for folder in (pipeline, image / "data_loaders"):
        folder.mkdir(parents=True)
    (image / "metadata.yaml").write_text("project_type: standalone")
    (image / ".gitignore").write_text("!/pipelines/p/")
    (image / "data_loaders" / "a.py").touch()
    (pipeline / "metadata.yaml").write_text("uuid: p")
    (pipeline / "triggers.yaml").write_text("triggers: [{name: a, status: inactive}]")
    server.mkdir()
    (server / "data_loaders").symlink_to(image / "data_loaders")  # as earlier images did
    project_for_server.refresh(image, server)
    (there / "metadata.yaml").write_text("rewritten by a run in the UI")
    (there / "triggers.yaml").write_text("triggers: [{name: a, status: active}]")
    (image / "data_loaders" / "a.py").rename(image / "data_loaders" / "b.py")
    (pipeline / "triggers.yaml").write_text("triggers: [{name: a}, {name: b, status: inactive}]")
    project_for_server.refresh(image, server)
    assert (there / "metadata.yaml").read_text() == "uuid: p"
    assert shipped_pipelines(server) == {"p"}
    assert yaml.safe_load((there / "triggers.yaml").read_text())["triggers"] == [
        {"name": "a", "status": "active"},
        {"name": "b", "status": "inactive"},
    ]
    assert [path.name for path in (server / "data_loaders").iterdir()] == ["b.py"]
    assert stat.S_IMODE((server / "data_loaders").stat().st_mode) == 0o555
    assert stat.S_IMODE((server / "data_loaders" / "b.py").stat().st_mode) == 0o444
    assert sorted(path.name for path in there.iterdir()) == ["metadata.yaml", "triggers.yaml"]
