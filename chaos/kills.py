"""The kill matrix: a run killed before and after everything it does, and the run that follows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from chaos.boundaries import FailPoint
from chaos.two_versions import Trial, TwoVersions

Tell = Callable[[str], None]


def run_kills(month: TwoVersions, *, most: int | None, tell: Tell) -> list[Trial]:
    """Kill a run at every place, or at ``most`` places of as many kinds as possible."""
    month.offer_other()
    places = _spread(list(_places(month.load())), most)
    trials = []
    for number, place in enumerate(places, 1):
        trials.append(_trial(month, place))
        verdict = "; ".join(trials[-1].problems) or trials[-1].outcome
        tell(f"kill {number}/{len(places)}  {place}: {verdict}")
    return trials


def _places(passed: Mapping[str, int]) -> Iterator[FailPoint]:
    """Both sides of every boundary: of its first passage, its last, and one between."""
    for boundary, times in passed.items():
        for occurrence in sorted({1, (times + 1) // 2, times}):
            yield FailPoint(boundary, occurrence, "before")
            # A change of a file is announced, not reported: behind it is the next boundary.
            if not boundary.startswith("file:"):
                yield FailPoint(boundary, occurrence, "after")


def _trial(month: TwoVersions, place: FailPoint) -> Trial:
    month.offer_other()
    ending = month.run(place)
    problems = list(month.torn())
    if ending.signal:
        month.load()
        outcome = "killed, then repaired by the next run"
    else:
        # The order of two threads decides how often some boundaries are passed.
        month.load()
        outcome = "not reached"
    problems += month.unlike_undisturbed()
    return Trial("kill", str(place), outcome, tuple(problems), bool(ending.signal), ending.error)


def _spread(places: Sequence[FailPoint], most: int | None) -> list[FailPoint]:
    """The same sample each time, of as many different boundaries as it can be."""
    if most is None or most >= len(places):
        return list(places)
    order = list(places)
    random.Random(0).shuffle(order)  # noqa: S311 - a choice of trials, not a secret
    first: dict[str, FailPoint] = {}
    for place in order:
        first.setdefault(place.boundary, place)
    return sorted(list(first.values())[:most], key=places.index)
