"""Only what a record of ours says we made is replaced or removed; everything else is named."""

from dataclasses import replace

import pytest

from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from tests.ports.months import SampleMonth, load, partition

MONTH = SampleMonth(rows=6, quarantined=[{}])
REVISED = replace(MONTH, rows=4, sha256="b" * 64)
FEBRUARY = SampleMonth(partition("2024-02"))

LOOK_ALIKES = {
    "table green_2024_01_old": "CREATE TABLE green_2024_01_old AS SELECT * FROM green_2024_01",
    "table green_2024_01_new_copy": "CREATE TABLE green_2024_01_new_copy (LIKE green_2024_01 "
    "INCLUDING ALL)",
    "table green_2024_02_new_0": "CREATE TABLE green_2024_02_new_0 (LIKE green_2024_01 "
    "INCLUDING ALL)",
    "table green_2024_02_new_1": "CREATE TABLE green_2024_02_new_1 (a int)",
    "table green_2024_03_new": "CREATE TABLE green_2024_03_new AS TABLE green_2024_01",
    "table green_2024_03": "CREATE TABLE green_2024_03 (LIKE green INCLUDING ALL)",
    "table green_2024_01_20241128": "CREATE TABLE green_2024_01_20241128 (a int)",
    'table "GREEN_2024_01"': 'CREATE TABLE "GREEN_2024_01" (a int)',
    "table greens_2024_01": "CREATE TABLE greens_2024_01 (a int)",
    "table yellow_2019_13": "CREATE TABLE yellow_2019_13 (a int)",
    "table fhv_2020": "CREATE TABLE fhv_2020 (a int)",
    "table archive_2024_05": "CREATE TABLE green_2024_05 (a int); "
    "COMMENT ON TABLE green_2024_05 IS 'Made by nyc_tlc as green_2024_05'; "
    "ALTER TABLE green_2024_05 RENAME TO archive_2024_05",
    "table green_2024_06": "CREATE TABLE green_2024_06 (a int); "
    "COMMENT ON TABLE green_2024_06 IS 'Made by nyc_tlc as green_2024_05'",
    "table green_2024_07": "CREATE TABLE green_2024_07 (a int) PARTITION BY RANGE (a)",
    "view green_2024_08": "CREATE VIEW green_2024_08 AS SELECT 1 AS a",
    "view green_2024_08_new_0": "CREATE VIEW green_2024_08_new_0 AS SELECT 1 AS a",
    "materialized view green_2024_09": "CREATE MATERIALIZED VIEW green_2024_09 AS SELECT 1 AS a",
    "composite type green_2024_10": "CREATE TYPE green_2024_10 AS (a int)",
    "type green_2024_11": "CREATE TYPE green_2024_11 AS ENUM ('a')",
    "type green_2024_12": "CREATE DOMAIN green_2024_12 AS int",
    "sequence green_2024_01_seq": "CREATE SEQUENCE green_2024_01_seq",
    "sequence green_2024_10_new": "CREATE SEQUENCE green_2024_10_new",
    "function green_2024_01_new()": "CREATE FUNCTION green_2024_01_new() RETURNS int "
    "LANGUAGE sql AS 'SELECT 1'",
    "index mine_idx": "CREATE INDEX mine_idx ON green_2024_01 (fare_amount)",
    "statistics object mine_stx": "CREATE STATISTICS mine_stx ON vendor_id, rate_code_id "
    "FROM green_2024_01",
}  # fmt: skip
"""What others made beside ours, by how Postgres describes it."""


@pytest.fixture
def killed(monkeypatch, warehouse):
    """Leave what a load in parts leaves that is killed before it unites them."""

    def kill(month: SampleMonth) -> None:
        def end() -> None:
            raise RuntimeError("killed")

        with monkeypatch.context() as patched:
            patched.setattr(month_table, "_WORTH_PARTS", 1)
            patched.setattr(month_table, "_unite", lambda *_: end())
            patched.setattr(PostgresWarehouse, "_drop_parts", lambda *_: None)
            with pytest.raises(RuntimeError, match="killed"):
                load(warehouse, month)

    return kill


PARTS = ("green_2024_01_new_0", "green_2024_01_new_1")


def by_old_code(number: int) -> str:
    """What the code of before 2026-11-28 made of a part, in one transaction."""
    name = f"green_2024_01_new_{number}"
    return (
        f"CREATE TABLE {name} (LIKE green, CONSTRAINT source_month_check "
        "CHECK (source_month = '2024-01-01'), CONSTRAINT pickup_datetime_check CHECK "
        "(pickup_datetime >= '2023-12-01'), CONSTRAINT source_row_check CHECK (source_row >= 0)); "
        f"ALTER TABLE {name} ALTER source_month SET DEFAULT '2024-01-01'; "
        f"INSERT INTO {name} SELECT * FROM green_2024_01; "
        f"CREATE INDEX {name}_brin ON {name} USING brin (pickup_datetime); ANALYZE {name}"
    )


EVERYTHING = """
SELECT relnamespace::regnamespace::text, relname FROM pg_class
WHERE relnamespace::regnamespace::text ~ %s ORDER BY 1, 2
"""


@pytest.mark.parametrize("code", ["today's", "of before"])
def test_what_a_killed_load_left_goes_and_nothing_that_looks_like_it(
    warehouse, inspector, query, killed, schema, code
):
    load(warehouse, MONTH)
    other = f"CREATE SCHEMA other_{schema}; CREATE TABLE other_{schema}.green_2024_01_new_0 (a int)"
    for statement in (*LOOK_ALIKES.values(), other):
        query(statement)
    before = query(EVERYTHING, schema)
    if code == "today's":
        killed(REVISED)
    else:
        for number in range(2):
            query(by_old_code(number))
    try:
        seen = inspector.inventory()
        assert seen.leftovers == PARTS
        found = {each.replace(f"{schema}.", "") for each in seen.others}
        assert found == set(LOOK_ALIKES)
        for described in LOOK_ALIKES:
            assert not inspector.drop_leftover(described.rpartition(" ")[2].strip('"'))
        for name in PARTS:
            assert inspector.drop_leftover(name)
        assert query(EVERYTHING, schema) == before
    finally:
        query(f"DROP SCHEMA other_{schema} CASCADE")
