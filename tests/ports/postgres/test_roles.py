"""The loader owns its schema and nothing else; the reader reads all of it, and writes nothing."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors as pg
from psycopg2.sql import SQL, Identifier

from embedded.servers.postgres import LOADER
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import ConfigurationError
from tests.ports.months import SampleMonth, load, load_dimensions, partition

Read = Callable[..., list[tuple[Any, ...]]]
FIRST = SampleMonth(partition("2024-01"), quarantined=[{}])
LATER = SampleMonth(partition("2024-02"))


@pytest.fixture(scope="module", autouse=True)
def roles(postgres) -> None:
    postgres.make_roles()


@pytest.fixture
def loader(database, postgres) -> Database:
    return replace(database, user=LOADER, password=postgres.password_of("loader"))


@pytest.fixture
def warehouse(loader, schema) -> PostgresWarehouse:
    return PostgresWarehouse(loader, schema)


@pytest.fixture
def read(database, postgres, schema) -> Iterator[Read]:
    """Run a statement as the reader."""
    with closing(
        psycopg2.connect(
            host=database.host, port=database.port, dbname=database.dbname, user="tlc_reader",
            password=postgres.password_of("reader"), options=f"-c search_path={schema}",
        )
    ) as connection:  # fmt: skip
        connection.autocommit = True

        def run(statement: str, **names: str) -> list[tuple[Any, ...]]:
            parts = {name: Identifier(value) for name, value in names.items()}
            with connection.cursor() as cursor:
                cursor.execute(SQL(statement).format(**parts))
                return cursor.fetchall() if cursor.description else []

        yield run


def test_the_reader_reads_every_table_those_of_later_months_too(warehouse, read):
    load(warehouse, FIRST)
    assert read("SELECT count(*) FROM green") == [(FIRST.rows,)]
    assert read("SELECT count(*) FROM quarantine") == [(1,)]
    assert read("SELECT count(*) FROM ledger") == [(1,)]
    load(warehouse, LATER)
    load(warehouse, replace(FIRST, rows=3, sha256="b" * 64))
    assert read("SELECT count(*) FROM green") == [(3 + LATER.rows,)]
    assert read("SELECT count(*) FROM green_2024_01") == [(3,)]
    assert read("SELECT count(*) FROM green_2024_02") == [(LATER.rows,)]


def test_the_reader_reads_dimensions_and_views_after_they_are_replaced(warehouse, read):
    load(warehouse, FIRST)
    for _ in range(2):
        load_dimensions(warehouse)
        warehouse.replace_views([GREEN.contract])
        assert read("SELECT count(*) FROM taxi_zone") == [(4,)]
        assert read("SELECT count(*) FROM green_named") == [(FIRST.rows,)]
        assert read("SELECT count(*) FROM trips") == [(FIRST.rows,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger SELECT * FROM ledger",
        "UPDATE ledger SET run = 'mine'",
        "DELETE FROM quarantine",
        "DELETE FROM green_2024_01",
        "TRUNCATE green",
        "DROP TABLE green_2024_01",
        "ALTER TABLE green DETACH PARTITION green_2024_01",
        "ALTER TABLE ledger OWNER TO tlc_reader",
        "CREATE TABLE {schema}.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "DROP SCHEMA {schema} CASCADE",
        "BEGIN; LOCK TABLE green IN ACCESS EXCLUSIVE MODE",
        "COPY ledger TO PROGRAM 'true'",
        "COPY ledger TO '/tmp/ledger'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT lo_create(0)",
        "SET ROLE {loader}",
        "ALTER SYSTEM SET fsync = off",
    ],
)
def test_the_reader_changes_nothing(warehouse, read, schema, statement):
    load(warehouse, FIRST)
    with pytest.raises((pg.InsufficientPrivilege, pg.InvalidGrantOperation)):
        read(statement, schema=schema, loader=LOADER)
    assert warehouse.count(FIRST.partition).accepted == FIRST.rows


def test_the_loader_is_no_superuser(loader, postgres):
    rights = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    found = postgres.psql(f"SELECT bool_or({rights}) FROM pg_roles WHERE rolname ~ '^tlc_'")
    assert found.strip() == "f"
    for statement in ("COPY (SELECT 1) TO PROGRAM 'true'", "SELECT pg_read_file('/etc/hostname')"):
        with (
            pytest.raises(ConfigurationError, match="permission denied"),
            loader.transaction("tlc") as cursor,
        ):
            cursor.execute(statement)


def test_the_reader_as_loader_is_told_so_and_changes_nothing(warehouse, postgres, loader, schema):
    load(warehouse, FIRST)
    reader = replace(loader, user="tlc_reader", password=postgres.password_of("reader"))
    with pytest.raises(ConfigurationError, match="permission denied"):
        load(PostgresWarehouse(reader, schema), replace(FIRST, sha256="c" * 64))
    assert warehouse.entry(FIRST.partition).content.sha256 == FIRST.sha256


def test_tables_from_before_the_roles_change_hands(
    database, warehouse, postgres, schema,
    read
):  # fmt: skip
    load(PostgresWarehouse(database, schema), FIRST)
    with pytest.raises(pg.UndefinedTable):
        read("SELECT count(*) FROM green")
    with pytest.raises(ConfigurationError, match=f"permission denied for schema {schema}"):
        warehouse.entries()  # not: there is none
    postgres.make_roles()
    assert read("SELECT count(*) FROM green") == [(FIRST.rows,)]
    load(warehouse, LATER)
    load(warehouse, replace(FIRST, rows=2, sha256="b" * 64))
    assert read("SELECT count(*) FROM green") == [(2 + LATER.rows,)]
