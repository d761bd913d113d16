#!/opt/venv/bin/python
"""Run a command of the image with its settings: `with-settings COMMAND…`.

A setting that no variable gives is taken from the file of its name in SECRETS_DIR, as Docker and
Kubernetes mount secrets, or from the servers of docker-compose.yml where its profile `local` is
on.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from mage_server.io_classes import io_class_environment

_SECONDS_BETWEEN_LOOKS = 5.0
_LOCAL_SERVERS = {
    "POSTGRES_HOST": {"POSTGRES_HOST": "postgres", "POSTGRES_PORT": "5432"},
    "LAKE_URL": {"LAKE_URL": "gs://nyc-tlc-lake", "STORAGE_EMULATOR_HOST": "http://gcs:9023"},
}
"""What stands in for a server elsewhere, by the variable that would name that one."""
_LOCAL_BIGQUERY = {
    "BIGQUERY_PROJECT": "emulated",
    "BIGQUERY_DATASET": "tlc",
    "BIGQUERY_EMULATOR_HOST": "http://bigquery:9050",
}
"""It can read no lake but the local one."""
_DEFAULTS = {
    "POSTGRES_DBNAME": "nyc_tlc",
    "POSTGRES_USER": "tlc",
    "DEFAULT_OWNER_EMAIL": "owner@localhost.localdomain",
    "DEFAULT_OWNER_USERNAME": "owner",
}
_FOLDERS = {"HOME": "/data/home", "MAGE_DATA_DIR": "/data/mage", "TLC_WORK_DIR": "/data/work"}
"""Where the image writes; `docker run --env-file` may name some of them as empty."""
_LEAST_FREE = 16 * 1024**2
"""Bytes without which Mage ends while it starts, to be started again and again by Docker."""


def main(command: Sequence[str]) -> int:
    """Become the command; returns only where that may not or cannot be."""
    environment = completed(os.environ)
    if not command:
        return _refuse("name a command, as in: with-settings mage run mage_project tlc_trips")
    if command[0] == "serve":
        if is_idle(environment):
            _say(
                "the container `mage` schedules; this one waits for `scheduler` in COMPOSE_PROFILES"
            )
            command = ["sleep", "infinity"]
        elif problem := shares_no_database(environment):
            return _refuse(problem)
        else:
            await_room(environment)
            _say(
                f"Log in to Mage as {environment['DEFAULT_OWNER_EMAIL']}. The password: "
                "`docker compose exec mage show-login`"
            )
    try:
        make_folders(environment)
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}. {_volume(environment)}")
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606 - no shell is meant
    except OSError as error:
        return _refuse(f"{command[0]}: {error.strerror}")


def await_room(environment: Mapping[str, str]) -> None:
    """Wait until Mage can start on its volume. Meanwhile the container counts as unhealthy."""
    folder = next(path for path in _ancestors(environment["MAGE_DATA_DIR"]) if path.exists())
    if shutil.disk_usage(folder).free >= _LEAST_FREE:
        return
    _say(f"{folder}: No space left on device. {_volume(environment)}, and Mage starts by itself")
    while shutil.disk_usage(folder).free < _LEAST_FREE:
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _ancestors(path: str) -> list[Path]:
    return [Path(path), *Path(path).parents]


def _volume(environment: Mapping[str, str]) -> str:
    name = "mage-dev-data" if environment.get("CHECKOUT") else "mage-data"
    return f"It is on the volume {name}: make room on its disk (`docker system df`)"


def make_folders(environment: Mapping[str, str]) -> None:
    """Make the folders on the volume, for the user who is to write there."""
    folders = [Path(environment[name]) for name in _FOLDERS]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    if checkout := environment.get("CHECKOUT"):
        become_owner(Path(checkout), [*folders, *(folder.parent for folder in folders)])


def become_owner(checkout: Path, folders: Sequence[Path]) -> None:
    """Be the user who owns the mounted checkout, so that what Mage writes there is that user's.

    Docker Desktop shows every file as root's and writes as its user: there root stays root.
    """
    owner = checkout.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for folder in folders:
            os.chown(folder, owner.st_uid, owner.st_gid)
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def completed(given: Mapping[str, str]) -> dict[str, str]:
    """What is given, else the secret files, else the local servers, else the defaults."""
    named = {name: _unquoted(value) for name, value in given.items() if value}
    folder = Path(named.get("SECRETS_DIR", "/run/secrets/nyc-tlc"))
    known = {**_DEFAULTS, **_FOLDERS, **_secret_files(folder), **named}
    if "local" in _profiles(known):
        for name, server in _LOCAL_SERVERS.items():
            known = known if name in named else {**known, **server}
        if not {"LAKE_URL", "BIGQUERY_DATASET"} & named.keys():
            known |= _LOCAL_BIGQUERY
        if password := known.get("MAGE_DATABASE_PASSWORD"):
            address = f"postgresql+psycopg2://mage:{quote(password, safe='')}@postgres:5432/mage"
            known.setdefault("MAGE_DATABASE_CONNECTION_URL", address)
    if known.get("COMPOSE_SERVICE") == "scheduler":
        known.setdefault("INSTANCE_TYPE", "scheduler")
    elif {"ui", "scheduler"} & _profiles(known):
        known.setdefault("INSTANCE_TYPE", "web_server")
    return known | io_class_environment(known)


def is_idle(environment: Mapping[str, str]) -> bool:
    """Whether this is the compose file's scheduler while the other container schedules."""
    is_scheduler = environment.get("COMPOSE_SERVICE") == "scheduler"
    return is_scheduler and "scheduler" not in _profiles(environment)


def shares_no_database(environment: Mapping[str, str]) -> str | None:
    """What is wrong where UI and scheduler run apart and would each see its own database."""
    is_apart = environment.get("INSTANCE_TYPE") in {"web_server", "scheduler"}
    if is_apart and not environment.get("MAGE_DATABASE_CONNECTION_URL"):
        return "MAGE_DATABASE_CONNECTION_URL is not set, and UI and scheduler share a database"
    return None


def _profiles(environment: Mapping[str, str]) -> set[str]:
    return {name.strip() for name in environment.get("COMPOSE_PROFILES", "").split(",")}


def _unquoted(value: str) -> str:
    """A value of `docker run --env-file`, which keeps the quotes that Compose takes off."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _secret_files(folder: Path) -> dict[str, str]:
    files = folder.iterdir() if folder.is_dir() else ()
    return {
        file.name: file.read_text("utf-8").strip()
        for file in files
        if file.name.isidentifier() and file.name.isupper() and file.is_file()
    }


def _refuse(problem: str) -> int:
    _say(f"{problem}. Nothing was started; see docs/containers.md")
    return 2


def _say(text: str) -> None:
    sys.stderr.write(f"nyc-tlc: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
