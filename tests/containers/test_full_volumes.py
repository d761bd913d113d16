"""Full volumes: what is said of them, that nothing restarts for ever, and that room heals them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from embedded.servers.mage import until
from embedded.servers.ports import free_port
from tests.containers.compose import EMULATORS, IMAGE, PROJECT, Compose, docker

pytestmark = [pytest.mark.containers, pytest.mark.xdist_group("containers")]


@pytest.fixture(scope="module")
def small(checkout: Path) -> Iterator[Compose]:
    """A project of its own, with volumes of a few hundred MB."""
    name = f"{PROJECT}-full"
    docker("tag", EMULATORS, f"{name}-emulators:local")
    ports = ("PUBLISH_MAGE", "PUBLISH_POSTGRES", "PUBLISH_GCS", "PUBLISH_BIGQUERY")
    settings = {**{port: str(free_port()) for port in ports}, "NYC_TLC_IMAGE": IMAGE}
    small = Compose(checkout, name, {**settings, "TLC_SOURCE_URL": "http://cdn:8080"})
    small = replace(small, files=(*small.files, "tests/containers/small.yml"))
    small.write_env()
    try:
        small.up()
        yield small
    finally:
        small("down", "--volumes", "--timeout", "5")
        docker("rmi", f"{name}-emulators:local")


@contextmanager
def full(compose: Compose, volume: str) -> Iterator[None]:
    filler = f"/{volume}/filler"
    compose("exec", "-T", "keeper", "sh", "-c", f"dd if=/dev/zero of={filler} bs=4k || true")
    try:
        yield
    finally:
        compose("exec", "-T", "keeper", "rm", filler)


def load(compose: Compose, month: str) -> str:
    return compose.run_pipeline("tlc_trips", service="green", months=month)


def waits_for_room(compose: Compose, service: str, said: str) -> None:
    """It says so, once, and is not started again and again."""
    until(lambda: said in compose("logs", service) or None, said, seconds=120)
    before = compose.container(service)["RestartCount"]
    time.sleep(12)
    assert compose.container(service)["RestartCount"] == before
    assert compose.container(service)["State"]["Status"] == "running"
    assert compose("logs", service).count(said) == 1


def is_healthy(compose: Compose, service: str) -> None:
    until(lambda: compose.health(service) == "healthy" or None, f"{service} heals", seconds=300)


def test_mages_volume(small):
    began = f"{time.time():.0f}"
    with full(small, "mage-data"):
        with pytest.raises(AssertionError, match=r"ENOSPC.*the volume mage-data") as failure:
            load(small, "2024-01")
        assert "defect" not in str(failure.value)
        small("restart", "mage")
        waits_for_room(small, "mage", "on the volume mage-data: make room on its disk")
    is_healthy(small, "mage")
    assert "reconciled" in load(small, "2024-01")
    assert "Traceback" not in small("logs", "--since", began, "mage")


def test_postgres_volume(small):
    load(small, "2024-01")
    with full(small, "postgres-data"):
        with pytest.raises(AssertionError, match=r"53100.*the volume postgres-data"):
            load(small, "2024-02")
        # Without room for its WAL the server ends, and cannot start.
        with suppress(AssertionError):
            for _ in range(20):
                small.sql("select pg_logical_emit_message(true, 'trial', 'x'), pg_switch_wal()")
        waits_for_room(small, "postgres", "no space left on the volume postgres-data")
    is_healthy(small, "postgres")
    is_healthy(small, "mage")
    assert "unchanged" in load(small, "2024-01")
    assert "reconciled" in load(small, "2024-02")


def test_the_lakes_volume(small):
    with full(small, "gcs-data"), pytest.raises(AssertionError, match="the volume gcs-data"):
        load(small, "2024-03")
    assert "reconciled" in load(small, "2024-03")
