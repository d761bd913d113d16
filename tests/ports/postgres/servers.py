"""PostgreSQL with settings of its own, for one test."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2

from embedded.servers.ports import HOST, free_port
from nyc_tlc.adapters.postgres.connection import Database
from tests.ports.meanwhile import wait_until


def sql(database: Database, statement: str, options: str = "") -> list[tuple[Any, ...]]:
    """Run a statement by itself; returns its rows."""
    with closing(
        psycopg2.connect(
            host=database.host, port=database.port, dbname=database.dbname,
            user=database.user, password=database.password, options=options,
        )
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        connection.autocommit = True
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def answers(database: Database) -> bool:
    with suppress(psycopg2.OperationalError):
        return bool(sql(database, "SELECT 1"))
    return False


@contextmanager
def started(binaries: Path, *settings: str) -> Iterator[Database]:
    """A cluster of these programs, gone with the test; settings as ``name=value``."""
    account = {"user": "nobody"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="nyc-tlc-tests-") as folder:
        home, password = Path(folder), Path(folder) / "password"
        password.write_text("tlc\n")
        if account:
            for path in (home, password):
                os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        subprocess.run(
            [binaries / "initdb", "-D", home / "data", "-U", "tlc", "--pwfile", password,
             "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"],
            check=True, capture_output=True, cwd="/", **account,
        )  # fmt: skip
        port = free_port(None)
        server = subprocess.Popen(
            [binaries / "postgres", "-D", home / "data", "-p", str(port),
             "-c", f"listen_addresses={HOST}", "-c", "unix_socket_directories=",
             *(word for setting in settings for word in ("-c", setting))],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **account,
        )  # fmt: skip
        try:
            database = Database(HOST, port, "postgres", "tlc", "tlc", connect_timeout=5)
            wait_until(lambda: answers(database))
            yield database
        finally:
            server.terminate()
            server.wait()
