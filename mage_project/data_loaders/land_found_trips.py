"""Land what was found, in the lake's raw/; the other months that were asked about are final.

Output 0 is the run table, output 1 the first rows of its last month, as published.
"""

from mage_project.frames import shown, to_frame, to_rows
from mage_project.run_context import run_plan
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.core.runs.sync_table import SyncRow
from nyc_tlc.jobs.preview import Preview
from nyc_tlc.jobs.sync import Sync

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader


@data_loader
def land_found_trips(table, **kwargs):
    rows = Sync.open().land(to_rows(SyncRow, table), only_plan=run_plan(kwargs))
    return [to_frame(RunRow, rows), shown(Preview.open().published(rows))]
