"""A BigQuery emulator as a background server, in a Python environment of its own."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from embedded.servers.http_daemon import HttpDaemon

_CHECKOUT = Path(__file__).resolve().parents[2]
_PINS = Path(__file__).with_name("bigquery_emulator.txt")
_HOME = _CHECKOUT / ".local" / "bigquery_emulator"
"""One environment for every state directory: it has 450 MB."""
_STAMP = _HOME / "pins.sha256"
"""Which pins were installed, written when all of them were."""


class EmulatorAbsentError(RuntimeError):
    """The emulator cannot be installed here; the message says what the installer said."""


class BigQueryServer(HttpDaemon):
    """The emulator of a state directory; it loads from the files of a GCS emulator."""

    project = "emulated"
    dataset = "tlc"
    location = "US"

    def __init__(self, state_dir: Path, objects_dir: Path) -> None:
        """Describe the emulator; nothing is installed or started."""
        super().__init__(
            "bigquery",
            state_dir,
            module="embedded.servers.bigquery",
            arguments=[
                "--data-dir", state_dir.absolute() / "bigquery", "--gcs-root", objects_dir,
            ],
        )  # fmt: skip

    def start(self) -> bool:
        """Make the server answer, installing it first if need be; False when it already did.

        Raises:
            EmulatorAbsentError: it cannot be installed here.
            ServerStartError: it died or stayed silent. Read its log.
        """
        install()
        return super().start()


def install() -> Path:
    """The interpreter of the emulator's environment, made at first use and when its pins change.

    Raises:
        EmulatorAbsentError: a package is not to be had here.
    """
    python = _HOME / "bin" / "python"
    _HOME.parent.mkdir(exist_ok=True)
    with _HOME.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed():
            uv = Path(sys.executable).with_name("uv")
            _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, _HOME)
            _run(uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, _PINS)
            _STAMP.write_text(_pins(), encoding="ascii")
    return python


def is_installed() -> bool:
    """Tell whether the emulator is here, in the version that is pinned."""
    return _STAMP.exists() and _STAMP.read_text(encoding="ascii") == _pins()


def _pins() -> str:
    return hashlib.sha256(_PINS.read_bytes()).hexdigest()


def _run(*words: str | Path) -> None:
    try:
        done = subprocess.run(words, cwd=_CHECKOUT, text=True, check=False, capture_output=True)
    except OSError as error:
        raise EmulatorAbsentError(f"the BigQuery emulator cannot be installed: {error}") from None
    if done.returncode:
        said = " ".join(done.stderr.split())[:500]
        raise EmulatorAbsentError(f"the BigQuery emulator cannot be installed: {said}")


def main() -> None:
    """Become the emulator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--gcs-root", type=Path, required=True)
    parser.add_argument("--port", required=True)
    arguments = parser.parse_args()
    for folder in (arguments.data_dir, arguments.gcs_root):
        folder.mkdir(parents=True, exist_ok=True)
    python = install()
    words = [python, "-m", "embedded.servers.bigquery_emulator", *sys.argv[1:]]
    os.execv(python, [str(word) for word in words])  # noqa: S606 - no shell is meant


if __name__ == "__main__":
    main()
