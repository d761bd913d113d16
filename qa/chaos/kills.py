"""The kill matrix: a run killed before and after everything it does, and the run that follows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from qa.chaos.boundaries import FailPoint
from qa.chaos.pipeline import Ending
from qa.chaos.two_versions import Trial, TwoVersions

Tell = Callable[[str], None]


def run_kills(month: TwoVersions, *, most: int | None, tell: Tell) -> list[Trial]:
    """Kill a run at every place, or at ``most`` places of as many kinds as possible."""
    month.offer_other()
    places = _spread(list(_places(month.load())), most)
    trials = []
    for number, place in enumerate(places, 1):
        month.offer_other()
        trials.append(judged(month, "kill", str(place), month.run(place)))
        tell(f"kill {number}/{len(places)}  {place}: {verdict(trials[-1])}")
    return trials


def _places(passed: Mapping[str, int]) -> Iterator[FailPoint]:
    """Both sides of every boundary: of its first passage, its last, and one between."""
    for boundary, times in passed.items():
        for occurrence in sorted({1, (times + 1) // 2, times}):
            yield FailPoint(boundary, occurrence, "before")
            # A change of a file is announced, not reported: behind it is the next boundary.
            if not boundary.startswith("file:"):
                yield FailPoint(boundary, occurrence, "after")


def run_random_kills(month: TwoVersions, *, times: int, tell: Tell) -> list[Trial]:
    """Kill a run at moments that nobody has chosen."""
    choose = random.Random(1)  # noqa: S311 - a choice of trials, not a secret
    month.offer_other()
    began = time.monotonic()
    month.load()
    whole = time.monotonic() - began
    trials = []
    for number in range(1, times + 1):
        moment = choose.uniform(0, whole)
        month.offer_other()
        ending = month.run(kill_after=moment)
        trials.append(judged(month, "random kill", f"after {moment:.3f} s", ending))
        tell(f"random kill {number}/{times}  {trials[-1].what}: {verdict(trials[-1])}")
    return trials


def judged(month: TwoVersions, of: str, what: str, ending: Ending) -> Trial:
    """What the stores show after a kill, and after the run that follows it."""
    problems = [*([ending.error] if ending.signal and ending.error else ()), *month.torn()]
    month.load()
    problems += month.unlike_undisturbed()
    outcome = "killed, then repaired by the next run" if ending.signal else "not reached"
    return Trial(of, what, outcome, tuple(problems), bool(ending.signal), ending.error)


def verdict(trial: Trial) -> str:
    return "; ".join(trial.problems) or trial.outcome


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
