"""Replace each conformed month in Postgres, atomically.

Output 0 is the run table, output 1 the first rows of its last month, as they are there.
"""

from mage_project.frames import shown, to_frame, to_rows
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.preview import Preview
from nyc_tlc.jobs.trips import Trips

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def load_trips_to_postgres(table, **_):
    rows = Trips.open().load_to_postgres(to_rows(RunRow, table))
    return [to_frame(RunRow, rows), shown(Preview.open().stored(rows, "postgres"))]
