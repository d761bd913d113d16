"""Conform each landed month to its service's contract and set aside what cannot be a trip.

Output 0 is the run table, output 1 the first rows of its last month, output 2 quarantined ones.
"""

from mage_project.frames import shown, to_frame, to_rows
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.preview import Preview
from nyc_tlc.jobs.trips import Trips

if "transformer" not in globals():
    from mage_ai.data_preparation.decorators import test, transformer


@transformer
def conform_trips(table, **_):
    rows, preview = Trips.open().conform(to_rows(RunRow, table)), Preview.open()
    accepted, quarantined = preview.accepted(rows), preview.quarantined(rows)
    return [to_frame(RunRow, rows), shown(accepted), shown(quarantined)]


@test
def test_every_published_row_is_accepted_or_quarantined(table, *_, **__):
    conformed = table[table["status"] == "conformed"]
    assert (conformed["published"] == conformed["accepted"] + conformed["quarantined"]).all()
