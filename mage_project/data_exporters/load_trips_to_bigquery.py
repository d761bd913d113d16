"""Let BigQuery load each published month from the lake, if it is configured."""

from mage_project.frames import to_frame, to_rows
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def load_trips_to_bigquery(table, **_):
    return to_frame(RunRow, Trips.open().load_to_bigquery(to_rows(RunRow, table)))
