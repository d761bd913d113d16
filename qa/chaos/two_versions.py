"""A month that exists in two versions, each in turn replacing the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from qa.chaos.boundaries import FailPoint
from qa.chaos.pipeline import Ending, Order
from qa.chaos.stores import Shown
from qa.chaos.world import World

MONTH = Partition(SERVICES["green"], Month(2024, 1))
_NEIGHBOUR = Partition(SERVICES["green"], Month(2024, 2))
_ROWS = 140_000
"""Two row groups and more when staged, so that the month can be loaded in parts."""
_PARTS_FROM = 100_000
_SEEDS = (1, 2)


@dataclass(frozen=True)
class Trial:
    """Something that was done to a run.

    Attributes:
        of: What it was done to, for the table: ``kill``, ``Postgres``, ``GCS``, ``source``.
        outcome: How the disturbed run ended.
        problems: What was found wrong afterwards; nothing if all is well.
        reached: Whether the disturbance took place.
        said: The error of the disturbed run, if it ended with one.
        series: What a gauge showed, over time.
    """

    of: str
    what: str
    outcome: str
    problems: tuple[str, ...]
    reached: bool = True
    said: str = ""
    series: tuple[float, ...] = ()

    def with_problems(self, further: Iterable[str]) -> Trial:
        return replace(self, problems=(*self.problems, *further))


class TwoVersions:
    """The month, its versions, and what the stores show after an undisturbed load of each."""

    def __init__(self, world: World, rows: int = _ROWS) -> None:
        """Load both versions, undisturbed."""
        self.world = world
        self._rows = rows
        self._held = _SEEDS[0]
        self._undisturbed: dict[int, Shown] = {}
        world.publish(_NEIGHBOUR, 1_000, seed=0)
        for seed in _SEEDS:
            world.publish(MONTH, self._rows + seed, seed)
            self.load_again()
            self._undisturbed[seed] = world.stores.shown(MONTH)
            self._held = seed
        self._neighbour = world.stores.shown(_NEIGHBOUR)

    def offer_other(self) -> None:
        """Let the source have the version that the stores do not hold."""
        seed = self._other()
        self.world.publish(MONTH, self._rows + seed, seed)
        self.world.forget_raw(MONTH)

    def run(self, fail_point: FailPoint | None = None, kill_after: float | None = None) -> Ending:
        """Load what the source has; it may fail, or be killed."""
        return self.world.run(
            replace(self._order(str(MONTH.month)), fail_point=fail_point, kill_after=kill_after)
        )

    def load(self) -> dict[str, int]:
        """Load what the source has, undisturbed; returns the boundaries passed."""
        passed = self._run_whole(str(MONTH.month))
        self._held = self._other()
        return passed

    def load_again(self) -> None:
        """Run the pipeline over both months, whatever it will find to do."""
        self._run_whole(f"{MONTH.month}:{_NEIGHBOUR.month}")

    def torn(self) -> Iterator[str]:
        """Stores that show neither the old month nor the new one, whole."""
        found = self.world.stores.shown(MONTH)
        versions = list(self._undisturbed.values())
        if found.postgres not in [version.postgres for version in versions]:
            yield f"after it Postgres shows {found.postgres}"
        for at, name in enumerate(("trips", "quarantine")):
            if found.lake[at] not in [version.lake[at] for version in versions]:
                yield f"after it the lake's {name} are of neither version ({found.lake[at]})"
        for at, name in enumerate(("trips", "quarantine")):
            # Each is replaced atomically, the two are not: docs/bigquery.md.
            if _at(found.bigquery, at) not in [_at(version.bigquery, at) for version in versions]:
                yield f"after it BigQuery's {name} are of neither version ({found.bigquery})"
        if found.manifest not in [version.manifest for version in versions]:
            yield f"after it the manifest is of neither version ({found.manifest})"
        if self.world.stores.shown(_NEIGHBOUR) != self._neighbour:
            yield "after it the neighbouring month has changed"

    def unlike_undisturbed(self) -> Iterator[str]:
        """What differs, now that a run has ended well, from a load that nothing disturbed."""
        found, expected = self.world.stores.shown(MONTH), self._undisturbed[self._held]
        if found != expected:
            yield f"in the end {found}, an undisturbed load leaves {expected}"
        for orphan in self.world.stores.orphans():
            yield f"in the end there is an orphan: {orphan}"

    def _other(self) -> int:
        return next(seed for seed in _SEEDS if seed != self._held)

    def _run_whole(self, months: str) -> dict[str, int]:
        ending = self.world.run(self._order(months))
        if ending.signal or ending.error:
            raise RuntimeError(f"an undisturbed run failed: {ending.error or ending.signal}")
        return ending.passed

    def _order(self, months: str) -> Order:
        return Order(MONTH.service.name, months, parts_from=_PARTS_FROM)


def _at(pair: tuple[tuple[int, ...], ...] | None, position: int) -> tuple[int, ...] | None:
    return None if pair is None else pair[position]
