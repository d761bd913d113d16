"""Trials: a month that exists in two versions, each in turn replacing the other under a fault."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from qa.chaos.pipeline import Ending, Order
from qa.chaos.stores import Shown
from qa.chaos.world import World

MONTH = Partition(SERVICES["green"], Month(2024, 1))
_NEIGHBOUR = Partition(SERVICES["green"], Month(2024, 2))
_ROWS = 140_000
"""Two row groups and more when staged, so that the month can be loaded in parts."""
_SEEDS = (1, 2)
_Case = TypeVar("_Case")


@dataclass(frozen=True)
class Trial:
    """Something that was done to a run.

    Attributes:
        of: What it was done to or at: ``Postgres``, ``gcs``, ``source``.
        kind: What it has in common with other trials: kills at the same boundary.
        outcome: How the disturbed run ended.
        problems: What was wrong afterwards; empty if nothing was.
        reached: Whether the disturbance took place.
        said: The disturbed run's error, if it ended with one.
    """

    of: str
    kind: str
    what: str
    outcome: str
    problems: tuple[str, ...]
    reached: bool = True
    said: str = ""

    def __str__(self) -> str:
        return f"{self.of}: {self.what}: {'; '.join(self.problems) or self.outcome}"


def tell(text: object) -> None:
    print(text, file=sys.stderr, flush=True)


class TwoVersions:
    """The month, its versions, and what the stores show after an undisturbed load of each."""

    def __init__(self, world: World, rows: int = _ROWS) -> None:
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
        """Publish the version that the stores do not hold."""
        seed = self._other()
        self.world.publish(MONTH, self._rows + seed, seed)
        self.world.forget_raw(MONTH)

    def run(self, **disturbed: Any) -> Ending:
        """Load what the source has; the run may fail, or be killed as the order says."""
        return self.world.run(Order(MONTH.service.name, str(MONTH.month), **disturbed))

    def load(self) -> Mapping[str, int]:
        """Load what the source has, undisturbed; returns the boundaries passed."""
        passed = run_undisturbed(self.world, MONTH)
        self._held = self._other()
        return passed

    def load_again(self) -> None:
        """Run the pipeline over both months, whatever it finds to do."""
        run_undisturbed(self.world, MONTH, _NEIGHBOUR)

    def after(self, of: str, what: str, ending: Ending, problems: Iterable[str] = ()) -> Trial:
        """Judge a disturbed run by what the stores show now, and after the run that follows it."""
        found = [*problems, *self.torn()]
        self.load()
        found += self.unlike_undisturbed()
        if ending.signal:
            outcome = "killed, then repaired by the next run"
        else:
            outcome = "refused, then repaired by the next run" if ending.error else "absorbed"
        return Trial(of, what, what, outcome, tuple(found), said=ending.error)

    def torn(self) -> Iterator[str]:
        """Name the stores that show neither the old month nor the new one in full."""
        for store, found in self.world.stores.shown(MONTH).items():
            if found not in [version[store] for version in self._undisturbed.values()]:
                yield f"after it {store} shows neither version: {found}"
        if self.world.stores.shown(_NEIGHBOUR) != self._neighbour:
            yield "after it the neighbouring month has changed"

    def unlike_undisturbed(self) -> Iterator[str]:
        """Name what differs, after a run that ended well, from a load that nothing disturbed."""
        yield from unlike(self.world, MONTH, self._undisturbed[self._held])

    def _other(self) -> int:
        return next(seed for seed in _SEEDS if seed != self._held)


def run_undisturbed(world: World, *months: Partition) -> Mapping[str, int]:
    """Load months of one service; returns the boundaries passed."""
    ending = world.run(
        Order(months[0].service.name, ",".join(str(partition.month) for partition in months))
    )
    if ending.signal or ending.error:
        raise RuntimeError(f"an undisturbed run failed: {ending.error or ending.signal}")
    return ending.passed


def unlike(world: World, month: Partition, expected: Shown) -> Iterator[str]:
    """Name what the stores show of a month otherwise than expected, and what nobody refers to."""
    found = world.stores.shown(month)
    if found != expected:
        yield f"in the end {month} is {found}, an undisturbed load leaves {expected}"
    for orphan in world.stores.orphans():
        yield f"in the end there is an orphan: {orphan}"


def run_all(cases: Sequence[_Case], run_case: Callable[[_Case], Trial]) -> list[Trial]:
    """Run every case once, and print how long the others may take."""
    trials: list[Trial] = []
    began = time.monotonic()
    for case in cases:
        trials.append(run_case(case))
        left = (time.monotonic() - began) / len(trials) * (len(cases) - len(trials))
        tell(f"{len(trials)}/{len(cases)}, {left / 60:.0f} min left  {trials[-1]}")
    return trials
