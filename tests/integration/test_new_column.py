"""TLC adds a column: docs/new-column.md, followed with an invented one."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.months import write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import Column, ColumnType, Vintage
from nyc_tlc.core.contract.service import GREEN, SERVICES
from nyc_tlc.core.errors import PartitionsFailedError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.month import Month
from tests.integration.world import World

BEFORE, SINCE = Month(2024, 1), Month(2024, 2)
CURB_FEE = Column("curb_fee", ColumnType.DOUBLE, "For stops at the curb", unit="US dollars")
ROWS = 500


@pytest.fixture(autouse=True)
def published(settings, tmp_path):
    """Two months at the source; the second has a column that nobody has announced."""
    write_month(Partition(GREEN, BEFORE), ROWS, tmp_path / "published")
    path = write_month(Partition(GREEN, SINCE), ROWS, tmp_path / "published")
    fees = pa.array([0.5 * (row % 3) for row in range(ROWS)])
    pq.write_table(pq.read_table(path).append_column("Curb_fee", fees), path)


@pytest.fixture
def declared(monkeypatch):
    """What a developer writes into columns.py and green.py."""
    vintages = GREEN.contract.vintages
    published = {**GREEN.contract.vintage_of(SINCE).published, "Curb_fee": "double"}
    columns = list(GREEN.contract.columns)
    at = columns.index(GREEN.contract.by_name["extra_columns"])
    columns.insert(at, CURB_FEE.spelled("Curb_fee"))
    contract = replace(
        GREEN.contract,
        version=GREEN.contract.version + 1,
        columns=tuple(columns),
        vintages=(*(v for v in vintages if v.first < SINCE), Vintage(SINCE, published)),
    )

    def declare():
        monkeypatch.setitem(SERVICES, "green", replace(GREEN, contract=contract))

    return declare


def load(settings, *months, **changes):
    """Status of each month, as `make run` leaves it."""
    world = World(settings.model_copy(update=changes))
    return [row.status for row in world.load(*(Partition(SERVICES["green"], m) for m in months))]


def test_every_step_from_the_failing_month_to_the_declared_column(settings, declared, query):
    with pytest.raises(PartitionsFailedError) as stopped:
        load(settings, BEFORE, SINCE)
    for told in ("green 2024-02", "column Curb_fee (double) is unknown", "green.py",
                 "TLC_UNKNOWN_COLUMNS=keep"):  # fmt: skip
        assert told in str(stopped.value)
    assert query("SELECT source_month::text, count(*) > 0 FROM green GROUP BY 1") == [
        ("2024-01-01", True)
    ]

    assert load(settings, SINCE, tlc_unknown_columns="keep") == ["reconciled"]
    kept = "SELECT sum((extra_columns->>'Curb_fee')::float) FROM green"
    total = query(kept)

    declared()
    assert load(settings, BEFORE, SINCE) == ["reconciled", "reconciled"]
    assert query("SELECT sum(curb_fee) FROM green") == total
    assert query("SELECT count(extra_columns), count(curb_fee) FILTER (WHERE source_month = "
                 "'2024-01-01') FROM green") == [(0, 0)]  # fmt: skip
    for month in (BEFORE, SINCE):
        with World(settings).lake.open(lake_paths.trips(Partition(GREEN, month))) as file:
            assert "curb_fee" in pq.read_schema(file).names
    assert load(settings, BEFORE, SINCE) == ["unchanged", "unchanged"]
