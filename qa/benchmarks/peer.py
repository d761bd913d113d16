"""What a user would pick instead, each in a virtual environment of its own."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from qa.benchmarks import inputs
from qa.benchmarks.case import Case
from qa.benchmarks.measure import CHECKOUT, Command
from qa.benchmarks.run import CaseFailedError
from qa.benchmarks.study import Plan
from qa.benchmarks.workbench import SCRATCH_SCHEMA, Workbench

_PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Peer:
    """A loader: ``peers/<script>.py`` does it, with what ``peers/<name>.txt`` pins.

    Attributes:
        packages: Whose versions the table names.
        share: The part of the rows that it is given, because all would take too long.
    """

    name: str
    title: str
    script: str
    packages: tuple[str, ...]
    share: float = 1.0


_ADBC = "adbc-driver-postgresql"
PEERS = (
    Peer("duckdb_postgres", "DuckDB, postgres extension", "duckdb_postgres", ("duckdb",)),
    Peer("adbc_ingest", "ADBC, `adbc_ingest`", "adbc_ingest", (_ADBC,)),
    Peer(
        "polars_adbc", 'polars, `write_database(engine="adbc")`', "polars_adbc", ("polars", _ADBC)
    ),
    Peer("dlt_adbc", "dlt, Parquet through ADBC, 4 workers", "dlt_adbc", ("dlt", _ADBC)),
    Peer("mage_export", "Mage, `Postgres.export`", "mage_export", ("mage-ai",)),
    Peer(
        "pandas_to_sql",
        "pandas, `to_sql` (from a tenth)",
        "pandas_to_sql",
        ("pandas", "sqlalchemy", "psycopg2-binary"),
        share=0.1,
    ),
    Peer(
        "pandas_to_sql_psycopg",
        "pandas, `to_sql`, psycopg 3 (from a tenth)",
        "pandas_to_sql",
        ("pandas", "sqlalchemy", "psycopg"),
        share=0.1,
    ),
)


def peer_case(peer: Peer, bench: Workbench, plan: Plan, service: str, month: str) -> Case:
    """A peer's case; one that cannot be installed says why in ``absent``."""
    rows = int(plan.rows * peer.share)
    published = (
        inputs.published(bench, service, month, rows) / f"{service}_tripdata_{month}.parquet"
    )
    absent, python = "", Path()
    try:
        python = _install(peer, bench.folder / "venvs" / peer.name, plan)
    except CaseFailedError as error:
        absent = str(error)
    words = (python, _PEERS / "run.py", peer.script, published, SCRATCH_SCHEMA, peer.name)
    return Case(
        peer.name,
        peer.title,
        Command(words, bench.peer_environment()),
        f"SELECT count(*) FROM {SCRATCH_SCHEMA}.{peer.name}",
        rows,
        share=peer.share,
        version=peer_version(peer),
        kind="peer",
        absent=absent,
    )


def _install(peer: Peer, folder: Path, plan: Plan) -> Path:
    """The interpreter of the peer's environment, made at first use and whenever its pins change.

    Raises:
        CaseFailedError: a package is not to be had here.
    """
    pins = _PEERS / f"{peer.name}.txt"
    python, stamp = folder / "bin" / "python", folder / "pins.sha256"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return python
    plan.tell(f"installing {peer.name}")
    uv = Path(sys.executable).with_name("uv")
    _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
    _run(uv, "pip", "install", "--quiet", "--python", python, "--requirement", pins)
    stamp.write_text(wanted, encoding="ascii")
    return python


def _run(*words: str | Path) -> None:
    done = subprocess.run(words, cwd=CHECKOUT, text=True, check=False, capture_output=True)
    if done.returncode:
        raise CaseFailedError(f"cannot be installed: {' '.join(done.stderr.split())}")


def peer_version(peer: Peer) -> str:
    pins = (_PEERS / f"{peer.name}.txt").read_text(encoding="utf-8")
    found = dict(re.findall(r"^([\w.-]+)==(\S+)", pins, re.MULTILINE))
    return ", ".join(f"{name} {found[name]}" for name in peer.packages)
