"""An hour of loads, revisions and reads, and gauges of what must not grow meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from statistics import median

import psutil

from embedded.servers.mage import MageServer, running
from mage_server.retention import clear_expired
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from qa.chaos.pipeline import Order
from qa.chaos.stores import Stores
from qa.chaos.trials import Trial, tell
from qa.chaos.world import Pipeline, World

_BY_LOADER = tuple(Partition(SERVICES["yellow"], Month(2023, number)) for number in (1, 2, 3))
_BY_MAGE = tuple(Partition(SERVICES["green"], Month(2023, number)) for number in (1, 2))
_SEEDS = (1, 2)
_ROWS = 20_000
_RETENTION = 120.0
"""Seconds that Mage's outputs and logs are kept here: the 90 days do not pass in an hour."""
_SAMPLES = 240
_MB = 1_000_000

GAUGES: Mapping[str, tuple[float, float]] = {
    "MB of memory of a process that loads without end": (0.05, 10),
    "its open files": (0, 2),
    "MB of memory of Mage's server and scheduler": (0.05, 20),
    "their open files": (0, 6),
    "sessions of PostgreSQL": (0, 3),
    "MB in the work folder": (0, 5),
    "objects in staging/": (0, 6),
    "MB that Mage keeps of its runs": (0.1, 1),
    "MB of PostgreSQL's catalog": (0.1, 2),
    "MB of the schema of the trips": (0.1, 2),
    "MB in the lake": (0.1, 1),
}
"""By which share, and by how much besides, each may be larger in the last quarter of the time than
in the second; the first is for warming up."""

