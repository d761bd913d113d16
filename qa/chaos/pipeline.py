"""The pipeline as a process that a trial may kill: forked from one that has imported everything.

Reads one order per line of standard input (JSON: months, force, fail point) and answers with one
line: how the run ended, and which boundaries it passed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nyc_tlc.adapters.bigquery import warehouse as bigquery  # noqa: F401 - once, not in every run
from nyc_tlc.adapters.lake import gcs  # noqa: F401 - once, not in every run
from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.source import cdn as tlc_cdn  # noqa: F401 - once, not in every run
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.settings import Settings
from qa.chaos.boundaries import FailPoint, Watch

_LAST = Month(2026, 12)
_LONGEST_RUN = 300.0
"""Seconds: one that waits for something that never comes must not end the trials."""


@dataclass(frozen=True)
class Order:
    """One run of the pipeline.

    Attributes:
        fail_point: Where the process is to die; None to let it live.
        kill_after: Seconds after which it is killed, wherever it is; None to let it live.
        stay: Run in the process that reads the orders, which so can be seen to grow.
        parts_from: Rows from which a month is loaded in parts.
    """

    service: str
    months: str
    force: bool = False
    fail_point: FailPoint | None = None
    kill_after: float | None = None
    stay: bool = False
    parts_from: int = 500_000

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Order:
        given: dict[str, Any] = json.loads(line)
        point = given.pop("fail_point")
        return cls(**given, fail_point=FailPoint(**point) if point else None)


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        signal: That killed it; 0 if none did.
        error: What it said; empty if it succeeded.
        passed: Boundaries and how often each was passed; empty if it was killed.
    """

    signal: int
    error: str
    statuses: dict[str, str]
    passed: dict[str, int]


def main() -> None:
    # The log belongs to the trial's own output, not between its answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        order = Order.from_json(line)
        ending = _run(order, Watch(None, Path())) if order.stay else _forked(order)
        answers.write(json.dumps(asdict(ending)) + "\n")
        answers.flush()


def _forked(order: Order) -> Ending:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        child = os.fork()
        if child == 0:
            _child(order, answer)
        began = time.monotonic()
        with _killed_after(order.kill_after or _LONGEST_RUN, child):
            _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            endless = time.monotonic() - began >= _LONGEST_RUN
            said = f"it had not ended after {_LONGEST_RUN:.0f} s, and was killed" if endless else ""
            return Ending(os.WTERMSIG(status), said, {}, {})
        return Ending(**json.loads(answer.read_text("utf-8")))


@contextmanager
def _killed_after(seconds: float, child: int) -> Iterator[None]:
    killer = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    killer.start()
    try:
        yield
    finally:
        killer.cancel()


def _child(order: Order, answer: Path) -> None:
    """Run the pipeline, write the answer, and end without returning."""
    try:
        watch = Watch(order.fail_point, Settings.load().tlc_work_dir)
        watch.install()
        answer.write_text(json.dumps(asdict(_run(order, watch))), "utf-8")
    except BaseException:  # noqa: BLE001 - the parent learns of it by the status
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def _run(order: Order, watch: Watch) -> Ending:
    month_table._WORTH_PARTS = order.parts_from  # noqa: SLF001 - a short month is to go the long way
    months = parse_months(order.months, latest=_LAST)
    chosen = partitions(parse_services(order.service), months, current=_LAST)
    trips = Trips.open()
    try:
        with watch.crossing("step: land"):
            landed = trips.land(chosen, force=order.force)
        with watch.crossing("step: conform"):
            conformed = trips.conform(landed)
        with watch.crossing("step: load"):
            loaded = trips.load_to_postgres(conformed)
        with watch.crossing("step: publish"):
            published = trips.publish_to_lake(conformed)
        with watch.crossing("step: load from lake"):
            in_bigquery = trips.load_to_bigquery(published)
        with watch.crossing("step: reconcile"):
            done = trips.reconcile(in_bigquery, loaded)
    except PipelineError as error:
        return Ending(0, str(error), {}, dict(watch.passed))
    statuses = {str(row.partition): row.status.value for row in done}
    return Ending(0, "", statuses, dict(watch.passed))


if __name__ == "__main__":
    main()
