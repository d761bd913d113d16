"""The demo's infrastructure without Docker or a cloud account: start, find again, stop."""

import argparse
import fcntl
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from embedded.environment import keep_secrets, merge, read_env_file, write_env_file
from embedded.servers.bigquery import BigQueryServer
from embedded.servers.daemon import HttpDaemon
from embedded.servers.environment import NotInstallableError
from embedded.servers.gcs import GcsServer
from embedded.servers.ports import HOST
from embedded.servers.postgres import LOADER, PostgresServer, psql_environment, psql_program
from mage_server.environment import closed_settings
from mage_server.io_classes import io_class_environment
from mage_server.private_files import keep_private, make_private_files

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_STATE_DIR = CHECKOUT / ".local"
_ADDRESS = ("POSTGRES_PORT", "POSTGRES_DBNAME", "POSTGRES_USER", "POSTGRES_PASSWORD")

logger = logging.getLogger(__name__)


class Stack:
    """PostgreSQL, the emulators of GCS and BigQuery, and the CDN look-alike of one state directory.

    Where the emulator of BigQuery cannot be installed, the others do without it.
    """

    def __init__(self, state_dir: Path = DEFAULT_STATE_DIR) -> None:
        self.state_dir = state_dir.absolute()
        self.env_file = self.state_dir / "stack.env"
        self.cdn_root = self.state_dir / "cdn"
        self.postgres = PostgresServer(self.state_dir)
        self.gcs = GcsServer(self.state_dir)
        self.cdn = HttpDaemon(
            "cdn", self.state_dir, "embedded.servers.cdn", "--root", self.cdn_root
        )
        self.bigquery = BigQueryServer(self.state_dir, self.gcs.objects_dir)
        self.servers = (self.postgres, self.gcs, self.cdn, self.bigquery)

    def start(self) -> dict[str, str]:
        """Start what does not run yet and return the environment, also written to ``env_file``.

        Raises:
            ServerStartError: a server did not come up; those that did stay up.
            ClusterHomeError: PostgreSQL has no place or account here.
        """
        with self._locked():
            for folder in ("work", "mage_data"):
                keep_private(self.state_dir / folder)
            for folder in ("cdn/trip-data", "cdn/misc"):
                (self.state_dir / folder).mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(len(self.servers)) as pool:
                starts = [pool.submit(server.start) for server in self.servers]
            for server, start in zip(self.servers, starts, strict=True):
                try:
                    verb = "started" if start.result() else "already running"
                except NotInstallableError as absent:
                    logger.warning("%s: skipped: %s", server.name, absent)
                else:
                    logger.info("%s: %s on %s:%s", server.name, verb, HOST, server.port)
            self.postgres.make_roles()
            environment = self._environment()
            write_env_file(self.env_file, environment)
        return environment

    def stop(self) -> list[str]:
        """End what runs, PostgreSQL last, and return the names of what was ended."""
        if not self.state_dir.is_dir():
            return []
        with self._locked():
            stopped = [server.name for server in reversed(self.servers) if server.stop()]
        for name in stopped:
            logger.info("%s: stopped", name)
        return stopped

    def is_running(self) -> bool:
        """Tell whether every server runs that can, and the environment is written."""
        needed = self.servers if self.bigquery.is_installed else self.servers[:-1]
        return self.env_file.exists() and all(server.pid for server in needed)

    def _environment(self) -> dict[str, str]:
        bigquery = {
            "BIGQUERY_PROJECT": self.bigquery.project,
            "BIGQUERY_DATASET": self.bigquery.dataset,
            "BIGQUERY_EMULATOR_HOST": self.bigquery.url,
        }
        environment = {
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": str(self.postgres.port),
            "POSTGRES_DBNAME": self.postgres.database,
            "POSTGRES_USER": LOADER,
            "POSTGRES_PASSWORD": self.postgres.password_of("loader"),
            "POSTGRES_SCHEMA": "tlc",
            "STORAGE_EMULATOR_HOST": self.gcs.url,
            "LAKE_URL": f"gs://{self.gcs.bucket}",
            "TLC_SOURCE_URL": self.cdn.url,
            "TLC_WORK_DIR": str(self.state_dir / "work"),
            "MAGE_DATA_DIR": str(self.state_dir / "mage_data"),
            "DEFAULT_OWNER_EMAIL": "owner@localhost.localdomain",
            "DEFAULT_OWNER_USERNAME": "owner",
            **(bigquery if self.bigquery.pid else {}),
            **keep_secrets(read_env_file(self.env_file)),
            **closed_settings(),
        }
        return environment | io_class_environment(environment)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Held by the kernel for this process alone: it cannot be left behind.
        self.state_dir.mkdir(parents=True, exist_ok=True)
        # Root's PostgreSQL runs under another account, which has to reach its cluster in there.
        self.state_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        with (self.state_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def run_environment(stack: Stack, env_file: Path, *, start: bool = True) -> dict[str, str]:
    """Return the environment for a command, starting the stack if the command needs it."""
    own, of_stack = read_env_file(env_file), {}
    # Nothing of the stack beside a real database: its emulators must not mix with it.
    if not (os.environ.get("POSTGRES_HOST") or own.get("POSTGRES_HOST")):
        is_ready = stack.is_running() or not start
        of_stack = read_env_file(stack.env_file) if is_ready else stack.start()
        # `make env` writes a password for docker compose; the stack's PostgreSQL has its own.
        own = {name: value for name, value in own.items() if name not in _ADDRESS}
    merged = merge(os.environ, own, of_stack)
    return merged | io_class_environment(merged)


def _run_start(stack: Stack, _arguments: argparse.Namespace) -> int:
    """Start what does not run yet; write DIR/stack.env."""
    stack.start()
    logger.info("environment: %s", stack.env_file)
    return 0


def _run_stop(stack: Stack, _arguments: argparse.Namespace) -> int:
    """End everything that runs; data and secrets stay."""
    if not stack.stop():
        logger.info("nothing was running")
    return 0


def _run_status(stack: Stack, _arguments: argparse.Namespace) -> int:
    """List the servers; exit status 3 unless all run."""
    for server in stack.servers:
        state = f"running  pid {server.pid}  {HOST}:{server.port}" if server.pid else "stopped"
        sys.stdout.write(f"{server.name:<9} {state}\n")
    return 0 if stack.is_running() else 3


def _run_exec(stack: Stack, arguments: argparse.Namespace) -> int:
    """Run a command with the environment; start the stack if it is needed."""
    environment = run_environment(stack, arguments.env_file, start=not arguments.no_start)
    return become(arguments.words, environment)


def _run_psql(stack: Stack, arguments: argparse.Namespace) -> int:
    """Open psql on the database (psql's own options may follow)."""
    environment = run_environment(stack, arguments.env_file)
    program = [str(psql_program()), *arguments.words]
    return become(program, environment | psql_environment(environment))


def _run_ui(stack: Stack, arguments: argparse.Namespace) -> int:
    """Open Mage's web UI and scheduler on the data of the stack."""
    port = arguments.port
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise RuntimeError(
                f"port {port} is taken: another Mage? Open http://localhost:{port}, or choose "
                "another: make ui PORT=6790"
            )
    environment = run_environment(stack, arguments.env_file)
    # Under the name localhost Mage's pages call the API at port 6789, whatever their own is.
    logger.info(
        "Mage starts at http://%s:%s; log in as %s\nwith the password DEFAULT_OWNER_PASSWORD of "
        "%s; Ctrl-C ends it.",
        "localhost" if port == 6789 else HOST, port, environment.get("DEFAULT_OWNER_EMAIL", ""),
        stack.env_file,
    )  # fmt: skip
    os.chdir(CHECKOUT)
    # This process becomes Mage, so that Ctrl-C reaches it.
    words = [sys.executable, "-m", "mage_server", "--host", HOST, "--port", str(port)]
    return become(words, environment)


def become(words: Sequence[str], environment: dict[str, str]) -> int:
    """Let this process become a command; returns only where that cannot be."""
    if not words:
        logger.error("exec: name a command, as in: exec -- printenv LAKE_URL")
        return 2
    try:
        os.execvpe(words[0], list(words), environment)  # noqa: S606 (no shell is meant)
    except OSError as failure:
        sys.stderr.write(f"{words[0]}: {failure.strerror}\n")
    return 127


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m embedded.stack", description=__doc__)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE_DIR, metavar="DIR")
    commands = parser.add_subparsers(required=True, metavar="{start,stop,status,exec,psql,ui}")
    for run in (_run_start, _run_stop, _run_status, _run_exec, _run_psql, _run_ui):
        name, text = run.__name__.removeprefix("_run_"), run.__doc__
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(run=run)
        command.add_argument("--state", type=Path, default=argparse.SUPPRESS, metavar="DIR")
        command.add_argument("--env-file", type=Path, default=CHECKOUT / ".env", metavar="FILE")
        if name in {"exec", "psql"}:
            command.add_argument("words", nargs="*", metavar="-- WORD…")
        if name == "exec":
            command.add_argument("--no-start", action="store_true", help="start no server for it")
        if name == "ui":
            command.add_argument("--port", type=int, default=6789, help="(default 6789)")
    return parser


def main(words: Sequence[str] | None = None) -> None:
    """Run one command of the command line and exit with its status."""
    make_private_files()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        sys.exit(arguments.run(Stack(arguments.state), arguments))
    except RuntimeError as failure:
        parser.exit(1, f"{failure}\n")
    except PermissionError as failure:
        parser.exit(1, f"{failure}. Was the stack started by another user?\n")


if __name__ == "__main__":
    main()
