"""Disks that are full: a small one is mounted where the server or the run writes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from qa.chaos.fault import During, Fault, NotPossibleHereError
from qa.chaos.world import World


def disk_faults() -> Iterator[Fault]:
    yield Fault("Postgres", "disk full in the midst of a COPY", _full_server, "Make room on")
    yield Fault(
        "work folder", "disk full in the midst of a download", _full_work_folder(1), "no room is"
    )
    yield Fault(
        "work folder", "disk full while the rows are conformed", _full_work_folder(3), "no room is"
    )


@contextmanager
def _full_server(world: World) -> Iterator[Callable[[], int]]:
    """New tables go to a tablespace of 4 MB; a part of the month has 10."""
    server, role = world.stack.postgres, world.stores.environment["POSTGRES_USER"]
    disk = world.stack.state_dir / "small_disk"
    disk.mkdir(exist_ok=True)
    owner = psutil.Process(server.pid).uids().real
    with _small_disk(disk, megabytes=4, owner=owner):
        server.psql(f"CREATE TABLESPACE small_disk LOCATION '{disk}'")
        try:
            server.psql(f"GRANT CREATE ON TABLESPACE small_disk TO {role}")
            server.psql(f"ALTER ROLE {role} SET default_tablespace = small_disk")
            yield lambda: 1
        finally:
            server.psql(f"ALTER ROLE {role} RESET default_tablespace")
            server.psql("DROP TABLESPACE small_disk")


def _full_work_folder(megabytes: int) -> During:
    @contextmanager
    def during(world: World) -> Iterator[Callable[[], int]]:
        folder = Path(world.stores.environment["TLC_WORK_DIR"])
        with _small_disk(folder, megabytes=megabytes, owner=None):
            yield lambda: 1

    return during


@contextmanager
def _small_disk(folder: Path, *, megabytes: int, owner: int | None) -> Iterator[None]:
    options = f"size={megabytes}m" + (f",uid={owner},mode=700" if owner is not None else "")
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as absent:
        raise NotPossibleHereError("there is no mount") from absent
    if mounted.returncode:
        raise NotPossibleHereError(f"a small disk takes root ({mounted.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S607
