"""The cost page is computed from figures that still hold."""

from pathlib import Path

import pytest
import sqlglot
from sqlglot.optimizer.optimizer import optimize

from docs.generate.cost import VOLUMES, cost_page
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.row_counts import expected_rows
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.marts.declared import MARTS
from nyc_tlc.core.marts.query import Dialect, month_query
from nyc_tlc.core.month import Month

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_figures_render():
    assert (ROOT / "docs" / "cost.md").read_text("utf-8") == cost_page(), "stale: run `make docs`"


def test_every_service_is_counted_and_the_months_are_tlcs():
    assert [volume.service for volume in VOLUMES] == list(SERVICES)
    assert (sum(v.files for v in VOLUMES), sum(v.rows for v in VOLUMES)) == (594, 4_399_343_302)
    for volume in VOLUMES:
        month = Partition(SERVICES[volume.service], Month.parse(volume.month))
        assert expected_rows(month) in {volume.month_rows, None}


@pytest.mark.parametrize("volume", VOLUMES, ids=lambda volume: volume.service)
def test_marts_read_what_is_said(volume):
    """8 bytes each for numbers, dates and times; none of the columns read is text."""
    contract = SERVICES[volume.service].contract
    kinds = {column.name: column.type.value for column in contract.columns}
    read = set()
    for mart in MARTS:
        partition = Partition(SERVICES[volume.service], Month(2024, 1))
        text = month_query(mart, partition, Dialect.BIGQUERY, "some-project", "tlc")
        schema = {"some-project": {"tlc": {volume.service: kinds}}}
        query = optimize(sqlglot.parse_one(text, read="bigquery"), schema, dialect="bigquery")
        read |= {column.name for column in query.find_all(sqlglot.exp.Column)} & set(kinds)
    assert "text" not in {kinds[name] for name in read}
    assert volume.read == 8 * len(read)
