"""What a dimension table must be: replaced at once, under whatever depends on it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.zones.lookup import SCHEMA
from tests.conftest import Query

COMMENT = "Taxi zones, the TLC's lookup"


def _zones(*names: str) -> pa.Table:
    rows = [
        {"location_id": i, "borough": "N/A", "zone": name, "service_zone": ""}
        for i, name in enumerate(names, start=1)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def _replace(warehouse: PostgresWarehouse, *names: str) -> int:
    return warehouse.replace_table("taxi_zone", _zones(*names), key="location_id", comment=COMMENT)


def test_table_is_made_with_key_and_comment(warehouse: PostgresWarehouse, query: Query) -> None:
    assert _replace(warehouse, "Newark Airport", "Jamaica Bay") == 2
    assert query("SELECT * FROM taxi_zone ORDER BY 1") == [
        (1, "N/A", "Newark Airport", ""),
        (2, "N/A", "Jamaica Bay", ""),
    ]
    assert query("SELECT obj_description('taxi_zone'::regclass)") == [(COMMENT,)]
    keys = query(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'taxi_zone'::regclass AND contype = 'p'"
    )
    assert keys == [("PRIMARY KEY (location_id)",)]


def test_replacing_twice_leaves_the_second(warehouse: PostgresWarehouse, query: Query) -> None:
    _replace(warehouse, "one", "two", "three")
    assert _replace(warehouse, "uno", "dos") == 2
    assert query("SELECT zone FROM taxi_zone ORDER BY location_id") == [("uno",), ("dos",)]
    assert query("SELECT reltuples FROM pg_class WHERE oid = 'taxi_zone'::regclass") == [(2,)]


def test_view_on_a_table_outlives_its_rows(warehouse: PostgresWarehouse, query: Query) -> None:
    _replace(warehouse, "one")
    query("CREATE VIEW names AS SELECT upper(zone) AS name FROM taxi_zone")
    _replace(warehouse, "uno", "dos")
    assert query("SELECT name FROM names ORDER BY 1") == [("DOS",), ("UNO",)]


PLACES = pa.schema([*SCHEMA, ("centroid_longitude", pa.float64()), ("geometry", pa.json_())])


def _placed() -> pa.Table:
    """Two zones, the second nowhere."""
    columns = [*_zones("one", "nowhere").columns, [-73.98, None]]
    texts = pa.array(['{"type": "Point", "coordinates": [-73.98, 40.75]}', None])
    return pa.table([*columns, pa.ExtensionArray.from_storage(pa.json_(), texts)], schema=PLACES)


def test_fields_may_be_null_and_hold_json(warehouse: PostgresWarehouse, query: Query) -> None:
    warehouse.replace_table("taxi_zone", _placed(), key="location_id", comment=COMMENT)
    assert query(
        "SELECT zone, centroid_longitude, geometry->>'type' FROM taxi_zone ORDER BY location_id"
    ) == [("one", -73.98, "Point"), ("nowhere", None, None)]
    columns = query(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_name = 'taxi_zone' AND table_schema = current_schema "
        "ORDER BY ordinal_position"
    )
    assert columns == [
        ("location_id", "smallint", "NO"),
        ("borough", "text", "NO"),
        ("zone", "text", "NO"),
        ("service_zone", "text", "NO"),
        ("centroid_longitude", "double precision", "YES"),
        ("geometry", "jsonb", "YES"),
    ]


def test_table_of_an_earlier_shape_is_replaced_under_its_views(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    _replace(warehouse, "uno", "dos", "tres")
    query("CREATE VIEW names AS SELECT * FROM taxi_zone")
    for _ in range(2):
        warehouse.replace_table("taxi_zone", _placed(), key="location_id", comment=COMMENT)
    assert query("SELECT zone FROM names ORDER BY location_id") == [("one",), ("nowhere",)]
    assert query("SELECT location_id, geometry IS NULL FROM taxi_zone ORDER BY 1") == [
        (1, False),
        (2, True),
    ]


def test_column_that_may_not_be_null_is_added_to_a_table_with_rows(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    _replace(warehouse, "one", "two")
    field = pa.field("area", pa.float64(), nullable=False)
    wider = _zones("one").append_column(field, pa.array([1.5]))
    warehouse.replace_table("taxi_zone", wider, key="location_id", comment=COMMENT)
    assert query("SELECT location_id, area FROM taxi_zone") == [(1, 1.5)]


def test_rows_that_are_refused_leave_the_old_ones(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    _replace(warehouse, "one", "two")
    twice = pa.concat_tables([_zones("uno"), _zones("dos")])
    with pytest.raises(ContractError, match="duplicate key"):
        warehouse.replace_table("taxi_zone", twice, key="location_id", comment=COMMENT)
    assert query("SELECT zone FROM taxi_zone ORDER BY location_id") == [("one",), ("two",)]


def test_reader_sees_the_old_rows_or_the_new(warehouse: PostgresWarehouse, query: Query) -> None:
    _replace(warehouse, "one", "two", "three")
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(query("SELECT count(*), max(zone) FROM taxi_zone")[0])

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for _ in range(5):
            _replace(warehouse, "uno")
            _replace(warehouse, "one", "two", "three")
        done.set()
        reader.result()
    assert seen <= {(3, "two"), (1, "uno")}
    assert seen


def test_tables_replaced_at_once_hold_one_of_them(
    warehouse: PostgresWarehouse, query: Query
) -> None:
    start = threading.Barrier(6)

    def replace(number: int) -> int:
        start.wait()
        return _replace(warehouse, *[f"zone of {number}"] * 20)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(replace, range(6))) == [20] * 6
    assert query("SELECT count(*), count(DISTINCT zone) FROM taxi_zone") == [(20, 1)]
