"""The first and the last datetime that every store can express."""

import pyarrow as pa
import pytest

from nyc_tlc.core.rows.datetimes import within_calendar

FIRST, LAST = -62_135_596_800, 253_402_300_799  # 0001-01-01T00:00:00, 9999-12-31T23:59:59


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6)])
def test_the_calendar_is_the_years_1_to_9999(unit, per_second):
    def are_within(*ticks):
        return within_calendar(pa.array(ticks, pa.timestamp(unit)))

    first, last = FIRST * per_second, (LAST + 1) * per_second - 1
    assert are_within(first, None, last)
    assert not are_within(first - 1, 0)
    assert not are_within(0, last + 1)
    assert are_within(None)
    assert are_within()
