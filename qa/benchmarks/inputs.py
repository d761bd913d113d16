"""What the cases read: published months, made once; a staged month, made anew for every study."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.benchmarks.measure import CHECKOUT
from qa.benchmarks.run import CaseFailedError
from qa.benchmarks.workbench import Workbench


@dataclass(frozen=True)
class Staged:
    """A month that was conformed and waits to be loaded.

    Attributes:
        table: The run table that conform returned, as Parquet.
        rows: Accepted rows.
        columns: Columns of ``encoded``, in its order.
        encoded: Its rows as a binary COPY.
    """

    table: Path
    rows: int
    columns: tuple[str, ...]
    encoded: Path


def published(bench: Workbench, service: str, months: str, rows: int) -> Path:
    """The folder with published months of so many rows each; made at first use."""
    folder = bench.folder / "published" / f"{service}-{rows}-{_generator()}"
    finished = folder / f"{months.replace(':', '_')}.finished"
    if not finished.exists():
        folder.mkdir(parents=True, exist_ok=True)
        run_program(
            "generate", bench.environment(),
            "--service", service, "--months", months, "--rows", str(rows), "--into", folder,
        )  # fmt: skip
        finished.touch()
    return folder


def staged(
    bench: Workbench, environment: Mapping[str, str], service: str, month: str, *, encode: bool
) -> Staged:
    """Conform a month anew, with the code as it is now, and load it a first time."""
    folder = bench.folder / environment["POSTGRES_SCHEMA"]
    folder.mkdir(exist_ok=True)
    table, encoded = folder / "conformed.parquet", folder / "rows.pgcopy"
    answer = run_program(
        "prepare", environment, "--service", service, "--months", month, "--table", table,
        *(("--encoded", encoded) if encode else ()),
    )  # fmt: skip
    return Staged(table, int(answer["rows"]), tuple(answer["columns"]), encoded)


def run_program(name: str, environment: Mapping[str, str], *words: str | Path) -> dict[str, Any]:
    """Run one of :mod:`qa.benchmarks.programs`, unmeasured; what its last line says.

    Raises:
        CaseFailedError: it failed; the message is the last line of what it said.
    """
    done = subprocess.run(
        [*program(name), *words], env=environment, cwd=CHECKOUT, text=True, check=False,
        capture_output=True,
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CaseFailedError(f"{name} ended with {done.returncode}: {said[-1] if said else ''}")
    lines = done.stdout.splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return answer


def program(name: str) -> tuple[str | Path, ...]:
    return (sys.executable, "-m", f"qa.benchmarks.programs.{name}")


def drop_old_input(bench: Workbench) -> None:
    """Delete published months that another version of the generator made."""
    for folder in (bench.folder / "published").glob("*"):
        if not folder.name.endswith(_generator()):
            shutil.rmtree(folder)


def _generator() -> str:
    """Changes whenever the generator does."""
    sources = sorted((CHECKOUT / "embedded").glob("sample_*.py"))
    text = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(text).hexdigest()[:8]
