"""Land the published files of the run's months in the lake's raw/, if they are new.

Output 0 is the run table, output 1 the first rows of its last month, as published.
"""

from mage_project.frames import shown, to_frame
from mage_project.run_context import run_force, run_partitions, run_plan
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.preview import Preview
from nyc_tlc.jobs.trips import Trips

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader, test


@data_loader
def land_trips(**kwargs):
    partitions = run_partitions(kwargs)
    rows = Trips.open().land(partitions, force=run_force(kwargs), only_plan=run_plan(kwargs))
    return [to_frame(RunRow, rows), shown(Preview.open().published(rows))]


@test
def test_every_partition_has_a_row(table, *_, **kwargs):
    assert len(table) == len(run_partitions(kwargs))
