"""An hour of loads, revisions and reads, by a process that stays and by Mage's scheduler."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from embedded.servers.mage import MageServer, running
from mage_server.retention import clear_expired
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from qa.chaos.gauges import GAUGES, Gauge, compared, has_grown, take
from qa.chaos.kills import Tell
from qa.chaos.pipeline import Order
from qa.chaos.two_versions import Trial
from qa.chaos.world import Pipeline, World

_BY_LOADER = tuple(Partition(SERVICES["yellow"], Month(2023, number)) for number in (1, 2, 3))
_BY_MAGE = tuple(Partition(SERVICES["green"], Month(2023, number)) for number in (1, 2))
_SEEDS = (1, 2)
_ROWS = 20_000
_RETENTION = 120.0
"""Seconds that Mage's outputs and logs are kept here: the 90 days do not pass in an hour."""

_SAMPLES = 240


@dataclass
class _Work:
    done: Counter[str] = field(default_factory=Counter)
    problems: set[str] = field(default_factory=set)


class Soak:
    """Every load is a revision: the source changes its mind before each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._work = _Work()
        self._over = threading.Event()
        self._samples: list[list[float]] = []

    def run(self, seconds: float, every: float) -> list[Trial]:
        """Load for so long, and take a sample of everything every so many seconds."""
        folder = self._world.stack.state_dir / "mage"
        folder.mkdir()
        with (
            closing(self._world.pipeline()) as loader,
            running(self._world.pipeline_environment, folder) as mage,
            ThreadPoolExecutor(3) as pool,
        ):
            kept = Path(mage.environment["MAGE_DATA_DIR"], mage.project.name)
            works = [
                pool.submit(self._until_over, partial(self._load, loader)),
                pool.submit(self._until_over, partial(self._load_by_mage, mage)),
                pool.submit(self._until_over, self._read),
            ]
            try:
                self._watch(seconds, every, (loader.pid, mage.pid), kept)
            finally:
                self._over.set()
            for work in works:
                work.result()
        return self._trials(seconds)

    def _watch(self, seconds: float, every: float, pids: tuple[int, int], kept: Path) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(every)
            for folder in (".variables", ".logs"):
                cleared = clear_expired(kept / "pipelines", folder, _RETENTION, time.time())
                self._work.done[f"folders of {folder} cleared"] += cleared
            self._samples.append(take(self._world.stores, kept, *pids))

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
        order = Order("yellow", _months(_BY_LOADER), force=force, stay=True)
        ending = loader.run(order)
        self._work.done["loads by the process that stays"] += len(ending.statuses)
        if ending.error or set(ending.statuses.values()) != {"reconciled"}:
            self._work.problems.add(f"a load ended with {ending.error or ending.statuses}")

    def _load_by_mage(self, mage: MageServer, turn: int) -> None:
        self._publish(_BY_MAGE, turn)
        trigger = mage.trigger("tlc_trips", "load_months")["id"]
        variables = {"service": "green", "months": _months(_BY_MAGE)}
        run = mage.post(
            f"pipeline_schedules/{trigger}/pipeline_runs",
            {"pipeline_run": {"variables": variables}},
        )["pipeline_run"]["id"]
        ended = mage.finished(run, seconds=600)
        self._work.done["loads by Mage's scheduler"] += len(_BY_MAGE)
        if ended["status"] != "completed":
            self._work.problems.add(f"Mage's run {run} ended as {ended['status']}")

    def _read(self, turn: int) -> None:
        month = (*_BY_LOADER, *_BY_MAGE)[turn % (len(_BY_LOADER) + len(_BY_MAGE))]
        found = self._world.stores.shown_by_postgres(month)
        # Until its first load a month is not there.
        if found is not None:
            self._work.done["reads"] += 1
            if found[0] + found[2] not in {_ROWS + seed for seed in _SEEDS}:
                self._work.problems.add(f"a reader saw {found} of {month}")
        self._over.wait(0.05)

    def _publish(self, months: tuple[Partition, ...], turn: int) -> None:
        seed = _SEEDS[turn % 2]
        for month in months:
            self._world.publish(month, _ROWS + seed, seed)

    def _trials(self, seconds: float) -> list[Trial]:
        done = ", ".join(f"{count} {what}" for what, count in self._work.done.items())
        what = f"{seconds / 60:.0f} minutes, {len(self._samples)} samples"
        judged = [
            _judged(gauge, before, after, tuple(round(row[at], 1) for row in self._samples))
            for at, (gauge, (before, after)) in enumerate(
                zip(GAUGES, compared(self._samples), strict=True)
            )
        ]
        return [Trial("soak", what, done, tuple(sorted(self._work.problems))), *judged]


def _judged(gauge: Gauge, before: float, after: float, series: tuple[float, ...]) -> Trial:
    found = f"{before:,.1f} → {after:,.1f} {gauge.unit}".strip()
    problems = (f"grew: {found}",) if has_grown(gauge, before, after) else ()
    return Trial("soak", gauge.name, found, problems, series=series)


def run_soak(world: World, *, seconds: float, tell: Tell) -> list[Trial]:
    trials = Soak(world).run(seconds, every=max(seconds / _SAMPLES, 2.0))
    for trial in trials:
        tell(f"soak  {trial.what}: {'; '.join(trial.problems) or trial.outcome}")
    return trials


def _months(months: tuple[Partition, ...]) -> str:
    return ",".join(str(one.month) for one in months)
