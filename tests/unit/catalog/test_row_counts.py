"""How many rows TLC published, where that was counted."""

from nyc_tlc.core.catalog.row_counts import expected_rows, row_count_warning
from tests.partitions import named


def test_a_row_count_is_noted_where_it_is_not_the_one_that_was_counted():
    january = named("green 2024-01")
    assert expected_rows(january) == 56_551
    assert row_count_warning(january, 56_551) == ""
    assert row_count_warning(january, 1_234) == (
        "1,234 rows published, 56,551 when TLC's files were counted"
    )
    unknown = named("yellow 2030-01")
    assert (expected_rows(unknown), row_count_warning(unknown, 5)) == (None, "")
