"""What an administrator added to a month's table is kept, or refused before any work, by name."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from nyc_tlc.adapters.postgres import month_table
from nyc_tlc.adapters.postgres import warehouse as adapter
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ConfigurationError
from tests.ports.months import SampleMonth, load, partition
from tests.ports.postgres.servers import sql

MONTHS = [SampleMonth(partition(f"2024-0{number}"), rows=6) for number in (1, 2, 3)]
OLD = MONTHS[0]


KEPT = {
    "grants": (
        "GRANT SELECT, UPDATE ON green_2024_01 TO PUBLIC; "
        "GRANT SELECT ON green_2024_01 TO pg_monitor WITH GRANT OPTION; "
        "GRANT INSERT (fare_amount, vendor_id) ON green_2024_01 TO pg_monitor",
        "SELECT relacl::text, (SELECT string_agg(attname || attacl::text, ',' ORDER BY attname) "
        "FROM pg_attribute WHERE attrelid = c.oid AND attacl IS NOT NULL) "
        "FROM pg_class AS c WHERE oid = 'green_2024_01'::regclass",
    ),
    "comments": (
        "COMMENT ON TABLE green_2024_01 IS 'it''s {checked} by 100 %'; "
        "COMMENT ON COLUMN green_2024_01.fare_amount IS 'in US dollars'",
        "SELECT objsubid, description FROM pg_description "
        "WHERE objoid = 'green_2024_01'::regclass ORDER BY 1",
    ),
    "statistics targets and options of columns": (
        "ALTER TABLE green_2024_01 ALTER fare_amount SET STATISTICS 777; "
        "ALTER TABLE green_2024_01 ALTER vendor_id SET (n_distinct = 4); "
        "ALTER TABLE green_2024_01 ALTER store_and_fwd_flag SET STORAGE PLAIN; "
        "ALTER TABLE green_2024_01 ALTER extra_columns SET COMPRESSION pglz; "
        "ALTER TABLE green_2024_01 ALTER fare_amount SET NOT NULL",
        "SELECT attname, attstattarget, attoptions, attstorage::text, attcompression::text, "
        "attnotnull FROM pg_attribute WHERE attrelid = 'green_2024_01'::regclass AND attnum > 0 "
        "ORDER BY attnum",
    ),
    "extended statistics": (
        "CREATE STATISTICS mine_stx (mcv, ndistinct) ON vendor_id, fare_amount "
        "FROM green_2024_01; CREATE STATISTICS mine_sum ON (fare_amount + 1) FROM green_2024_01; "
        "ANALYZE green_2024_01",
        "SELECT pg_get_statisticsobjdef(oid), (SELECT count(*) FROM pg_statistic_ext_data "
        "WHERE stxoid = e.oid) FROM pg_statistic_ext AS e "
        "WHERE stxrelid = 'green_2024_01'::regclass ORDER BY 1",
    ),
    "publications": (
        "CREATE PUBLICATION mine_{schema} FOR TABLE green_2024_01 (source_row, fare_amount) "
        "WHERE (fare_amount > 0) WITH (publish_via_partition_root = true); "
        "CREATE PUBLICATION whole_{schema} FOR TABLE green_2024_01",
        "SELECT pubname, attnames, rowfilter FROM pg_publication_tables "
        "WHERE tablename = 'green_2024_01' AND schemaname = '{schema}' ORDER BY 1",
    ),
    "replica identity": (
        "ALTER TABLE green_2024_02 REPLICA IDENTITY FULL",
        "SELECT relreplident::text FROM pg_class WHERE oid = 'green_2024_02'::regclass",
    ),
    "indexes": (
        "CREATE INDEX mine ON green_2024_01 (fare_amount DESC) INCLUDE (vendor_id) "
        "WITH (fillfactor = 70) WHERE fare_amount > 1; "
        "CREATE UNIQUE INDEX \"Mine Too\" ON green_2024_01 (source_row); "
        "ALTER TABLE green_2024_01 ALTER source_row SET NOT NULL; "
        "ALTER TABLE green_2024_01 REPLICA IDENTITY USING INDEX \"Mine Too\"",
        "SELECT pg_get_indexdef(indexrelid), indisvalid, indisreplident FROM pg_index "
        "WHERE indrelid = 'green_2024_01'::regclass AND indexrelid::regclass::text ~* 'mine' "
        "ORDER BY 1",
    ),
    "storage parameters and tablespace": (
        "ALTER TABLE {leaf} SET (fillfactor = 60, autovacuum_enabled = false, "
        "toast.autovacuum_enabled = false); "
        "ALTER TABLE {leaf} SET TABLESPACE space_{schema}",
        "SELECT c.reloptions, t.reloptions, c.reltablespace > 0 FROM pg_class AS c "
        "JOIN pg_class AS t ON t.oid = c.reltoastrelid WHERE c.oid = '{leaf}'::regclass",
    ),
    "an owner that we may act for": (
        "CREATE ROLE owner_{schema}; GRANT CREATE, USAGE ON SCHEMA {schema} TO owner_{schema}; "
        "ALTER TABLE green_2024_03 OWNER TO owner_{schema}",
        "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'green_2024_03'::regclass",
    ),
    "a CHECK, a NOT NULL, a default, a key and an index on the service's table": (
        "ALTER TABLE green ADD CONSTRAINT positive CHECK (source_row >= 0), "
        "ALTER fare_amount SET DEFAULT 7, ALTER quality_flags SET NOT NULL, "
        "ADD PRIMARY KEY (source_month, source_row); CREATE INDEX dear ON green (fare_amount)",
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'green_2024_01'::regclass ORDER BY 1",
    ),
    "a trigger, a rule and an identity on the service's table": (
        "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
        "CREATE TRIGGER seen AFTER INSERT ON green FOR EACH ROW EXECUTE FUNCTION seen(); "
        "CREATE RULE loud AS ON INSERT TO green DO ALSO NOTIFY loaded; "
        "ALTER TABLE green ALTER source_row ADD GENERATED BY DEFAULT AS IDENTITY",
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'green_2024_01'::regclass UNION ALL "
        "SELECT rulename FROM pg_rewrite WHERE ev_class = 'green'::regclass UNION ALL "
        "SELECT attidentity::text FROM pg_attribute WHERE attrelid = 'green'::regclass "
        "AND attname = 'source_row'",
    ),
}  # fmt: skip
"""What is done, and what must then read the same after the load of another version."""

REFUSED = {
    "view mine": "CREATE VIEW mine AS SELECT fare_amount FROM green_2024_01",
    "materialized view mine": "CREATE MATERIALIZED VIEW mine AS SELECT 1 FROM green_2024_01",
    "function mine(green_2024_01)": "CREATE FUNCTION mine(green_2024_01) RETURNS int "
    "LANGUAGE sql RETURN 1",
    "function fares()": "CREATE FUNCTION fares() RETURNS bigint LANGUAGE sql "
    "BEGIN ATOMIC SELECT count(*) FROM green_2024_01; END",
    "column a of table mine": "CREATE TABLE mine (a green_2024_01)",
    "trigger mine on table green_2024_01": "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql "
    "AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER mine AFTER UPDATE ON green_2024_01 "
    "EXECUTE FUNCTION f()",
    "rule mine on table green_2024_01": "CREATE RULE mine AS ON DELETE TO green_2024_01 "
    "DO INSTEAD NOTHING",
    "policy mine on table green_2024_01": "CREATE POLICY mine ON green_2024_01 USING (true)",
    "row level security of table green_2024_01": "ALTER TABLE green_2024_01 ENABLE ROW LEVEL "
    "SECURITY",
    "constraint mine on table green_2024_01": "ALTER TABLE green_2024_01 ADD CONSTRAINT mine "
    "CHECK (fare_amount IS NULL OR fare_amount > -1000)",
    "constraint mine_key on table green_2024_01": "ALTER TABLE green_2024_01 "
    "ADD CONSTRAINT mine_key UNIQUE (source_row)",
    "constraint mine_fkey on table mine": "ALTER TABLE green ADD PRIMARY KEY (source_month, "
    "source_row); CREATE TABLE mine (a date, b int, CONSTRAINT mine_fkey FOREIGN KEY (a, b) "
    "REFERENCES green)",
    "default value for column fare_amount of table green_2024_01": "ALTER TABLE green_2024_01 "
    "ALTER fare_amount SET DEFAULT 7",
    "green has columns that are not of the contract green/2: note": "ALTER TABLE green "
    "ADD COLUMN note text",
    "partition others of green has the month's rows": "ALTER TABLE green DETACH PARTITION "
    "green_2024_01; CREATE TABLE others PARTITION OF green FOR VALUES IN ('2024-01-01', "
    "'1999-01-01')",
    "partition rest of green has the month's rows": "ALTER TABLE green DETACH PARTITION "
    "green_2024_01; CREATE TABLE rest PARTITION OF green DEFAULT; INSERT INTO rest "
    "SELECT * FROM green_2024_01",
    "name of index green_2024_01_brin, table green_2024_01,": "ALTER TABLE green_2024_01 "
    "RENAME TO archive; ALTER TABLE green DETACH PARTITION archive; "
    "CREATE TABLE green_2024_01 (a int)",
    "a load needs the name of view green_2024_01_new": "CREATE VIEW "
    "green_2024_01_new AS SELECT 1 AS a",
    "a load needs the name of table green_2024_01_new_0": "CREATE TABLE green_2024_01_new_0 "
    "(a int)",
    "a load needs the name of sequence green_2024_01_new_1": "CREATE SEQUENCE green_2024_01_new_1",
    "a load needs the name of type green_2024_01_new_0": "CREATE TYPE green_2024_01_new_0 "
    "AS ENUM ('a')",
    "a load needs the name of index green_2024_01_new_brin": "CREATE INDEX "
    "green_2024_01_new_brin ON ledger (run)",
}  # fmt: skip
"""What is named by the refusal, by what was done."""


@dataclass(frozen=True)
class Place:
    """A schema of its own."""

    database: Database
    schema: str
    leaf: str

    @property
    def warehouse(self) -> PostgresWarehouse:
        return PostgresWarehouse(self.database, self.schema)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        here = f"-c search_path={self.schema} -c allow_in_place_tablespaces=on"
        statement = statement.replace("{schema}", self.schema).replace("{leaf}", self.leaf)
        return sql(self.database, statement, here)


@pytest.fixture(scope="module", params=[500_000, 1], ids=["one table", "parts"])
def place(request, database) -> Iterator[Place]:
    """Where three months are loaded, all in one piece or all in parts."""
    leaf = "green_2024_02" if request.param > 1 else "green_2024_02_0"
    place = Place(database, f"test_{uuid.uuid4().hex[:12]}", leaf)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(month_table, "_WORTH_PARTS", request.param)
        for month in MONTHS:
            load(place.warehouse, with_fares(month))
        yield place
        place.sql(f"DROP SCHEMA {place.schema} CASCADE")


def with_fares(month: SampleMonth) -> SampleMonth:
    return replace(month, values={"fare_amount": [float(row) for row in range(month.rows)]})


@pytest.mark.parametrize("named", REFUSED)
def test_it_is_refused_by_name_before_any_work(place, named):
    def attempt() -> None:
        with place.warehouse._transaction() as cursor:
            cursor.execute(REFUSED[named])
            adapter._require_ours(cursor, OLD.partition, in_place=False)

    with pytest.raises(ConfigurationError) as refusal:
        attempt()
    said = str(refusal.value)
    assert said.startswith("green 2024-01: ")
    assert named in said
    assert "Nothing was changed." in said


@pytest.mark.parametrize(
    ("month", "put", "named", "take_away"),
    [
        ("2024-01", "CREATE VIEW mine AS TABLE green_2024_01", "view mine", "DROP VIEW mine"),
        ("2024-04", "CREATE TABLE green_2024_04 (a int)", "table green_2024_04",
         "DROP TABLE green_2024_04"),
    ],
)  # fmt: skip
def test_a_load_that_is_refused_has_changed_nothing(place, month, put, named, take_away):
    place.sql(put)
    everything = (
        "SELECT oid, xmin::text FROM pg_class WHERE relnamespace = '{schema}'::regnamespace"
    )
    try:
        there = place.sql(everything)
        with pytest.raises(ConfigurationError, match=named):
            load(place.warehouse, SampleMonth(partition(month), sha256="c" * 64))
        assert place.sql(everything) == there
    finally:
        place.sql(take_away)


@pytest.fixture(scope="module")
def story(place) -> Iterator[dict[str, tuple[list, list]]]:
    """By addition, what reads of it before another version of the months was loaded, and after."""
    place.sql("CREATE TABLESPACE space_{schema} LOCATION ''")
    try:
        for statements, _ in KEPT.values():
            place.sql(statements)
        reads = {name: read for name, (_, read) in KEPT.items()}
        before = {name: place.sql(read) for name, read in reads.items()}
        for rows in (8, 9):
            for month in MONTHS:
                load(place.warehouse, with_fares(replace(month, rows=rows, sha256=f"{rows}" * 64)))
        yield {name: (before[name], place.sql(read)) for name, read in reads.items()}
    finally:
        place.sql(
            "ALTER TABLE green_2024_03 OWNER TO CURRENT_USER; "
            "DROP OWNED BY owner_{schema}; DROP ROLE owner_{schema}; "
            "DROP PUBLICATION mine_{schema}, whole_{schema}; DROP TABLE green_2024_02"
        )
        place.sql("DROP TABLESPACE space_{schema}")


@pytest.mark.parametrize("addition", KEPT)
def test_it_is_kept(story, addition):
    before, after = story[addition]
    assert before
    assert after == before


def test_the_other_version_was_loaded(story, place):
    assert place.sql("SELECT count(*) FROM green") == [(27,)]
