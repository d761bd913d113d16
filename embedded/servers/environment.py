"""Packages that must stay out of the project's environment, installed next to it by uv."""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_LOCAL = _CHECKOUT / ".local"


class NotInstallableError(RuntimeError):
    """A package is not available here; the message says what the installer reported."""


def own_python(pins: Path) -> Path:
    """The interpreter of an environment with the pinned packages and no others.

    It is created at first use in ``.local/<name of the file>``, and again when the pins change;
    processes take turns. Unlike ``uv run --isolated`` it needs no network afterwards.

    Args:
        pins: A requirements file. Hashes in it are verified.

    Raises:
        NotInstallableError: a package is not available here.
    """
    home = _LOCAL / pins.stem
    python = home / "bin" / "python"
    _LOCAL.mkdir(exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed(pins):
            _uv(pins, "venv", "--clear", "--python", sys.executable, home)
            _uv(pins, "pip", "sync", "--python", python, pins)
            (home / "pins.sha256").write_text(_digest(pins), encoding="ascii")
    return python


def is_installed(pins: Path) -> bool:
    """Tell whether exactly these pins are installed."""
    stamp = _LOCAL / pins.stem / "pins.sha256"
    return stamp.exists() and stamp.read_text(encoding="ascii") == _digest(pins)


def _uv(pins: Path, *words: str | Path) -> None:
    command = [Path(sys.executable).with_name("uv"), "--quiet", *words]
    try:
        done = subprocess.run(command, cwd=_CHECKOUT, text=True, check=False, capture_output=True)
    except OSError as error:
        raise NotInstallableError(f"{pins.stem} cannot be installed: {error}") from None
    if done.returncode:
        reported = " ".join(done.stderr.split())[:500]
        raise NotInstallableError(f"{pins.stem} cannot be installed: {reported}")


def _digest(pins: Path) -> str:
    return hashlib.sha256(pins.read_bytes()).hexdigest()
