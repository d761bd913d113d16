"""Load one month through all steps; fail with its reason."""

from mage_project.run_context import run_force
from nyc_tlc.jobs.trips import Trips

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def load_partition(item, **kwargs):
    return Trips.open().load_one(item["service"], item["month"], force=run_force(kwargs))
