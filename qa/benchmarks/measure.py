"""Run a command in its own process and account for what it cost."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from qa.benchmarks.results import Run

CHECKOUT = Path(__file__).resolve().parents[2]

_LIMIT = 3600.0
"""Seconds after which a command is killed and counts as failed."""
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class CaseFailedError(RuntimeError):
    """A case could not be run, or left the wrong rows behind; the message says why."""


@dataclass(frozen=True)
class Command:
    """A program to measure.

    Attributes:
        environment: The complete environment; nothing is inherited.
        folder: The working directory.
        stdin: File to read from.
    """

    words: tuple[str | Path, ...]
    environment: Mapping[str, str]
    folder: Path = CHECKOUT
    stdin: Path = Path(os.devnull)


def measured(command: Command, postmaster: psutil.Process) -> tuple[Run, dict[str, Any]]:
    """Run a command to its end; its cost, and the JSON object of its last line if it is one.

    Raises:
        CaseFailedError: it failed, or took too long; the message is the last error it printed.
    """
    with (
        tempfile.TemporaryFile("w+", errors="replace") as out,
        tempfile.TemporaryFile("w+", errors="replace") as err,
        command.stdin.open("rb") as stdin,
    ):
        server, all_cores, began = _server_cpu(postmaster), _busy(), time.perf_counter()
        # In its own session, so that whatever it has started can be killed with it.
        process = subprocess.Popen(
            command.words, stdin=stdin, stdout=out, stderr=err, cwd=command.folder,
            env=command.environment, start_new_session=True,
        )  # fmt: skip
        timer = threading.Timer(_LIMIT, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            timer.cancel()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        server, all_cores = _server_cpu(postmaster) - server, _busy() - all_cores
        printed, errors = _lines(out), _lines(err)
    if process.returncode:
        # The last line that names an error: some programs end with advice.
        named = re.compile(r"[\w.]*(Error|Exception|ERROR)\b.*:")
        reasons = [*filter(named.match, errors)] or errors or printed or ["it printed nothing"]
        raise CaseFailedError(f"ended with {process.returncode}: {reasons[-1]}")
    answer = json.loads(printed[-1]) if printed and printed[-1].startswith('{"') else {}
    client = usage.ru_utime + usage.ru_stime
    run = Run(
        seconds=round(float(answer.get("seconds", seconds)), 3),
        process=round(seconds, 3),
        client_cpu=round(client, 2),
        server_cpu=round(server, 2),
        other_cpu=round(max(all_cores - client - server, 0.0), 2),
        peak_mb=round(usage.ru_maxrss * _RSS_UNIT / 1e6, 1),
        steps=answer.get("steps", {}),
    )
    return run, answer


def machine() -> str:
    """What a study ran on, without names of hosts or folders."""
    listed = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", listed.read_text()) if listed.exists() else None
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def _server_cpu(postmaster: psutil.Process) -> float:
    """CPU seconds, user and system, of a Postgres server since it started.

    The kernel adds the time of a child to its parent when the parent collects it, and the
    postmaster is the parent of every backend: living children plus collected ones are all.
    """
    while True:
        own = postmaster.cpu_times()[:4]
        with suppress(psutil.NoSuchProcess):
            living = [child.cpu_times()[:2] for child in postmaster.children()]
            # A backend that ended in between is in neither sum, or in both: read again.
            if postmaster.cpu_times()[2:4] == own[2:]:
                return float(sum(own) + sum(map(sum, living)))


def _busy() -> float:
    """CPU seconds that were not idle, of all cores, since the machine started."""
    times = psutil.cpu_times()._asdict()
    # A guest's time is in that of its user already.
    idle = ("idle", "iowait", "guest", "guest_nice")
    return float(sum(seconds for name, seconds in times.items() if name not in idle))


def _lines(stream: IO[str]) -> list[str]:
    """The lines of an output that are not empty."""
    stream.seek(0)
    return [line.strip() for line in stream if line.strip()]
