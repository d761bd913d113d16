"""What a dimension table must be: replaced at once, under whatever depends on it."""

from contextlib import closing
from functools import partial

import pyarrow as pa
import pytest

from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ConfigurationError, ContractError
from nyc_tlc.core.zones.lookup import SCHEMA
from tests.ports.months import at_once

COMMENT = "Taxi zones, the TLC's lookup"
PLACES = pa.schema([*SCHEMA, ("centroid_longitude", pa.float64()), ("geometry", pa.json_())])


def _zones(*names: str) -> pa.Table:
    rows = [
        {"location_id": i, "borough": "N/A", "zone": name, "service_zone": ""}
        for i, name in enumerate(names, start=1)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def _placed() -> pa.Table:
    """Two zones, the second nowhere."""
    columns = [*_zones("one", "nowhere").columns, [-73.98, None]]
    texts = pa.array(['{"type": "Point", "coordinates": [-73.98, 40.75]}', None])
    return pa.table([*columns, pa.ExtensionArray.from_storage(pa.json_(), texts)], schema=PLACES)


def _replace(warehouse: PostgresWarehouse, rows: pa.Table) -> int:
    return warehouse.replace_table("taxi_zone", rows, key="location_id", comment=COMMENT)


def test_table_has_key_comment_types_and_json(warehouse, query):
    assert _replace(warehouse, _placed()) == 2
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
    assert query("SELECT obj_description('taxi_zone'::regclass)") == [
        (f"{COMMENT}\nMade by nyc_tlc as taxi_zone",)
    ]
    keys = query(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'taxi_zone'::regclass AND contype = 'p'"
    )
    assert keys == [("PRIMARY KEY (location_id)",)]


def test_rows_and_shape_are_replaced_under_a_view(warehouse, query):
    _replace(warehouse, _zones("one", "two", "three"))
    query("CREATE VIEW names AS SELECT * FROM taxi_zone")
    assert _replace(warehouse, _zones("uno", "dos")) == 2
    assert query("SELECT zone FROM names ORDER BY location_id") == [("uno",), ("dos",)]
    assert query("SELECT reltuples FROM pg_class WHERE oid = 'taxi_zone'::regclass") == [(2,)]
    for _ in range(2):
        _replace(warehouse, _placed())
    assert query("SELECT zone FROM names ORDER BY location_id") == [("one",), ("nowhere",)]
    assert query("SELECT location_id, geometry IS NULL FROM taxi_zone ORDER BY 1") == [
        (1, False), (2, True),
    ]  # fmt: skip


def test_column_that_may_not_be_null_is_added_to_a_table_with_rows(warehouse, query):
    _replace(warehouse, _zones("one", "two"))
    field = pa.field("area", pa.float64(), nullable=False)
    _replace(warehouse, _zones("one").append_column(field, pa.array([1.5])))
    assert query("SELECT location_id, area FROM taxi_zone") == [(1, 1.5)]


def test_rows_that_are_refused_leave_the_old_ones(warehouse, query):
    _replace(warehouse, _zones("one", "two"))
    with pytest.raises(ContractError, match="duplicate key"):
        _replace(warehouse, pa.concat_tables([_zones("uno"), _zones("dos")]))
    assert query("SELECT zone FROM taxi_zone ORDER BY location_id") == [("one",), ("two",)]


def test_reader_sees_the_old_rows_or_the_new_and_holds_up_none(warehouse, connect, seen_while):
    versions = [_zones("uno"), _zones("one", "two", "three")]
    _replace(warehouse, versions[1])
    with closing(connect()) as reading, reading.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM taxi_zone")  # and its lock is kept
        seen = seen_while(
            "SELECT count(*), max(zone) FROM taxi_zone",
            *[partial(_replace, warehouse, rows) for rows in versions * 5],
        )
    assert seen == {(3, "two"), (1, "uno")}


def test_tables_replaced_at_once_hold_one_of_them(warehouse, query):
    versions = [_zones(*[f"zone of {number}"] * 20) for number in range(6)]
    assert at_once([partial(_replace, warehouse, rows) for rows in versions]) == [20] * 6
    assert query("SELECT count(*), count(DISTINCT zone) FROM taxi_zone") == [(20, 1)]


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL"])
def test_withdrawn_rows_go_unless_others_refer_to_them(warehouse, query, caplog, action):
    _replace(warehouse, _zones("one", "two", "three"))
    query(
        "CREATE TABLE mine (zone smallint CONSTRAINT in_zone REFERENCES taxi_zone "
        f"ON UPDATE CASCADE ON DELETE {action}); INSERT INTO mine VALUES (1), (2)"
    )
    rows = "SELECT location_id, zone FROM taxi_zone ORDER BY 1"
    assert _replace(warehouse, _zones("uno")) == 1
    assert query(rows) == [(1, "uno"), (2, "two")]
    assert query("SELECT zone FROM mine ORDER BY 1") == [(1,), (2,)]
    (warning,) = caplog.messages
    assert warning.startswith("taxi_zone: 2 is not published any more and kept, because in_zone of")
    query("DELETE FROM mine WHERE zone = 2")
    assert _replace(warehouse, _zones("uno")) == 1
    assert query(rows) == [(1, "uno")]


def test_rows_that_are_the_same_are_not_written_again(warehouse, query):
    _replace(warehouse, _placed())
    query("ALTER TABLE taxi_zone ADD COLUMN note text; UPDATE taxi_zone SET note = 'mine'")
    versions = "SELECT location_id, xmin::text, note FROM taxi_zone ORDER BY 1"
    before = query(versions)
    _replace(warehouse, _placed())
    assert query(versions) == before
    assert [note for *_, note in before] == ["mine", "mine"]


@pytest.mark.parametrize(
    "theirs",
    [
        "CREATE TABLE taxi_zone (location_id smallint PRIMARY KEY, borough text, zone text, "
        "service_zone text)",
        "CREATE VIEW taxi_zone AS SELECT 1 AS location_id",
        "CREATE TABLE taxi_zone (a int); COMMENT ON TABLE taxi_zone IS 'zones of ours'",
    ],
)
def test_a_table_of_others_is_left_and_named(warehouse, query, theirs):
    query(f"CREATE SCHEMA IF NOT EXISTS {warehouse._schema}")
    query(theirs)
    before = query("SELECT oid, xmin::text FROM pg_class WHERE relname = 'taxi_zone'")
    with pytest.raises(ConfigurationError, match="table taxi_zone is there, and its comment does"):
        _replace(warehouse, _zones("one"))
    assert query("SELECT oid, xmin::text FROM pg_class WHERE relname = 'taxi_zone'") == before


def test_a_table_from_before_there_were_marks_is_ours(warehouse, query):
    _replace(warehouse, _zones("one", "two"))
    query("COMMENT ON TABLE taxi_zone IS 'Taxi zones, the TLC''s lookup'")
    assert _replace(warehouse, _zones("uno")) == 1
    query("COMMENT ON TABLE taxi_zone IS NULL")
    with pytest.raises(ConfigurationError, match="COMMENT ON TABLE taxi_zone IS 'Made by nyc_tlc"):
        _replace(warehouse, _zones("uno"))
