"""What a benchmark runs in its own process: make the input, and the pipeline's own work.

generate: write published months with a number of rows each
prepare:  load a month and leave it staged: it is not reconciled, which would clear what is staged
load:     load to Postgres alone, from what prepare left staged
job:      land, conform, publish to the lake, load to Postgres, reconcile
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from embedded.samples.months import write_month
from mage_project.frames import to_frame, to_rows
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.selection import parse_months
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips

_steps: dict[str, float] = {}


def main() -> None:
    options = _options()
    # Months that are still to come are as good as any here.
    months = parse_months(options.months, latest=Month(2024, 1))
    partitions = [Partition(SERVICES[options.service], month) for month in months]
    if options.program == "generate":
        for partition in partitions:
            write_month(partition, options.rows, options.into)
        return
    staged = to_rows(RunRow, pd.read_parquet(options.table)) if options.program == "load" else []
    start = time.perf_counter()
    trips = Trips.open()
    if staged:
        done = _timed("load", lambda: trips.load_to_postgres(staged))
    else:
        landed = _timed("land", lambda: trips.land(partitions, force=True))
        conformed = _timed("conform", lambda: trips.conform(landed))
        published = _timed("publish", lambda: trips.publish_to_lake(conformed))
        done = loaded = _timed("load", lambda: trips.load_to_postgres(conformed))
        if options.program == "prepare":
            to_frame(RunRow, conformed).to_parquet(options.table)
        else:
            done = _timed("reconcile", lambda: trips.reconcile(published, loaded))
    seconds = round(time.perf_counter() - start, 3)
    if errors := [row.error for row in done if row.error]:
        raise SystemExit(" ".join(errors))
    rows = sum(row.accepted for row in done)
    print(json.dumps({"seconds": seconds, "rows": rows, "steps": _steps}))


def _timed(step: str, work: Callable[[], list[RunRow]]) -> list[RunRow]:
    began = time.perf_counter()
    rows = work()
    _steps[step] = round(time.perf_counter() - began, 3)
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", choices=["generate", "prepare", "load", "job"])
    parser.add_argument("--service", default="yellow")
    parser.add_argument("--months", default="2024-01")
    parser.add_argument("--rows", type=int, help="of each month; for generate")
    parser.add_argument("--into", type=Path, help="where published months go; for generate")
    parser.add_argument("--table", type=Path, help="conform's run table; for prepare and load")
    return parser.parse_args()


if __name__ == "__main__":
    main()
