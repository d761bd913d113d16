"""Whether a process remembered from an earlier command is still that same process."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_HAS_PROC = Path("/proc/self/stat").exists()


@dataclass(frozen=True)
class ProcessMark:
    """A pid and the birth of its process, which together are never given out twice."""

    pid: int
    birth: str

    def is_alive(self) -> bool:
        """Tell whether this very process runs; a zombie or a recycled pid does not count."""
        return mark_process(self.pid) == self


def mark_process(pid: int) -> ProcessMark | None:
    """Return the mark of the running process ``pid``, or None where there is none."""
    birth = _birth_from_proc(pid) if _HAS_PROC else _birth_from_ps(pid)
    return ProcessMark(pid, birth) if birth else None


def program_of(pid: int) -> str | None:
    """Return the name of the program ``pid`` runs, without its folder; a zombie runs none."""
    if mark_process(pid) is None:
        return None
    if _HAS_PROC:  # slim images come without ps
        try:
            return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        except OSError:
            return None  # it ended meanwhile
    return Path(found[0]).name if (found := _ask_ps(pid, "comm=")) else None


def _birth_from_proc(pid: int) -> str | None:
    # Ticks since boot, not psutil's create_time: that one is derived from the wall clock and
    # moves when the clock is set, which would make a running server look dead.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before ")" may hold spaces
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}/{start_ticks}"


def _birth_from_ps(pid: int) -> str | None:
    # macOS has no /proc; there the start time is noted once, so it does not move.
    state, *birth = _ask_ps(pid, "state=,lstart=") or ["Z"]
    return None if state.startswith("Z") else " ".join(birth)


def _ask_ps(pid: int, columns: str) -> list[str]:
    asked = subprocess.run(
        ["/bin/ps", "-o", columns, "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/bin:/usr/bin"},
    )
    return asked.stdout.split()
