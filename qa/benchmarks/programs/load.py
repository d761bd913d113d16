"""Load to Postgres alone, from what :mod:`qa.benchmarks.programs.prepare` left staged."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from mage_project.frames import to_rows
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips
from qa.benchmarks.programs.job import Laps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="conform's run table")
    options = parser.parse_args()
    conformed = to_rows(RunRow, pd.read_parquet(options.table))
    laps = Laps()
    trips = Trips.open()
    print(laps.answer(laps.lap("load", lambda: trips.load_to_postgres(conformed))))


if __name__ == "__main__":
    main()
