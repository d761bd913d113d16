"""What travels between two blocks arrives as it was sent, or the run stops."""

import io
from dataclasses import fields

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mage_project.chart_values import rows_by_reason, seconds_by_step
from mage_project.frames import to_frame, to_rows
from nyc_tlc.core.catalog.publication import State
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.runs.mart_table import MartRow
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.core.runs.sync_table import SyncRow

_COUNT = st.integers(0, 2**63 - 1)
_MONTH = st.sampled_from(["2009-01", "2013-08", "2026-08"])
_TABLES = {
    RunRow: st.builds(
        RunRow, month=_MONTH, status=st.sampled_from(Status), published=_COUNT, bytes=_COUNT,
        reasons=st.dictionaries(st.text(), _COUNT), seconds=st.floats(0, 1e9), staged=st.text(),
        force=st.booleans(), error=st.text(), accepted=_COUNT, quarantined=_COUNT,
    ),
    SyncRow: st.builds(
        SyncRow, month=_MONTH, state=st.sampled_from(State), asked=st.booleans(), note=st.text(),
        published=_COUNT, accepted=_COUNT, quarantined=_COUNT, bytes=_COUNT,
    ),
    MartRow: st.builds(
        MartRow, month=_MONTH, status=st.sampled_from(Status), trips=_COUNT, rows=_COUNT,
        seconds=st.floats(0, 1e9), note=st.text(), error=st.text(),
    ),
}  # fmt: skip
_KINDS = pytest.mark.parametrize("kind", _TABLES)


def _through_parquet(frame: pd.DataFrame) -> pd.DataFrame:
    """As Mage stores a block's output and reads it for the next."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return pd.read_parquet(io.BytesIO(buffer.getvalue()))


@_KINDS
@given(data=st.data())
def test_rows_survive_the_way_between_two_blocks(kind, data):
    rows = data.draw(st.lists(_TABLES[kind], min_size=1, max_size=12))
    arrived = to_rows(kind, _through_parquet(to_frame(kind, rows)))
    assert arrived == rows
    for field in fields(kind):
        types = {type(getattr(row, field.name)) for row in (*rows, *arrived)}
        assert len(types) == 1, field.name


@_KINDS
def test_an_empty_table_has_its_columns_and_is_an_error(kind):
    empty = to_frame(kind, [])
    assert list(empty.columns) == [field.name for field in fields(kind)]
    for frame in (empty, pd.DataFrame()):
        with pytest.raises(ReconciliationError, match="empty: Mage could not read its output"):
            to_rows(kind, frame)


def test_more_rows_than_mage_leaves_in_order_as_a_list_keep_their_order():
    rows = [RunRow("green", f"2022-{month:02}", Status.LOADED) for month in range(1, 13)]
    assert to_rows(RunRow, _through_parquet(to_frame(RunRow, rows))) == rows


def _table(*rows: dict) -> pd.DataFrame:
    return to_frame(RunRow, [RunRow("green", "2024-01", Status.LOADED, **row) for row in rows])


def test_charts_count_reasons_over_the_months_and_seconds_by_step():
    reasons = ({"pickup_missing": 2, "code_unmapped": 1}, {}, {"code_unmapped": 7})
    table = _table(*({"reasons": each} for each in reasons))
    assert list(rows_by_reason(table).items()) == [("code_unmapped", 8), ("pickup_missing", 2)]
    ended = {"land": 1.0, "conform": 3.5, "load": 7.5, "publish": 4.0, "bigquery": 6.0}
    tables = {step: _table({"seconds": at}, {"seconds": 1.0}) for step, at in ended.items()}
    assert seconds_by_step(**tables) == {
        "land": 2.0, "conform": 2.5, "load": 4.0, "publish": 0.5, "bigquery": 2.0,
    }  # fmt: skip
    assert seconds_by_step(land=_table({"seconds": 1 / 3})) == {"land": 0.333}
