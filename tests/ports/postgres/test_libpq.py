"""Nothing but the settings steers our connections: not libpq's environment, nor an encoding."""

import os
import re
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from nyc_tlc.adapters.postgres.connection import _DEFAULTS_OF_LIBPQ, _OF_NO_PARAMETER
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ConfigurationError, RetryableError
from tests.ports.months import SampleMonth, load

MONTH = SampleMonth(rows=1, values={"store_and_fwd_flag": ["é"]})
ALWAYS_GIVEN = {
    "PGAPPNAME", "PGCLIENTENCODING", "PGCONNECT_TIMEOUT", "PGDATABASE", "PGHOST", "PGPASSWORD",
    "PGPORT", "PGSSLMODE", "PGUSER",
}  # fmt: skip
WITHOUT_EFFECT = {
    "PGREQUIRESSL": "where sslmode is given", "PGSERVICEFILE": "without a service",
    "PGSYSCONFDIR": "without a service",
}  # fmt: skip
STEERING = {
    **dict.fromkeys(ALWAYS_GIVEN | {"PGHOSTADDR"}, "192.0.2.1"),
    "PGCHANNELBINDING": "require",
    "PGCLIENTENCODING": "LATIN1",
    "PGCONNECT_TIMEOUT": "1",
    "PGDATESTYLE": "SQL, DMY",
    "PGGEQO": "nonsense",
    "PGGSSDELEGATION": "1",
    "PGGSSENCMODE": "require",
    "PGGSSLIB": "nonsense",
    "PGKRBSRVNAME": "nonsense",
    "PGLOADBALANCEHOSTS": "nonsense",
    "PGMAXPROTOCOLVERSION": "nonsense",
    "PGMINPROTOCOLVERSION": "nonsense",
    "PGOPTIONS": "-c search_path=elsewhere -c default_transaction_read_only=on",
    "PGPASSFILE": "/dev/null",
    "PGPORT": "1",
    "PGREQUIREAUTH": "none",
    "PGREQUIREPEER": "nobody",
    "PGREQUIRESSL": "1",
    "PGSERVICE": "elsewhere",
    "PGSERVICEFILE": "{services}",
    "PGSSLCERT": "/nowhere/client.crt",
    "PGSSLCERTMODE": "require",
    "PGSSLCOMPRESSION": "1",
    "PGSSLCRL": "/nowhere/crl.pem",
    "PGSSLCRLDIR": "/nowhere",
    "PGSSLKEY": "/nowhere/client.key",
    "PGSSLMAXPROTOCOLVERSION": "TLSv1",
    "PGSSLMINPROTOCOLVERSION": "nonsense",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLROOTCERT": "/nowhere/ca.pem",
    "PGSSLSNI": "0",
    "PGSYSCONFDIR": "/nowhere",
    "PGTARGETSESSIONATTRS": "standby",
    "PGTZ": "nonsense",
}


@pytest.fixture
def steered(monkeypatch, tmp_path):
    """Sets variables, which are put back."""
    services = tmp_path / "services"
    services.write_text("[elsewhere]\nhostaddr=192.0.2.1\nport=1\noptions=-c work_mem=x\n")

    def use(*names):
        for name in names:
            monkeypatch.setenv(name, STEERING[name].format(services=services))

    return use


@pytest.mark.parametrize("name", sorted(STEERING))
def test_no_variable_of_libpq_steers_us(database, schema, steered, name):
    steered(name)
    with database.transaction(schema, snapshot=True) as cursor:
        cursor.execute("SELECT current_database(), current_user, '2024-01-02'::date::text")
        assert cursor.fetchone() == (database.dbname, database.user, "2024-01-02")


def test_nor_do_all_of_them_together_and_errors_name_what_was_asked(database, schema, steered):
    steered(*STEERING)
    load(PostgresWarehouse(database, schema), MONTH)
    nobody = replace(database, port=1)
    with pytest.raises(RetryableError, match=re.escape(repr(nobody))) as failure:
        PostgresWarehouse(nobody, schema).entry(MONTH.partition)
    assert "192.0.2.1" not in str(failure.value)


def test_every_variable_that_libpq_reads_is_in_the_table():
    known = {*_DEFAULTS_OF_LIBPQ, *_OF_NO_PARAMETER, *ALWAYS_GIVEN, *WITHOUT_EFFECT}
    bundled = [*Path(psycopg2.__file__).parents[1].glob("psycopg2_binary.libs/libpq-*")]
    assert bundled
    for library in bundled:
        found = re.findall(rb"(?<=\0)PG(?!RES_)[A-Z_]{2,}(?=\0)", library.read_bytes())
        assert {name.decode() for name in found} - known == set()
    assert set(STEERING) == known


@pytest.mark.parametrize(
    "change",
    [
        "ALTER ROLE {role} SET client_encoding = 'LATIN1'",
        "ALTER DATABASE {database} SET client_encoding = 'WIN1252'",
        # Since PostgreSQL 17.
        "CREATE FUNCTION public.other() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN PERFORM "
        "set_config('client_encoding', 'LATIN1', false); END$$; "
        "CREATE EVENT TRIGGER other ON login EXECUTE FUNCTION public.other()",
    ],
    ids=["role", "database", "login trigger"],
)
def test_an_encoding_that_others_set_changes_no_letter(postgres, database, schema, change):
    names = {"role": database.user, "database": database.dbname}
    postgres.psql(change.format(**names))
    try:
        load(PostgresWarehouse(database, schema), MONTH)
        with database.transaction(schema) as cursor:
            cursor.execute("SELECT store_and_fwd_flag, 'é' FROM green")
            assert cursor.fetchall() == [("é", "é")]
    finally:
        postgres.psql(
            "DROP EVENT TRIGGER IF EXISTS other; DROP FUNCTION IF EXISTS public.other(); "
            "ALTER ROLE {role} RESET client_encoding; "
            "ALTER DATABASE {database} RESET client_encoding".format(**names)
        )
    told = postgres.psql("SHOW server_encoding").strip()
    bytes_of = f"SELECT encode(convert_to(store_and_fwd_flag, 'UTF8'), 'hex') FROM {schema}.green"
    assert (told, postgres.psql(bytes_of).strip()) == ("UTF8", "c3a9")


def test_a_database_without_an_encoding_is_refused(postgres, database, schema):
    postgres.psql(
        "CREATE DATABASE no_encoding ENCODING 'SQL_ASCII' TEMPLATE template0 "
        "LOCALE_PROVIDER libc LOCALE 'C'", "postgres",
    )  # fmt: skip
    try:
        warehouse = PostgresWarehouse(replace(database, dbname="no_encoding"), schema)
        with pytest.raises(ConfigurationError, match=r"SQL_ASCII.*ENCODING 'UTF8'.*POSTGRES_DBN"):
            load(warehouse, MONTH)
    finally:
        postgres.psql("DROP DATABASE no_encoding (FORCE)", "postgres")


def test_the_environment_is_left_to_others(database, schema, monkeypatch):
    """Mage's own connection may need it; only what would steer ours all the same goes."""
    monkeypatch.setenv("PGPASSWORD", "of Mage's database")
    monkeypatch.setenv("PGSERVICE", "gone")
    with database.transaction(schema):
        pass
    assert os.environ["PGPASSWORD"] == "of Mage's database"
    assert "PGSERVICE" not in os.environ
