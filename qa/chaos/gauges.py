"""What must not grow while months are loaded for an hour: its samples, and whether it did."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from qa.chaos.stores import Stores

MB = 1_000_000


@dataclass(frozen=True)
class Gauge:
    """Something that is measured again and again.

    Attributes:
        share: By which it may be larger in the last quarter than in the second; the first is
            for warming up.
        slack: By which it may be larger besides.
    """

    name: str
    unit: str
    share: float
    slack: float


_SIZES = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE nspname = 'pg_catalog'), 0)::float8,
  coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE nspname = 'tlc'), 0)::float8
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind = 'r'
"""

GAUGES = (
    Gauge("memory of a process that loads without end", "MB", 0.05, 10),
    Gauge("its open files", "", 0.0, 2),
    Gauge("memory of Mage's server and scheduler", "MB", 0.05, 20),
    Gauge("their open files", "", 0.0, 6),
    Gauge("sessions of PostgreSQL", "", 0.0, 3),
    Gauge("work folder", "MB", 0.0, 5),
    Gauge("objects in staging/", "", 0.0, 6),
    Gauge("what Mage keeps of its runs", "MB", 0.1, 1),
    Gauge("PostgreSQL's catalog", "MB", 0.1, 2),
    Gauge("the schema of the trips", "MB", 0.1, 2),
    Gauge("the lake", "MB", 0.1, 1),
)


def take(stores: Stores, kept: Path, loader: int, mage: int) -> list[float]:
    """One sample of every gauge, in their order.

    Args:
        stores: What is measured besides the two processes.
        kept: Where Mage keeps what it needs to.
        loader: Of the process that loads without end.
        mage: Of `mage start`.
    """
    memory, files = _of([psutil.Process(loader)])
    mage_memory, mage_files = _of(list(_staying(psutil.Process(mage))))
    ((sessions, catalog, schema),) = stores.sql(_SIZES)
    return [
        memory / MB,
        files,
        mage_memory / MB,
        mage_files,
        sessions,
        _bytes(Path(stores.environment["TLC_WORK_DIR"])) / MB,
        sum(1 for _ in stores.blobs("staging/")),
        _bytes(kept) / MB,
        catalog / MB,
        schema / MB,
        sum(blob.size or 0 for blob in stores.blobs("")) / MB,
    ]


def has_grown(gauge: Gauge, before: float, after: float) -> bool:
    return after > before * (1 + gauge.share) + gauge.slack


def compared(samples: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Of each gauge the median of the second quarter and of the last."""
    quarter = max(len(samples) // 4, 1)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    return [
        (median(row[at] for row in early), median(row[at] for row in late))
        for at in range(len(GAUGES))
    ]


def _staying(server: psutil.Process) -> Iterator[psutil.Process]:
    """Mage's server and its scheduler: the processes of single blocks come and go."""
    yield server
    with suppress(psutil.NoSuchProcess):
        yield from server.children()


def _of(processes: Sequence[psutil.Process]) -> tuple[int, int]:
    """Bytes that are their own, and open files."""
    memory = files = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            memory += process.memory_full_info().uss
            files += process.num_fds()
    return memory, files


def _bytes(folder: Path) -> int:
    """Of a folder in which files come and go meanwhile."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(where, name).lstat().st_size
    return total
