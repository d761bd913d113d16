"""Conform each landed month to its service's contract and set aside what cannot be a trip."""

from mage_project.frames import to_frame, to_rows
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips

if "transformer" not in globals():
    from mage_ai.data_preparation.decorators import test, transformer


@transformer
def conform_trips(table, **_):
    return to_frame(RunRow, Trips.open().conform(to_rows(RunRow, table)))


@test
def test_every_published_row_is_accepted_or_quarantined(table, **_):
    conformed = table[table["status"] == "conformed"]
    assert (conformed["published"] == conformed["accepted"] + conformed["quarantined"]).all()
