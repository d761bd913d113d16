"""What the audit relies on: the inspector sees what is there, all of it, and changes nothing."""

from contextlib import closing

import pytest

from nyc_tlc.core.audit.evidence import TableScan
from nyc_tlc.core.contract.service import YELLOW
from nyc_tlc.ports.audit import Inventory
from tests.ports.months import SampleMonth, load, partition

MONTH = SampleMonth(quarantined=({"VendorID": 1},))
OTHER = SampleMonth(partition=partition("2024-02", YELLOW), rows=7, sha256="b" * 64)


def test_schema_that_is_not_there_holds_nothing(inspector, query):
    assert inspector.inventory() == Inventory({}, frozenset(), {}, (), ())
    assert inspector.scan(MONTH.partition) is None
    assert not inspector.drop_leftover("green_2024_01_new")
    assert query("SELECT current_schema() IS NULL") == [(True,)]


def test_ledger_of_an_earlier_shape_that_knows_a_month_whose_table_is_gone(
    warehouse, inspector, query
):
    load(warehouse, MONTH)
    query("ALTER TABLE ledger DROP COLUMN seconds; DROP TABLE green_2024_01")
    seen = inspector.inventory()
    assert [entry.partition for entry in seen.ledger.values()] == [MONTH.partition]
    assert seen.attached == frozenset()
    assert inspector.scan(MONTH.partition) is None
    assert query("SELECT to_jsonb(ledger) ? 'seconds' FROM ledger") == [(False,)]


@pytest.mark.parametrize(
    ("change", "scan"),
    [
        ("UPDATE green SET fare_amount = 1 WHERE source_row = 4", TableScan(5, 1)),
        ("UPDATE green SET fare_amount = 1", TableScan(5, 5)),
        ("DELETE FROM green WHERE source_row >= 3", TableScan(3, 2)),
        ("INSERT INTO green SELECT * FROM green WHERE source_row = 0", TableScan(6, 1)),
        ("VACUUM (FREEZE, ANALYZE) green_2024_01", TableScan(5, 0)),
    ],
)
@pytest.mark.parametrize("parts", [1, 2], indirect=True)
def test_what_was_done_by_hand_is_noticed_in_every_part(
    warehouse, inspector, connect, parts, change, scan
):
    load(warehouse, MONTH)
    assert inspector.scan(MONTH.partition) == TableScan(5, 0)
    with closing(connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(change)
    assert inspector.scan(MONTH.partition) == scan


@pytest.mark.usefixtures("parts")
def test_tables_that_others_attached_are_foreign(warehouse, inspector, query):
    load(warehouse, MONTH)
    for name in ("green_2024_05_old", "green_2024_06"):
        month = f"{name[6:13].replace('_', '-')}-01"
        query(f"CREATE TABLE {name} PARTITION OF green FOR VALUES IN ('{month}')")
    seen = inspector.inventory()
    assert (seen.attached, seen.foreign) == (
        {MONTH.partition}, ("green_2024_05_old", "green_2024_06"),
    )  # fmt: skip
    assert seen.leftovers == ()
    for kept in ("green_2024_01", "green_2024_01_0", "green_2024_06", "green", "no_such_table"):
        assert not inspector.drop_leftover(kept)
    assert inspector.scan(MONTH.partition) == TableScan(5, 0)


@pytest.mark.usefixtures("parts")
def test_a_month_that_was_detached_is_left_over_unless_others_put_something_in_it(
    warehouse, inspector, query
):
    load(warehouse, MONTH)
    query("ALTER TABLE green DETACH PARTITION green_2024_01")
    assert inspector.inventory().leftovers == ("green_2024_01",)
    mine = "CREATE TABLE mine PARTITION OF green_2024_01 FOR VALUES FROM (-9) TO (0)"
    query(mine)
    assert inspector.inventory().leftovers == ()
    assert not inspector.drop_leftover("green_2024_01")
    query("DROP TABLE mine")
    assert inspector.drop_leftover("green_2024_01")
