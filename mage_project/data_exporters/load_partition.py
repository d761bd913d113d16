"""Load one month through all steps; fail with its reason."""

from mage_project.frames import to_frame
from mage_project.run_context import run_force
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def load_partition(item, **kwargs):
    row = Trips.open().load_one(item["service"], item["month"], force=run_force(kwargs))
    return to_frame(RunRow, [row]).to_dict("records")[0]
