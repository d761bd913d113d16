"""The whole job: land, conform, publish to the lake, load to Postgres, reconcile."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence

from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips
from qa.benchmarks.programs.generate import chosen


class Laps:
    """Seconds of each step, by its name."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.steps: dict[str, float] = {}

    def lap(self, name: str, step: Callable[[], list[RunRow]]) -> list[RunRow]:
        began = time.perf_counter()
        result = step()
        self.steps[name] = round(time.perf_counter() - began, 3)
        return result

    def answer(self, table: Sequence[RunRow]) -> str:
        """What the harness reads: time and rows.

        Raises:
            SystemExit: a partition failed; with its error.
        """
        seconds = round(time.perf_counter() - self.began, 3)
        if errors := [row.error for row in table if row.error]:
            raise SystemExit(" ".join(errors))
        rows = sum(row.accepted for row in table)
        return json.dumps({"seconds": seconds, "rows": rows, "steps": self.steps})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--months", required=True)
    options = parser.parse_args()
    partitions = chosen(options.service, options.months)
    laps = Laps()
    trips = Trips.open()
    landed = laps.lap("land", lambda: trips.land(partitions, force=True))
    conformed = laps.lap("conform", lambda: trips.conform(landed))
    published = laps.lap("publish", lambda: trips.publish_to_lake(conformed))
    loaded = laps.lap("load", lambda: trips.load_to_postgres(conformed))
    done = laps.lap("reconcile", lambda: trips.reconcile(published, loaded))
    print(laps.answer(done))


if __name__ == "__main__":
    main()
