"""A server that outlives the command that started it, and how later commands find it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from embedded.servers.process_mark import ProcessMark, mark_process

_POLL_SECONDS = 0.02

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

    @property
    def server_uid(self) -> int:
        """The uid a child gets."""
        return os.geteuid() if self.uid is None else self.uid

    def run(
        self, argv: Sequence[str | Path], env: Mapping[str, str], stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, outside the terminal's process group."""
        return subprocess.run(
            [str(word) for word in argv],
            # The caller's directory may be closed to the account.
            cwd="/",
            env=dict(env),
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )


@dataclass(frozen=True)
class _RunRecord:
    pid: int
    birth: str
    port: int


class Daemon:
    """One named background server of a state directory.

    What is remembered lies in ``<state>/run/<name>.json``. It stays after a stop: the pid in it
    can no longer be mistaken, and the port is taken again by the next start.
    """

    def __init__(self, name: str, state_dir: Path) -> None:
        """Look at, but do not touch, the server ``name`` of ``state_dir``."""
        self.name = name
        self.state_dir = state_dir.absolute()
        self.log = self.state_dir / "logs" / f"{name}.log"
        self._run_file = self.state_dir / "run" / f"{name}.json"

    @property
    def pid(self) -> int | None:
        """The pid of the running server."""
        record = self._record()
        alive = record and ProcessMark(record.pid, record.birth).is_alive()
        return record.pid if record and alive else None

    @property
    def port(self) -> int | None:
        """The port the server has, or had when it last ran."""
        record = self._record()
        return record.port if record else None

    def spawn(
        self, argv: Sequence[str | Path], *, port: int, env: Mapping[str, str], account: Account
    ) -> None:
        """Start a command in the background and remember it as this server."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        shell = ["/bin/sh", "-c", _DETACH, "sh", self.log, *argv]
        started = account.run(shell, env)
        mark = mark_process(int(started.stdout)) if started.returncode == 0 else None
        if mark:
            self._run_file.parent.mkdir(parents=True, exist_ok=True)
            record = _RunRecord(pid=mark.pid, birth=mark.birth, port=port)
            unfinished = self._run_file.with_suffix(".new")
            unfinished.write_text(json.dumps(asdict(record)), encoding="utf-8")
            unfinished.replace(self._run_file)

    def terminate(self, grace_seconds: float = 10.0) -> bool:
        """End the server, by force after ``grace_seconds``; False when it was not running."""
        pid = self.pid
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        if not self.await_end(grace_seconds) and self.pid == pid:
            os.kill(pid, signal.SIGKILL)
            self.await_end(grace_seconds)
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
        """Return the last lines the server wrote."""
        try:
            with self.log.open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(0, size - 16_384))
                tail = stream.read().decode("utf-8", errors="replace").splitlines()
        except OSError as unreadable:
            return f"({unreadable})"
        return "\n".join(tail[-lines:]) or "(empty)"

    def _record(self) -> _RunRecord | None:
        try:
            return _RunRecord(**json.loads(self._run_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
