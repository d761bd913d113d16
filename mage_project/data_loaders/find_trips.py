"""Find what TLC has published that the stores do not hold, or has revised or withdrawn since."""

from mage_project.frames import to_frame
from mage_project.run_context import run_first_month, run_plan, run_scope, run_services
from nyc_tlc.core.runs.sync_table import SyncRow
from nyc_tlc.jobs.sync import Sync

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader, test


@data_loader
def find_trips(**kwargs):
    rows = Sync.open().find(
        run_services(kwargs),
        first=run_first_month(kwargs),
        scope=run_scope(kwargs),
        only_plan=run_plan(kwargs),
    )
    return to_frame(SyncRow, rows)


@test
def test_some_month_was_asked_about(table, **_):
    assert table["asked"].any()
