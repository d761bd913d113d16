"""Packages that must stay out of the project's environment, installed next to it by uv."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_LOCAL = _CHECKOUT / ".local"


class NotInstallableError(RuntimeError):
    """A package is not available here; the message says what the installer reported."""


def own_python(pins: Path, home: Path | None = None) -> Path:
    """The interpreter of an environment with the pinned packages and no others.

    It is made at first use, and again when the pins change. Processes take turns.

    Args:
        pins: A requirements file. Hashes in it are verified.
        home: Where the environment is; by default ``.local/<name of the file>``.

    Raises:
        NotInstallableError: a package is not available here.
    """
    home = home or _LOCAL / pins.stem
    python = home / "bin" / "python"
    _install_once(
        pins,
        home,
        ("venv", "--clear", "--python", sys.executable, home),
        ("pip", "sync", "--python", python, pins),
    )
    return python


def package_folder(pins: Path, home: Path | None = None) -> Path:
    """A folder with the pinned packages, to be put first on ``PYTHONPATH``.

    For programs that import the project, too: their packages hide the project's where both have
    one. Made like the environment of :func:`own_python`.
    """
    home = home or _LOCAL / pins.stem
    target = ("--target", home, "--python", sys.executable)
    _install_once(pins, home, ("pip", "install", *target, "--requirement", pins))
    return home


def is_installed(pins: Path, home: Path | None = None) -> bool:
    """Tell whether all of exactly these pins is there."""
    stamp = (home or _LOCAL / pins.stem) / "pins.sha256"
    return stamp.exists() and stamp.read_text(encoding="ascii") == _digest(pins)


def _install_once(pins: Path, home: Path, *commands: tuple[str | Path, ...]) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed(pins, home):
            shutil.rmtree(home, ignore_errors=True)  # --target would leave packages of old pins
            for command in commands:
                _uv(pins.stem, *command)
            (home / "pins.sha256").write_text(_digest(pins), encoding="ascii")


def _uv(name: str, *words: str | Path) -> None:
    command = [Path(sys.executable).with_name("uv"), "--quiet", *words]
    try:
        done = subprocess.run(command, cwd=_CHECKOUT, text=True, check=False, capture_output=True)
    except OSError as error:
        raise NotInstallableError(f"{name} cannot be installed: {error}") from None
    if done.returncode:
        reported = " ".join(done.stderr.split())[:500]
        raise NotInstallableError(f"{name} cannot be installed: {reported}")


def _digest(pins: Path) -> str:
    return hashlib.sha256(pins.read_bytes()).hexdigest()
