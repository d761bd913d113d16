"""The trial's images and its compose project, made once, in a folder with a space in its name."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.samples.months import write_cdn
from embedded.servers.ports import free_port
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.month import Month
from tests.containers.compose import EMULATORS, IMAGE, PROJECT, Compose, build, copy_checkout
from tests.integration.browser import browser  # noqa: F401 - a fixture

ROWS = 20_000
MONTHS = (Month(2024, 1), Month(2024, 2), Month(2024, 3))


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips where nothing can run a container."""
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed here")
    for words in (["info"], ["compose", "version"], ["buildx", "version"]):
        said = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
        if said.returncode:
            pytest.skip(f"docker {words[0]}: {said.stderr.strip().splitlines()[-1]}")


@pytest.fixture(scope="session")
def checkout(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone") / "a path with spaces"
    copy_checkout(folder)
    build(IMAGE, "Dockerfile", folder)
    build(EMULATORS, "deploy/emulators/Dockerfile", folder)
    write_cdn(folder / "cdn", [Partition(GREEN, month) for month in MONTHS], ROWS)
    for path in (folder / "cdn", *(folder / "cdn").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture(scope="session")
def compose(checkout: Path) -> Iterator[Compose]:
    """Everything up, as after the README's two commands."""
    ports = ("PUBLISH_MAGE", "PUBLISH_POSTGRES", "PUBLISH_GCS", "PUBLISH_BIGQUERY")
    settings = {
        **{name: str(free_port()) for name in ports},
        "NYC_TLC_IMAGE": IMAGE,
        "TLC_SOURCE_URL": "http://cdn:8080",
    }
    compose = Compose(checkout, PROJECT, settings)
    compose.write_env()
    try:
        compose.up()
        yield compose
    finally:
        compose.write_env()
        compose("down", "--volumes", "--timeout", "5")
