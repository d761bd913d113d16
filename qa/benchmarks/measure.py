"""Run a command in a process of its own and say what it cost."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from qa.benchmarks.run import MEGABYTE, CaseFailedError, Run
from qa.benchmarks.server_cpu import server_cpu

CHECKOUT = Path(__file__).resolve().parents[2]

_POLL = 0.02
_POLLS_PER_LOOK = 10
"""Looking for new children reads all of /proc, a few milliseconds: not at every poll."""
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Command:
    """A program to measure.

    Attributes:
        environment: All of it; nothing is inherited.
        stdin: File to feed it; None for nothing.
        limit: Seconds after which it is ended and counts as failed.
    """

    words: tuple[str | Path, ...]
    environment: Mapping[str, str]
    stdin: Path | None = None
    limit: float = 3600.0


@dataclass(frozen=True)
class Measured:
    """What a command cost and what it said.

    Attributes:
        answer: The JSON object of its last line, if that is one.
    """

    run: Run
    answer: Mapping[str, Any]


def measured(command: Command, postmaster: psutil.Process) -> Measured:
    """Run a command to its end.

    Raises:
        CaseFailedError: it failed; the message is the last line of what it said.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        server, all_cores = server_cpu(postmaster), _busy()
        with Path(command.stdin or os.devnull).open("rb") as stdin:
            watch = _Watch(_start(command, stdin, out, err))
        peak = watch.until_end(command.limit)
        all_cores = _busy() - all_cores
        server = server_cpu(postmaster) - server
        if watch.status:
            raise CaseFailedError(
                f"ended with {watch.status}: {_complaint(_said(err) or _said(out))}"
            )
        answer = _answer(_said(out)[-1:])
    client = watch.usage.ru_utime + watch.usage.ru_stime
    run = Run(
        seconds=round(float(answer.get("seconds", watch.seconds)), 3),
        process=round(watch.seconds, 3),
        client_cpu=round(client, 2),
        server_cpu=round(server, 2),
        other_cpu=round(max(all_cores - client - server, 0.0), 2),
        peak_mb=round(peak / MEGABYTE, 1),
        steps=dict(answer.get("steps", {})),
    )
    return Measured(run, answer)


def _busy() -> float:
    """CPU seconds that were not idle, of all cores, since the machine started."""
    times = psutil.cpu_times()._asdict()
    # A guest's time is in that of its user already.
    idle = ("idle", "iowait", "guest", "guest_nice")
    return float(sum(seconds for name, seconds in times.items() if name not in idle))


def _start(
    command: Command, stdin: IO[bytes], out: IO[bytes], err: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command.words, stdin=stdin, stdout=out, stderr=err, cwd=CHECKOUT, env=command.environment
    )


class _Watch:
    """One process from its start to its end.

    Attributes:
        seconds: Wall time.
        usage: The kernel's account of the process and of the children it collected.
        status: Exit status.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._began = time.perf_counter()
        self._process = process
        self._tree = _Tree(process.pid)
        self.seconds = 0.0
        self.status: int | None = None
        self.usage: resource.struct_rusage
        # A thread that waits: the end is seen at once, not at the next poll.
        self._waiter = threading.Thread(target=self._wait, daemon=True)
        self._waiter.start()

    def until_end(self, limit: float) -> int:
        """Wait for the end; most bytes of resident memory of the process tree at one time.

        Raises:
            CaseFailedError: it took longer than ``limit`` seconds, and was ended.
        """
        try:
            while self._waiter.is_alive():
                self._tree.poll()
                self._waiter.join(_POLL)
                if time.perf_counter() - self._began > limit:
                    raise CaseFailedError(f"took longer than {limit:,.0f} s and was ended")
        finally:
            self._tree.end()
        return max(self._tree.peak, _kernel_peak(self.usage))

    def _wait(self) -> None:
        _, status, self.usage = os.wait4(self._process.pid, 0)
        self.seconds = time.perf_counter() - self._began
        self.status = self._process.returncode = os.waitstatus_to_exitcode(status)


class _Tree:
    """A process and its descendants."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._polls = 0
        self._root = psutil.Process(pid)
        self._members = [self._root]

    def poll(self) -> None:
        if self._polls % _POLLS_PER_LOOK == 0:
            self._look()
        self._polls += 1
        self.peak = max(self.peak, sum(map(_resident, self._members)))

    def end(self) -> None:
        """Kill whatever still runs of it."""
        for member in self._members:
            with suppress(psutil.NoSuchProcess):
                if member.status() != psutil.STATUS_ZOMBIE:
                    member.kill()

    def _look(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self._members = [self._root, *self._root.children(recursive=True)]


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _kernel_peak(usage: resource.struct_rusage) -> int:
    """The kernel's own peak of the largest process, exact where polling may miss it.

    A child starts with the peak of the process that made it, ours: no larger value says nothing.
    """
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage.ru_maxrss * _RSS_UNIT if usage.ru_maxrss > ours else 0


def _said(stream: IO[bytes]) -> list[str]:
    """The last lines of an output that are not empty."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 65_536))
    lines = stream.read().decode("utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _complaint(lines: Sequence[str]) -> str:
    """The last line that names an error: some programs end with advice."""
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|ERROR)\b.*:", line)]
    return next(reversed(errors or lines), "it said nothing")


def _answer(lines: Sequence[str]) -> Mapping[str, Any]:
    try:
        answer = json.loads("".join(lines))
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
