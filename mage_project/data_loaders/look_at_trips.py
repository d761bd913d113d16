"""Show a few trips of one month as a store holds them: nothing is loaded or changed.

Output 0 are accepted rows, output 1 quarantined ones, output 2 the month's rows by code.
"""

from mage_project.frames import shown
from mage_project.run_context import run_month, run_service, run_store
from nyc_tlc.jobs.look_at_trips import look_at_trips as look

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader


@data_loader
def look_at_trips(**kwargs):
    seen = look(run_service(kwargs), run_month(kwargs), run_store(kwargs))
    return [shown(seen.accepted), shown(seen.quarantined), shown(seen.counts)]
