"""`mage run`, as CI and an operator start it, killed with all its processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from embedded.stack import CHECKOUT
from qa.chaos.kills import Tell, judged, verdict
from qa.chaos.pipeline import Ending
from qa.chaos.proxies import HttpProxy
from qa.chaos.two_versions import MONTH, Trial, TwoVersions

_LOADS_FOR = 5.0
"""Seconds from the first request for the month to the end of the run, on an idle machine."""


def run_mage_kills(month: TwoVersions, *, times: int, tell: Tell) -> list[Trial]:
    """Kill `mage run mage_project tlc_trips` at moments that nobody has chosen."""
    choose = random.Random(3)  # noqa: S311 - a choice of trials, not a secret
    trials = []
    for number in range(1, times + 1):
        moment = choose.uniform(0, _LOADS_FOR)
        month.offer_other()
        ending, left = _killed(month, moment)
        trial = judged(month, "mage run", f"{moment:.3f} s after its first request", ending)
        trials.append(trial.with_problems(f"a process is left: {name}" for name in left))
        tell(f"mage kill {number}/{times}  {trial.what}: {verdict(trials[-1])}")
    return trials


def _killed(month: TwoVersions, moment: float) -> tuple[Ending, list[str]]:
    """How the run ended, and what is left of its session."""
    world = month.world
    log = world.stack.state_dir / "mage_run.log"
    words = {"service": MONTH.service.name, "months": str(MONTH.month)}
    with log.open("wb") as said, _first_request(world.proxies.source) as begun:
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
    return Ending(signal.SIGKILL if alive else 0, "", {}, {}), list(_of_session(process.pid))


@contextmanager
def _first_request(proxy: HttpProxy) -> Iterator[threading.Event]:
    begun = threading.Event()
    proxy.before_pass = lambda _method, _path: begun.set()
    try:
        yield begun
    finally:
        proxy.before_pass = lambda _method, _path: None


def _of_session(leader: int) -> Iterator[str]:
    for process in psutil.process_iter(["name"]):
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                yield str(process.name())
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
