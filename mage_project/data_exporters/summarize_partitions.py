"""Put the months that were loaded one by one into one table."""

import pandas as pd

from mage_project.frames import to_rows
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def summarize_partitions(rows, **_):
    table = pd.DataFrame(rows)
    Trips.open().summarize(to_rows(RunRow, table))
    return table
