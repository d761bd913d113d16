"""The kill matrix: a run killed before and after everything it does, and the run that follows."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from embedded.stack import CHECKOUT
from qa.chaos.boundaries import FailPoint
from qa.chaos.pipeline import Ending
from qa.chaos.proxies import Answer, HttpFault
from qa.chaos.trials import MONTH, Trial, TwoVersions, run_all

_MAGE_LOADS_FOR = 5.0
"""Seconds from `mage run`'s first request for the month to its end, on an idle machine."""


def run_kills(month: TwoVersions, most: int | None) -> list[Trial]:
    """Kill a run at every place, or at ``most`` places of as many kinds as possible."""
    month.offer_other()
    return run_all(_spread(_places(month.load()), most), partial(_kill, month))


def run_random_kills(month: TwoVersions, times: int) -> list[Trial]:
    """Kill a run at moments that nobody has chosen."""
    month.offer_other()
    began = time.monotonic()
    month.load()
    return run_all(_moments(times, time.monotonic() - began), partial(_kill_after, month))


def run_mage_kills(month: TwoVersions, times: int) -> list[Trial]:
    """Kill `mage run mage_project tlc_trips` with all its processes, at random moments."""
    return run_all(_moments(times, _MAGE_LOADS_FOR), partial(_kill_mage, month))


def _places(passed: Mapping[str, int]) -> list[FailPoint]:
    """Both sides of every boundary, at its first passage, its last, and one between."""
    return [
        FailPoint(boundary, occurrence, side)
        for boundary, times in passed.items()
        for occurrence in sorted({1, (times + 1) // 2, times})
        for side in ("before", "after")
        # A change of a file is announced, not reported: behind it is the next boundary.
        if side == "before" or not boundary.startswith("file:")
    ]


def _spread(places: Sequence[FailPoint], most: int | None) -> Sequence[FailPoint]:
    """The same sample each time, of as many different boundaries as possible."""
    if most is None:
        return places
    shuffled = random.Random(0).sample(places, len(places))  # noqa: S311 - trials, not secrets
    return list({place.boundary: place for place in shuffled}.values())[:most]


def _moments(times: int, seconds: float) -> list[float]:
    choose = random.Random(1)  # noqa: S311 - trials, not secrets
    return [choose.uniform(0, seconds) for _ in range(times)]


def _kill(month: TwoVersions, place: FailPoint) -> Trial:
    month.offer_other()
    return _judged(month, place.boundary, str(place), month.run(fail_point=place))


def _kill_after(month: TwoVersions, moment: float) -> Trial:
    month.offer_other()
    ending = month.run(kill_after=moment)
    return _judged(month, "random moments", f"after {moment:.3f} s", ending)


def _kill_mage(month: TwoVersions, moment: float) -> Trial:
    month.offer_other()
    world, begun = month.world, threading.Event()

    def notice(answer: Answer) -> Answer:
        begun.set()
        return answer

    log = world.stack.state_dir / "mage_run.log"
    words = {"service": MONTH.service.name, "months": str(MONTH.month)}
    first_request = HttpFault(("GET", ""), change=notice)
    with log.open("wb") as said, world.http["source"].broken_by(first_request):
        process = subprocess.Popen(
            [Path(sys.executable).with_name("mage"), "run", "mage_project", "tlc_trips",
             "--runtime-vars", json.dumps(words)],
            cwd=CHECKOUT, env=world.pipeline_environment, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        begun.wait(120)
        time.sleep(moment)
        alive = process.poll() is None
        if alive:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    left = [f"a process is left: {name}" for name in _of_session(process.pid)]
    ending = Ending(signal.SIGKILL if alive else 0, "", {}, {})
    what = f"{moment:.3f} s after its first request"
    return _judged(month, "random moments of `mage run`", what, ending, left)


def _judged(
    month: TwoVersions, kind: str, what: str, ending: Ending, problems: Sequence[str] = ()
) -> Trial:
    endless = [ending.error] if ending.signal and ending.error else []
    trial = month.after(kind.partition(":")[0], what, ending, [*endless, *problems])
    if not ending.signal:
        return replace(trial, kind=kind, outcome="not reached", reached=False)
    return replace(trial, kind=kind)


def _of_session(leader: int) -> Iterator[str]:
    for process in psutil.process_iter(["name"]):
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                yield str(process.name())
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
