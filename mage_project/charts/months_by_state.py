"""Months in each state of their publication, as the last sync or run recorded it."""

from nyc_tlc.jobs.sync import Sync

states = Sync.open().months_by_state()
x = list(states)
y = list(states.values())
