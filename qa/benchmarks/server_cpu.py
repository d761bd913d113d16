"""CPU time of a Postgres server, backends that have ended included."""

from __future__ import annotations

from typing import Any

import psutil


def server_cpu(postmaster: psutil.Process) -> float:
    """CPU seconds, user and system, of the server since it started.

    The kernel adds the time of a child to its parent when the parent collects it, and the
    postmaster is the parent of every backend: living children plus collected ones are all.
    """
    while True:
        own = postmaster.cpu_times()
        living = _living(postmaster)
        after = postmaster.cpu_times()
        # A backend that ended in between is in neither sum, or in both: read again.
        if living is not None and _collected(own) == _collected(after):
            return float(own.user + own.system) + _collected(own) + living


def _living(postmaster: psutil.Process) -> float | None:
    """CPU seconds of the processes that have not ended; None when one ended meanwhile."""
    try:
        times = [child.cpu_times() for child in postmaster.children()]
    except psutil.NoSuchProcess:
        return None
    return float(sum(time.user + time.system for time in times))


def _collected(times: Any) -> float:  # noqa: ANN401 - psutil's own tuple, which has no public name
    return float(times.children_user + times.children_system)
