"""A server that is absent, refuses us or goes away: said in the right words, with what to do."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from embedded.servers.cluster_home import wheel_binaries
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.errors import REFUSALS, not_connected, refused
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import (
    ConfigurationError,
    ContractError,
    RetryableError,
)
from tests.ports.months import SampleMonth, after_its_rows, load, load_dimensions
from tests.ports.postgres.conftest import COPYING, NOTHING_IS_OPEN, everything_said
from tests.repository import ROOT

MONTH = SampleMonth(quarantined=[{}])
AGAIN = replace(MONTH, sha256="b" * 64)
SECRET = "not-the-passw0rd"
SQLSTATES = re.findall(
    r"^(\w{5}) +E ", (wheel_binaries().parent / "share" / "errcodes.txt").read_text(), re.M
)


@pytest.mark.parametrize(
    ("other", "error", "said"),
    [
        ({"port": 1}, RetryableError, "127.0.0.1:1/.*POSTGRES_PORT"),
        ({"host": "absent.invalid"}, RetryableError, "absent.invalid.*POSTGRES_HOST"),
        ({"password": SECRET}, ConfigurationError, "POSTGRES_PASSWORD"),
        ({"password": ""}, ConfigurationError, "POSTGRES_PASSWORD"),
        ({"password": f"{SECRET} ' and \\"}, ConfigurationError, "POSTGRES_PASSWORD"),
        ({"dbname": "absent"}, ConfigurationError, "absent.*POSTGRES_DBNAME"),
        ({"user": "nobody at all"}, ConfigurationError, "nobody at all.*POSTGRES_USER"),
    ],
    ids=str,
)
def test_server_that_is_absent_or_refuses_us_is_named_without_the_password(
    database, other, error, said
):
    warehouse = PostgresWarehouse(replace(database, **{"password": SECRET, **other}), "tlc")
    with pytest.raises(error, match=said) as failure:
        warehouse.entry(MONTH.partition)
    assert failure.value.outage.startswith("Postgres ")  # one that serves no month
    assert SECRET not in everything_said(failure.value)
    assert SECRET not in repr(warehouse)


def test_server_that_ends_the_session_is_retryable(warehouse, query, eventually):
    load(warehouse, MONTH)
    release = threading.Event()
    trips = after_its_rows(MONTH.trips(), lambda: release.wait(60))
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, warehouse, MONTH, trips=trips, force=True)
        eventually(COPYING)
        query(COPYING.replace("count(*) > 0", "pg_terminate_backend(pid)"))
        release.set()
        with pytest.raises(RetryableError, match=r"rolled back.*the server's log says why"):
            loading.result()
    assert warehouse.count(MONTH.partition).accepted == MONTH.rows
    eventually(NOTHING_IS_OPEN)


RAISE = "DO $$ BEGIN RAISE 'as it was said' USING ERRCODE = '{}'; END $$"


def test_every_sqlstate_of_the_server_has_its_next_step(connect):
    assert len(SQLSTATES) > 200
    with closing(connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for code in SQLSTATES:
            with pytest.raises(psycopg2.Error) as failure:
                cursor.execute(RAISE.format(code))
            refusal = REFUSALS.get(code) or REFUSALS[code[:2]]
            error = refused(failure.value, "tlc@db:5432/trips", committing=False, ended=False)
            assert (code, type(error)) == (code, refusal.kind)
            said = rf"tlc@db:5432/trips refused: as it was said .*SQLSTATE {code}\)"
            assert re.search(said, str(error))
            assert f"rolled back: what was there stays as it was. {refusal.next_step}" in str(error)


def test_a_sqlstate_that_nobody_knows_is_shown_as_it_came(database):
    with (
        pytest.raises(ConfigurationError, match=r"as it was said .*\(SQLSTATE ZZ999, not recogn"),
        database.transaction("tlc") as cursor,
    ):
        cursor.execute(RAISE.format("ZZ999"))


def test_the_page_lists_every_refusal():
    page = (ROOT / "docs" / "database-administrator.md").read_text("utf-8")
    listed = re.findall(r"^\| (`\w\w.*`) \| (.+) \| (yes|no) \|$", page, re.M)
    steps: dict[tuple[str, str], list[str]] = {}
    for code, (kind, step) in REFUSALS.items():
        steps.setdefault((step, "yes" if kind is RetryableError else "no"), []).append(f"`{code}`")
    assert listed == [(", ".join(codes), *said) for said, codes in steps.items()]


@pytest.fixture
def role(postgres, database, schema) -> Iterator[Database]:
    """A role of its own, which owns the schema and nothing else."""
    role = replace(database, user=f"role_{schema}", password="x")
    postgres.psql(
        f"CREATE ROLE {role.user} LOGIN PASSWORD 'x'; "
        f"GRANT CONNECT ON DATABASE {role.dbname} TO {role.user}; "
        f"CREATE SCHEMA {schema} AUTHORIZATION {role.user}"
    )
    load(PostgresWarehouse(role, schema), MONTH)
    yield role
    postgres.psql(f"DROP OWNED BY {role.user} CASCADE; DROP ROLE {role.user}")


@pytest.fixture
def hba(postgres) -> Iterator[Path]:
    """The server's pg_hba.conf, which is put back."""
    file = Path(postgres.psql("SHOW hba_file").strip())
    before = file.read_text()
    yield file
    file.write_text(before)
    postgres.psql("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("ALTER ROLE {role} SET default_transaction_read_only = on", ConfigurationError,
         "25006.*standby.*default_transaction_read_only = off"),
        ("ALTER ROLE {role} SET statement_timeout = '1ms'", ConfigurationError,
         "57014.*statement_timeout for the role"),
        ("ALTER ROLE {role} SET client_encoding = 'LATIN1'", None, ""),
        ("ALTER ROLE {role} SET idle_in_transaction_session_timeout = '50ms'", None, ""),
        ("ALTER ROLE {role} CONNECTION LIMIT 0", RetryableError,
         "too many connections for role.*limit of role or database"),
        ("ALTER ROLE {role} NOLOGIN", ConfigurationError, "not permitted to log in.*POSTGRES_USER"),
        ("ALTER ROLE {role} PASSWORD 'y'", ConfigurationError, "authentication.*POSTGRES_PASSWORD"),
        ("REVOKE ALL ON DATABASE {database} FROM {role}, PUBLIC", ConfigurationError,
         "permission denied for database.*own the schema"),
        ("ALTER SCHEMA {schema} OWNER TO tlc", ConfigurationError,
         "permission denied for schema.*own the schema"),
        ("ALTER TABLE {schema}.green OWNER TO tlc", ConfigurationError,
         "42501.*own the schema"),
        ("REVOKE ALL ON {schema}.ledger FROM {role}", ConfigurationError,
         "permission denied for table ledger.*own the schema"),
        ("REVOKE INSERT ON {schema}.quarantine FROM {role}", ConfigurationError,
         "permission denied for table quarantine.*own the schema"),
        ("CREATE TABLE {schema}.review (LIKE {schema}.quarantine, FOREIGN KEY (service, "
         "source_month, source_row) REFERENCES {schema}.quarantine); "
         "INSERT INTO {schema}.review SELECT * FROM {schema}.quarantine", ConfigurationError,
         "review_service.*fkey.*23503.*not of this project.*ON DELETE CASCADE"),
        ("ALTER TABLE {schema}.quarantine ADD CHECK (source_row < 3) NOT VALID", ContractError,
         "quarantine_source_row_check.*23514.*unless the constraint is not of this project"),
        ("CREATE FUNCTION {schema}.no() RETURNS trigger LANGUAGE plpgsql AS "
         "$$BEGIN RAISE EXCEPTION 'no'; END$$; CREATE TRIGGER no BEFORE INSERT ON "
         "{schema}.quarantine FOR EACH ROW EXECUTE FUNCTION {schema}.no()", ConfigurationError,
         "refused: no.*P0001.*trigger.*not of this project"),
        ("CREATE VIEW {schema}.green_2024_01_new AS SELECT 1", ConfigurationError,
         "green_2024_01_new.*move"),
        ("ALTER TABLE {schema}.ledger RENAME COLUMN run TO runs", ConfigurationError,
         "column.*run.*42703.*lake_audit"),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_an_administrator_did_is_said_with_what_to_do(
    postgres, role, schema, change, error, words
):
    postgres.psql(change.format(role=role.user, schema=schema, database=role.dbname))
    try:
        if error is None:
            assert load(PostgresWarehouse(role, schema), AGAIN).content == AGAIN.entry.content
            return
        with pytest.raises(error, match=words) as failure:
            load(PostgresWarehouse(role, schema), AGAIN)
    finally:
        postgres.psql(f"GRANT CONNECT, TEMPORARY ON DATABASE {role.dbname} TO PUBLIC")
    assert "schema must be ours" not in str(failure.value)
    count = f"SELECT sha256 FROM {schema}.ledger"
    assert postgres.psql(count).strip() == MONTH.sha256


