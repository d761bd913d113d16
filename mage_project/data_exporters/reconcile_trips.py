"""Prove each month in every store; fail the run with every partition that failed."""

from mage_project.frames import to_frame, to_rows
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter, test


@data_exporter
def reconcile_trips(loaded, published, **_):
    branches = (to_rows(RunRow, branch) for branch in (loaded, published))
    return to_frame(RunRow, Trips.open().reconcile(*branches))


@test
def test_every_partition_is_final(table, **_):
    assert table["status"].isin(["reconciled", "unchanged", "not published yet", "planned"]).all()
