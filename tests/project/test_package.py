"""One version, a licence, a package that installs, and a dev container that is well formed."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from nyc_tlc import __version__
from tests.project.test_make import TARGETS
from tests.repository import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
_DEV_CONTAINER = (ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8")
DEV_CONTAINER = json.loads(re.sub(r"^\s*//.*$", "", _DEV_CONTAINER, flags=re.MULTILINE))


def test_the_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "nyc_tlc/__init__.py"
    (label,) = re.findall(r'image\.version="(.+)"', (ROOT / "Dockerfile").read_text("utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.findall(r"^## (\S+), \d{4}-\d\d-\d\d$", changes, re.MULTILINE)
    assert (label, newest[0]) == (__version__, __version__)


def test_the_licence_is_apaches_in_every_place():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert 'image.licenses="Apache-2.0"' in (ROOT / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    built = subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Failed to fetch" in built.stderr or "dns error" in built.stderr:
        pytest.skip("the package index that has hatchling cannot be reached from here")
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return file


def test_the_wheel_has_the_command_and_what_it_reads(wheel, tmp_path):
    assert wheel.name == f"nyc_tlc_mage-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
        about = f"nyc_tlc_mage-{__version__}.dist-info"
        commands = archive.read(f"{about}/entry_points.txt").decode()
    assert "nyc-tlc = nyc_tlc.__main__:main" in commands
    tracked = {
        str(path.relative_to(ROOT)) for path in (ROOT / "nyc_tlc").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }  # fmt: skip
    assert tracked | {"nyc_tlc/io_config.yml", f"{about}/licenses/LICENSE"} <= names
    assert {name.partition("/")[0] for name in names} == {"nyc_tlc", about}

    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "installed"),
        "POSTGRES_DBNAME": "d", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "x",
        "LAKE_URL": "./lake",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "nyc_tlc", "report"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.startswith(f"file://{tmp_path}/lake/report/lake_audit.html is not there yet")


def test_the_dev_container_is_well_formed_and_sets_up_as_the_readme_says():
    """The properties that are used: the schema of containers.dev validated them once."""
    of_ports, of_machine = {"label", "onAutoForward", "requireLocalPort"}, {"cpus", "memory"}
    assert DEV_CONTAINER.keys() <= {
        "name", "image", "onCreateCommand", "postCreateCommand", "forwardPorts", "portsAttributes",
        "otherPortsAttributes", "remoteEnv", "hostRequirements", "customizations",
    }  # fmt: skip
    ports = DEV_CONTAINER["portsAttributes"]
    assert all(port.keys() <= of_ports for port in ports.values())
    assert DEV_CONTAINER.get("hostRequirements", {}).keys() <= of_machine | {"storage"}
    assert all(isinstance(value, str) for value in DEV_CONTAINER.get("remoteEnv", {}).values())
    assert re.search(r"python:3\.1[12]-", DEV_CONTAINER["image"])
    assert DEV_CONTAINER["postCreateCommand"].split()[1] in TARGETS
    assert DEV_CONTAINER["forwardPorts"] == [int(port) for port in ports]
