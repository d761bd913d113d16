"""Many runs over the same months at once, and readers who look all the time."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.month import Month
from qa.chaos.pipeline import Order, run
from qa.chaos.stores import LAKE_TRIPS, POSTGRES, Shown
from qa.chaos.trials import Trial, TwoVersions, run_undisturbed, tell, unlike
from qa.chaos.world import World

_MONTHS = tuple(Partition(SERVICES["yellow"], Month(2024, number)) for number in (1, 2, 3, 4))
_SEEDS = (1, 2)
_ROWS = 4_000
_CLEAR = (
    "another run", "other content", "changed during the run", "is gone", "replaced while",
    "not recorded as reconciled", "cannot be read as Parquet",
)  # fmt: skip
"""Words by which a run says that a faster one made it superfluous. The last are the emulator's: it
returns the bytes of another generation than the one asked for, where GCS answers 404."""


def run_crowd(
    month: TwoVersions, processes: int, seconds: float, months: int = len(_MONTHS)
) -> list[Trial]:
    trial = Crowd(month.world, months).gather(processes, seconds)
    tell(trial)
    return [trial]


class Crowd:
    """Months of which two versions take turns at the source, loaded by everybody at once."""

    def __init__(self, world: World, months: int) -> None:
        """Load both versions of every month, undisturbed, to know what may be seen."""
        self._world = world
        self._months = _MONTHS[:months]
        self._known: dict[Partition, list[Shown]] = {month: [] for month in self._months}
        self._runs: Counter[str] = Counter()
        self._reads = 0
        self._problems: set[str] = set()
        self._over = threading.Event()
        for seed in _SEEDS:
            self._publish(seed)
            run_undisturbed(world, *self._months)
            for month in self._months:
                self._known[month].append(world.stores.shown(month))

    def gather(self, processes: int, seconds: float) -> Trial:
        """Let so many processes load for so long."""
        stores = self._world.stores
        with ThreadPoolExecutor(processes + 3) as pool:
            crowd = [pool.submit(self._load, number) for number in range(processes)]
            crowd += [
                pool.submit(self._change_source),
                pool.submit(self._read, POSTGRES, stores.shown_by_postgres),
                pool.submit(
                    self._read, LAKE_TRIPS, lambda month: stores.digest(lake_paths.trips(month))
                ),
            ]
            self._over.wait(seconds)
            self._over.set()
            for one in crowd:
                one.result()
        self._publish(_SEEDS[-1])
        run_undisturbed(self._world, *self._months)
        for month in self._months:
            self._problems.update(unlike(self._world, month, self._known[month][-1]))
        what = f"{processes} processes on {len(self._months)} months for {seconds:.0f} s"
        ended = ", ".join(f"{count} {how}" for how, count in self._runs.most_common())
        ((deadlocks,),) = stores.sql(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        outcome = (
            f"{sum(self._runs.values())} loads of a month ({ended}), {self._reads} reads, "
            f"{deadlocks} deadlocks"
        )
        return Trial("crowd", what, what, outcome, tuple(sorted(self._problems)))

    def _load(self, number: int) -> None:
        choose = random.Random(number)  # noqa: S311 - a choice of trials, not a secret
        # Half of them know of no BigQuery: its emulator would slow the crowd down.
        settings = {"BIGQUERY_DATASET": ""} if number % 2 else {}
        with self._world.pipeline(**settings) as pipeline:
            while not self._over.is_set():
                some = choose.sample(self._months, choose.randrange(1, len(self._months)))
                months = ",".join(str(one.month) for one in some)
                order = Order("yellow", months, force=choose.random() < 0.3)
                ending = pipeline.submit(run, order).result()
                self._runs.update(ending.statuses.values())
                self._judge(ending.error)

    def _judge(self, error: str) -> None:
        """Every month that failed has to say that a faster run was there."""
        # Between the heading and what to do.
        for line in filter(lambda line: line.startswith("  "), error.splitlines()):
            self._runs["gave way to a faster run"] += 1
            if not any(words in line for words in _CLEAR):
                self._problems.add(line)

    def _change_source(self) -> None:
        seed = 0
        while not self._over.wait(0.7):
            seed += 1
            self._publish(_SEEDS[seed % 2])

    def _read(self, store: str, look: Callable[[Partition], object]) -> None:
        """See each month complete, in one version, and never missing."""
        while not self._over.wait(0.02):
            for month in self._months:
                found = look(month)
                self._reads += 1
                if found not in [known[store] for known in self._known[month]]:
                    self._problems.add(f"a reader saw {store} of {month} as {found}")

    def _publish(self, seed: int) -> None:
        for month in self._months:
            self._world.publish(month, _ROWS + seed, seed)