_SIZES = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE nspname = 'pg_catalog'), 0)::float8,
  coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE nspname = 'tlc'), 0)::float8
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind = 'r'
"""


def run_soak(world: World, *, seconds: float) -> list[Trial]:
    trials = Soak(world).run(seconds, every=max(seconds / _SAMPLES, 2.0))
    for trial in trials:
        tell(trial)
    return trials


class Soak:
    """Every load is a revision: the source changes its mind before each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._done: Counter[str] = Counter()
        self._problems: set[str] = set()
        self._over = threading.Event()
        self._samples: list[list[float]] = []

    def run(self, seconds: float, every: float) -> list[Trial]:
        """Load for so long, and take a sample of every gauge every so many seconds."""
        folder = self._world.stack.state_dir / "mage"
        folder.mkdir()
        with (
            closing(self._world.pipeline()) as loader,
            running(self._world.pipeline_environment, folder) as mage,
            ThreadPoolExecutor(3) as pool,
        ):
            works = [
                pool.submit(self._until_over, work)
                for work in (
                    lambda turn: self._load(loader, turn),
                    lambda turn: self._load_by_mage(mage, turn),
                    self._read,
                )
            ]
            try:
                self._watch(seconds, every, loader, mage)
            finally:
                self._over.set()
            for work in works:
                work.result()
        return self._trials(seconds)

    def _watch(self, seconds: float, every: float, loader: Pipeline, mage: MageServer) -> None:
        kept = Path(mage.environment["MAGE_DATA_DIR"], mage.project.name)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(every)
            for folder in (".variables", ".logs"):
                cleared = clear_expired(kept / "pipelines", folder, _RETENTION, time.time())
                self._done[f"folders of {folder} cleared"] += cleared
            self._samples.append(_sample(self._world.stores, kept, loader.pid, mage.pid))
            if len(self._samples) % 20 == 0:
                tell(f"soak: {left / 60:.0f} min left, {sum(self._done.values())} things done")

    def _until_over(self, work: Callable[[int], None]) -> None:
        turn = 0
        while not self._over.is_set():
            turn += 1
            work(turn)

    def _load(self, loader: Pipeline, turn: int) -> None:
        """Every fifth time the months are unchanged, and loaded all the same."""
        force = turn % 5 == 0
        if not force:
            self._publish(_BY_LOADER, turn - turn // 5)
        ending = loader.run(Order("yellow", _months(_BY_LOADER), force=force, stay=True))
        self._done["loads by the process that stays"] += len(ending.statuses)
        if ending.error or set(ending.statuses.values()) != {"reconciled"}:
            self._problems.add(f"a load ended with {ending.error or ending.statuses}")

    def _load_by_mage(self, mage: MageServer, turn: int) -> None:
        self._publish(_BY_MAGE, turn)
        trigger = mage.trigger("tlc_trips", "load_months")["id"]
        variables = {"service": "green", "months": _months(_BY_MAGE)}
        run = mage.post(
            f"pipeline_schedules/{trigger}/pipeline_runs",
            {"pipeline_run": {"variables": variables}},
        )["pipeline_run"]["id"]
        ended = mage.finished(run, seconds=600)
        self._done["loads by Mage's scheduler"] += len(_BY_MAGE)
        if ended["status"] != "completed":
            self._problems.add(f"Mage's run {run} ended as {ended['status']}")

    def _read(self, turn: int) -> None:
        month = (*_BY_LOADER, *_BY_MAGE)[turn % (len(_BY_LOADER) + len(_BY_MAGE))]
        found = self._world.stores.shown_by_postgres(month)
        # Until its first load a month is not there.
        if found is not None:
            self._done["reads"] += 1
            if found[0] + found[2] not in {_ROWS + seed for seed in _SEEDS}:
                self._problems.add(f"a reader saw {found} of {month}")
        self._over.wait(0.05)

    def _publish(self, months: tuple[Partition, ...], turn: int) -> None:
        seed = _SEEDS[turn % 2]
        for month in months:
            self._world.publish(month, _ROWS + seed, seed)

    def _trials(self, seconds: float) -> list[Trial]:
        done = ", ".join(f"{count} {what}" for what, count in self._done.items())
        what = f"{seconds / 60:.0f} minutes, {len(self._samples)} samples"
        gauges = [
            _judged(name, [row[at] for row in self._samples]) for at, name in enumerate(GAUGES)
        ]
        return [Trial("soak", what, done, tuple(sorted(self._problems))), *gauges]


def _judged(name: str, series: list[float]) -> Trial:
    quarter = max(len(series) // 4, 1)
    before, after = median(series[quarter : 2 * quarter] or series), median(series[-quarter:])
    share, slack = GAUGES[name]
    found = f"{before:,.1f} → {after:,.1f}"
    problems = (f"grew: {found}",) if after > before * (1 + share) + slack else ()
    return Trial("soak", name, f"{found}, at most {max(series):,.1f}", problems)


def _sample(stores: Stores, kept: Path, loader: int, mage: int) -> list[float]:
    """One sample of every gauge, in their order."""
    ((sessions, catalog, schema),) = stores.sql(_SIZES)
    return [
        *_own([psutil.Process(loader)]),
        *_own(_staying(psutil.Process(mage))),
        sessions,
        _megabytes(Path(stores.environment["TLC_WORK_DIR"])),
        sum(1 for _ in stores.blobs("staging/")),
        _megabytes(kept),
        catalog / _MB,
        schema / _MB,
        sum(blob.size or 0 for blob in stores.blobs("")) / _MB,
    ]


def _staying(server: psutil.Process) -> Iterator[psutil.Process]:
    """Mage's server and its scheduler: the processes of single blocks come and go."""
    yield server
    with suppress(psutil.NoSuchProcess):
        yield from server.children()


def _own(processes: Iterator[psutil.Process] | list[psutil.Process]) -> tuple[float, int]:
    """Megabytes that are the processes' own, and open files."""
    memory = files = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            memory += process.memory_full_info().uss
            files += process.num_fds()
    return memory / _MB, files


def _megabytes(folder: Path) -> float:
    """Size of a folder in which files come and go meanwhile."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(where, name).lstat().st_size
    return total / _MB


def _months(months: tuple[Partition, ...]) -> str:
    return ",".join(str(one.month) for one in months)
