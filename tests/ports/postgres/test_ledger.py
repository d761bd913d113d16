"""What finding new months relies on in a ledger: how far each month has come."""

from dataclasses import replace
from datetime import timedelta

import pytest

from nyc_tlc.core.catalog.publication import MonthState, State
from tests.conftest import Query
from tests.ports.months import partition

JANUARY = partition("2024-01")


def test_states_are_recorded_and_replaced(warehouse):
    assert warehouse.month_states() == {}
    states = [MonthState(partition(f"2024-{n:02d}"), state) for n, state in enumerate(State, 1)]
    warehouse.record_month_states(states)
    assert warehouse.month_states() == {state.partition: state.state for state in states}
    warehouse.record_month_states([replace(states[0], state=State.LATE)])
    assert warehouse.month_states()[states[0].partition] is State.LATE
    warehouse.record_month_states([])
    assert len(warehouse.month_states()) == len(State)


def test_a_service_of_a_later_version_is_left_alone(warehouse, query):
    warehouse.record_month_states([MonthState(JANUARY, State.LOADED)])
    query("UPDATE publication SET service = 'uber'")
    assert warehouse.month_states() == {}


def row(query: Query):
    columns = "state, since, asked_at, bytes, last_modified, note"
    ((state, since, asked_at, *known),) = query(f"SELECT {columns} FROM publication")
    return state, since, asked_at, tuple(known)


def test_since_when_is_kept_while_the_state_lasts(warehouse, query):
    late = MonthState(JANUARY, State.LATE, note="403")
    warehouse.record_month_states([late])
    query("UPDATE publication SET since = since - interval '1 day', asked_at = since")
    _, first, asked, _ = row(query)
    warehouse.record_month_states([late])
    state, since, again, known = row(query)
    assert (state, since, known) == ("late", first, (None, None, "403"))
    assert again > asked
    warehouse.record_month_states([replace(late, state=State.AVAILABLE, bytes=9, note="")])
    state, since, _, known = row(query)
    assert (state, known) == ("available", (9, None, ""))
    assert since - first > timedelta(hours=23)


@pytest.mark.parametrize("state", [State.LOADED, State.WITHDRAWN])
def test_a_month_not_asked_about_keeps_what_was_known(warehouse, query, state):
    known = MonthState(JANUARY, state, bytes=9, last_modified="May", note="why")
    warehouse.record_month_states([known])
    before = row(query)
    warehouse.record_month_states([MonthState(JANUARY, state, asked=False)])
    assert row(query) == before