def test_pg_hba_that_rejects_us_says_so(postgres, role, schema, hba):
    hba.write_text(f"host all {role.user} 127.0.0.1/32 reject\n{hba.read_text()}")
    postgres.psql("SELECT pg_reload_conf()")
    with pytest.raises(ConfigurationError, match=r"pg_hba.conf rejects.*who may connect"):
        load(PostgresWarehouse(role, schema), AGAIN)


@contextmanager
def _database(postgres, name: str, options: str) -> Iterator[None]:
    postgres.psql(f"CREATE DATABASE {name} {options}", "postgres")
    try:
        yield
    finally:
        postgres.psql(f"DROP DATABASE IF EXISTS {name} (FORCE)", "postgres")


def test_a_database_that_cannot_hold_the_text_refuses_it(postgres, database):
    latin = replace(database, dbname="latin")
    with _database(
        postgres, "latin", "ENCODING 'LATIN1' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    ):
        warehouse = PostgresWarehouse(latin, "tlc")
        load(warehouse, replace(MONTH, rows=1, values={"store_and_fwd_flag": ["é"]}))
        with latin.transaction("tlc") as cursor:
            cursor.execute("SELECT store_and_fwd_flag, octet_length(store_and_fwd_flag) FROM green")
            assert cursor.fetchall() == [("é", 1)]
        with pytest.raises(ConfigurationError, match=r"22P05.*ENCODING 'UTF8'"):
            load(warehouse, replace(AGAIN, rows=1, values={"store_and_fwd_flag": ["東"]}))


def test_a_database_that_goes_away_is_named(postgres, database):
    going = replace(database, dbname="going")
    with _database(postgres, "going", ""):
        with (
            pytest.raises(RetryableError, match="the server's log says why"),
            going.transaction("tlc") as cursor,
        ):
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        postgres.psql("DROP DATABASE going", "postgres")
        with pytest.raises(ConfigurationError, match=r"going.*POSTGRES_DBNAME.*create"):
            load_dimensions(PostgresWarehouse(going, "tlc"))
    with (
        _database(postgres, "going", "ALLOW_CONNECTIONS false"),
        pytest.raises(RetryableError, match="not currently accepting connections"),
    ):
        PostgresWarehouse(going, "tlc").entries()


def test_what_breaks_during_commit_leaves_the_outcome_open(database, schema, query):
    """A trigger at the end of the transaction ends the session in COMMIT."""
    query(f"CREATE SCHEMA {schema}")
    query(
        "CREATE TABLE t (a int); CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$; "
        "CREATE CONSTRAINT TRIGGER gone AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION gone()"
    )
    with (
        pytest.raises(RetryableError, match=r"during COMMIT.*committed is not known"),
        database.transaction(schema) as cursor,
    ):
        cursor.execute("INSERT INTO t VALUES (1)")


def test_what_a_server_says_in_another_language_is_not_taken_for_silence():
    """No code comes before a connection: what is not recognised is shown, and tried again."""
    said = psycopg2.OperationalError("FATAL: zu viele Verbindungen für Rolle »tlc«\n")
    error = not_connected(said, "tlc@db:5432/trips", "prefer")
    assert type(error) is RetryableError
    assert "FATAL: zu viele Verbindungen für Rolle »tlc« (not recognised)" in str(error)
