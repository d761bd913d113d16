"""One target fuzzed for a while in a process of its own, and its corpus made small again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_LOCAL = CHECKOUT / ".local" / "fuzz"
CRASHES = _LOCAL / "crashes"
_PINS = Path(__file__).with_name("atheris.txt")
_OWN_NAME = re.compile("[0-9a-f]{40}")
"""The fuzzer names what it finds by its SHA-1; other names are given by hand, and stay."""
_LIMITS = ("-timeout=20", "-rss_limit_mb=2048")
"""Seconds and megabytes that no input may take."""


class AtherisError(Exception):
    """The fuzzer could not be installed or started; says why."""


@dataclass(frozen=True)
class Session:
    """What came of fuzzing a target.

    Attributes:
        executions: Inputs read.
        coverage: Edges that were reached, of the packages in :data:`qa.fuzz.engine.COVERED`.
        corpus: Files of the corpus afterwards.
        added: Those of them that are new.
        crashes: Files of inputs that broke a promise; the fuzzer ends at the first.
    """

    executions: int
    coverage: int
    corpus: int
    added: int
    crashes: tuple[Path, ...]


def fuzz(name: str, corpus: Path, seconds: int, most_bytes: int) -> Session:
    """Fuzz a target, and keep of what was found the inputs that reach more than others.

    Raises:
        AtherisError: the fuzzer does not run here.
    """
    before = _own_names(corpus)
    crashes = CRASHES / name
    crashes.mkdir(parents=True, exist_ok=True)
    known = set(crashes.iterdir())
    with tempfile.TemporaryDirectory() as made:
        work = Path(made) / "corpus"
        shutil.copytree(corpus, work)
        said = _engine(
            name, work, f"-max_total_time={seconds}", f"-max_len={most_bytes}",
            f"-artifact_prefix={crashes}/", "-print_final_stats=1", *_LIMITS,
        )  # fmt: skip
        new = tuple(sorted(set(crashes.iterdir()) - known))
        if not new:
            _minimise(name, corpus, work, Path(made) / "minimal", most_bytes)
    after = _own_names(corpus)
    files = sum(1 for _ in corpus.iterdir())
    return Session(*_figures(name, said), files, len(after - before), new)


def _minimise(name: str, corpus: Path, found: Path, minimal: Path, most_bytes: int) -> None:
    """Keep the files with names, and the least of the others that reaches as many edges.

    How often an edge is passed guides the fuzzer, but would keep hundreds of files.
    """
    minimal.mkdir()
    for file in corpus.iterdir():
        if not _OWN_NAME.fullmatch(file.name):
            shutil.copy(file, minimal)
    _engine(name, minimal, found, "-merge=1", "-use_counters=0", f"-max_len={most_bytes}", *_LIMITS)
    shutil.rmtree(corpus)
    shutil.copytree(minimal, corpus)


def _own_names(corpus: Path) -> set[str]:
    return {file.name for file in corpus.iterdir() if _OWN_NAME.fullmatch(file.name)}


def _engine(name: str, *arguments: str | Path) -> str:
    """Run libFuzzer at low priority; what it said."""
    environment = os.environ | {
        "FUZZ_TARGET": name,
        "PYTHONPATH": f"{_atheris()}{os.pathsep}{CHECKOUT}",
        "PYTHONWARNINGS": "ignore",
        "RUST_BACKTRACE": "0",
    }
    command = ["nice", "-n", "15", sys.executable, "-m", "qa.fuzz.engine", *arguments]
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, check=False)
    return done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")


def _figures(name: str, said: str) -> tuple[int, int]:
    executions = re.findall(r"number_of_executed_units: (\d+)", said)
    coverage = re.findall(r" cov: (\d+)", said)
    if not executions:
        raise AtherisError(f"{name}: the fuzzer did not run: {said[-2_000:]}")
    return int(executions[-1]), int(coverage[-1]) if coverage else 0


def _atheris() -> Path:
    """The folder of the fuzzer, installed at its first use: it has wheels for one platform only."""
    pins = _PINS.read_bytes()
    folder = _LOCAL / f"atheris-{hashlib.sha256(pins).hexdigest()[:12]}"
    _LOCAL.mkdir(parents=True, exist_ok=True)
    with (_LOCAL / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            uv = Path(sys.executable).with_name("uv")
            _run([uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", folder,
                  "--require-hashes", "--requirement", _PINS])  # fmt: skip
            (folder / "installed").touch()
    return folder


def _run(command: Sequence[str | Path]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AtherisError(f"atheris cannot be installed ({error})") from error
    if done.returncode:
        raise AtherisError(f"atheris cannot be installed: {' '.join(done.stderr.split())[-500:]}")
