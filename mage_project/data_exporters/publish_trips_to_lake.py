"""Replace each conformed month in the lake, and commit it by its manifest."""

from mage_project.frames import to_frame, to_rows
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def publish_trips_to_lake(table, **_):
    return to_frame(RunRow, Trips.open().publish_to_lake(to_rows(RunRow, table)))
