"""Build in BigQuery the months of every mart that changed; skipped if it is not configured."""

from mage_project.frames import to_frame
from mage_project.run_context import run_force
from nyc_tlc.core.runs.mart_table import MartRow
from nyc_tlc.jobs.marts import Marts

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def build_marts_in_bigquery(*_, **kwargs):
    return to_frame(MartRow, Marts.open().build_in_bigquery(force=run_force(kwargs)))
