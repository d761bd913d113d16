"""A server that outlives the command that started it, and how later commands find it."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import psutil

from embedded.servers.ports import HOST, free_port

_CHECKOUT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.02
_START_ATTEMPTS = 3
_START_SECONDS = 20.0
# The emulator serves one request at a time: during a large upload it is busy, not dead.
_HUNG_AFTER_SECONDS = 60.0
# What an interpreter may need to start; nothing else of the shell, which may hold secrets.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")

# "&" inside a shell that ends at once: the server's parent becomes init, so the command that
# started it neither waits for it nor leaves a zombie. $1 is the log, the rest the command.
_DETACH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'


class ServerStartError(RuntimeError):
    """A server did not come up; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Account:
    """Whose rights a child gets; None means the rights of the caller."""

    uid: int | None = None
    gid: int | None = None

    def run(
        self, argv: Sequence[str | Path], env: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, outside the terminal's process group."""
        return subprocess.run(
            [str(word) for word in argv],
            # The caller's directory may be closed to the account.
            cwd="/",
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )


class Daemon:
    """One named background server of a state directory.

    It is remembered in ``<state>/run/<name>.json``. The file stays after a stop: its pid can no
    longer be mistaken, and the next start takes its port again.
    """

    def __init__(self, name: str, state_dir: Path) -> None:
        self.name = name
        self.state_dir = state_dir.absolute()
        self.log = self.state_dir / "logs" / f"{name}.log"
        self._run_file = self.state_dir / "run" / f"{name}.json"

    @property
    def pid(self) -> int | None:
        """The pid of the running server; a zombie or a recycled pid does not count."""
        # Pid and birth together are never given out twice.
        record = self._record()
        pid = record.get("pid")
        return pid if pid and _birth(pid) == record.get("birth") else None

    @property
    def port(self) -> int | None:
        """The port the server has, or had when it last ran."""
        return self._record().get("port")

    def spawn(
        self, argv: Sequence[str | Path], *, port: int, env: Mapping[str, str], account: Account
    ) -> None:
        """Start a command in the background and remember it as this server."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        started = account.run(["/bin/sh", "-c", _DETACH, "sh", self.log, *argv], env)
        pid = int(started.stdout) if started.returncode == 0 else None
        birth = _birth(pid) if pid else None
        if pid and birth is not None:
            self._run_file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._run_file.with_suffix(".new")
            unfinished.write_text(json.dumps({"pid": pid, "birth": birth, "port": port}))
            unfinished.replace(self._run_file)

    def stop(self) -> bool:
        """End the server, by force after ten seconds; False when it was not running."""
        pid = self.pid
        if pid is None:
            return False
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).terminate()
            if not self.await_end(10):
                psutil.Process(pid).kill()
                self.await_end(10)
        return True

    def await_end(self, seconds: float) -> bool:
        """Wait until the server is gone; False when it is still there after ``seconds``."""
        deadline = time.monotonic() + seconds
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def fail(self, what: str) -> NoReturn:
        """Raise the error that shows the last lines of the server's log."""
        message = f"{self.name}: {what}\nLast lines of {self.log}:\n{self.log_tail()}"
        raise ServerStartError(message)

    def log_tail(self, lines: int = 15) -> str:
        try:
            with self.log.open(encoding="utf-8", errors="replace") as stream:
                tail = deque(stream, lines)
        except OSError as unreadable:
            return f"({unreadable})"
        return "".join(tail).rstrip() or "(empty)"

    def _record(self) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(self._run_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record


class HttpDaemon(Daemon):
    """A module of this package that is given ``--port`` and answers HTTP there."""

    python: str | Path = sys.executable
    """The interpreter that runs it."""

    def __init__(self, name: str, state_dir: Path, module: str, *words: str | Path) -> None:
        super().__init__(name, state_dir)
        self._words = ["-m", module, *words]

    @property
    def url(self) -> str:
        """Where the server listens, or listened when it last ran."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> bool:
        """Make the server answer; False when it already did.

        Raises:
            ServerStartError: it died or stayed silent on every port tried. Read its log.
        """
        if self.pid is not None:
            if self._answers_within(_HUNG_AFTER_SECONDS):
                return False
            self.stop()
        modules = filter(None, (str(_CHECKOUT), os.environ.get("PYTHONPATH")))
        env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        env["PYTHONPATH"] = os.pathsep.join(modules)
        for _ in range(_START_ATTEMPTS):
            port = free_port(self.port)
            words = [self.python, *self._words, "--port", str(port)]
            self.spawn(words, port=port, env=env, account=Account())
            if self._answers_within(_START_SECONDS):
                return True
            self.stop()
        return self.fail("did not answer")

    def _answers_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pid is not None and time.monotonic() < deadline:
            # http.client and not urllib: a proxy set in the environment must not be asked.
            connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            else:
                return self.pid is not None
            finally:
                connection.close()
        return False


def program_of(pid: int) -> str | None:
    """Return the name of the program that a process runs; None where no process runs."""
    try:
        return psutil.Process(pid).name() if _birth(pid) else None
    except psutil.Error:
        return None


def _birth(pid: int) -> float | None:
    """When a process began; None where none runs.

    On Linux in seconds since boot: psutil derives the time of day from the clock, and a clock that
    is set would make a running server look dead. macOS notes the time of day once.
    """
    since = psutil.boot_time() if psutil.LINUX else 0.0
    try:
        process = psutil.Process(pid)
        if process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            return None
        return round(float(process.create_time()) - since, 2)
    except psutil.Error:
        return None
