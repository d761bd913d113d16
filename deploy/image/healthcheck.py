#!/opt/venv/bin/python
"""Ask the Mage of this container how it is: exit status 0 when it serves what it should.

`mage-is-healthy` asks Mage alone, for Kubernetes, which restarts what is ill. With ``--stores`` it
asks too whether a pipeline could work: the login to Postgres, the local stand-ins, and the disk.
"""

import http.client
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2

_SECONDS = 3
_LEAST_FREE = 100 * 1024**2
"""Bytes: less than the smallest month needs on its way."""


def main(words: list[str]) -> int:
    """Ask once; a scheduler that died counts as ill where this container should have one."""
    if os.environ.get("COMPOSE_SERVICE") == "scheduler" and _schedules_elsewhere(os.environ):
        sys.stdout.write("waits; the container `mage` schedules\n")
        return 0
    problems = [*mage_problems(os.environ), *(store_problems(os.environ) if words else ())]
    sys.stdout.write("; ".join(problems) or "healthy")
    return 1 if problems else 0


def mage_problems(environment: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with Mage itself."""
    connection = http.client.HTTPConnection("127.0.0.1", 6789, timeout=8)
    try:
        connection.request("GET", "/api/status")
        status = json.loads(connection.getresponse().read())["statuses"][0]["scheduler_status"]
    except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
        yield f"Mage does not answer ({type(error).__name__})"
        return
    wanted = "stopped" if environment.get("INSTANCE_TYPE") == "web_server" else "running"
    if status != wanted:
        yield f"the scheduler is {status}, expected {wanted}"


def store_problems(environment: Mapping[str, str]) -> Iterator[str]:
    """What a pipeline would fail on."""
    host, port = environment.get("POSTGRES_HOST", ""), environment.get("POSTGRES_PORT") or "5432"
    try:
        with closing(
            psycopg2.connect(
                host=host, port=port, connect_timeout=_SECONDS,
                dbname=environment.get("POSTGRES_DBNAME"), user=environment.get("POSTGRES_USER"),
                password=environment.get("POSTGRES_PASSWORD"),
                sslmode=environment.get("POSTGRES_SSLMODE") or "prefer",
                sslrootcert=environment.get("POSTGRES_SSLROOTCERT") or None,
            )
        ):  # fmt: skip
            pass
    except (psycopg2.Error, UnicodeDecodeError) as error:
        said = (str(error).strip().splitlines() or ["no reason given"])[-1]
        yield f"Postgres at {host or '(no POSTGRES_HOST)'}:{port}: {said}"
    for name in ("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"):
        if address := urlsplit(environment.get(name, "")).netloc:
            server, _, at = address.rpartition(":")
            try:
                socket.create_connection((server, int(at)), timeout=_SECONDS).close()
            except (OSError, ValueError) as error:
                yield f"{name} {address}: {error}"
    folder = environment.get("TLC_WORK_DIR") or "/data"
    if (free := shutil.disk_usage(folder).free) < _LEAST_FREE:
        volume = "mage-dev-data" if environment.get("CHECKOUT") else "mage-data"
        yield f"{folder} has {free // 1024**2} MB free: make room on the volume {volume}"


def _schedules_elsewhere(environment: Mapping[str, str]) -> bool:
    profiles = environment.get("COMPOSE_PROFILES", "").split(",")
    return "scheduler" not in {name.strip() for name in profiles}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
