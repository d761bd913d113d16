"""Through PgBouncer, in session and in transaction mode, everything goes as without it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from embedded.servers.cluster_home import find_home
from embedded.servers.ports import HOST, free_port
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.inspector import PostgresInspector
from nyc_tlc.adapters.postgres.marts import PostgresMarts
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.errors import ConfigurationError, RetryableError
from nyc_tlc.core.marts.declared import MARTS
from nyc_tlc.ports.warehouse import StoreCounts
from tests.ports.meanwhile import wait_until
from tests.ports.months import SampleMonth, at_once, load, load_dimensions
from tests.ports.postgres.servers import answers, sql

_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
MONTH = SampleMonth(rows=9, quarantined=[{}])
# The defaults of PgBouncer, but for the last one: nobody waits two minutes here.
_SETTINGS = """
[databases]
session = {server} pool_mode=session
transaction = {server} pool_mode=transaction
statement = {server} pool_mode=statement
narrow = {server} pool_mode=transaction pool_size=1
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
logfile = {log}
query_wait_timeout = 3
"""


@pytest.fixture(scope="module")
def pgbouncer(postgres, database) -> Iterator[Database]:
    """One in front of the server, by its pool ``session``."""
    if _PROGRAM is None:
        pytest.skip("pgbouncer is not installed: apt-get install pgbouncer")
    home = find_home(postgres.state_dir)
    folder, port = home.directory / "pgbouncer", free_port()
    folder.mkdir()
    users, settings = folder / "users", folder / "pgbouncer.ini"
    users.write_text(f'"{postgres.user}" "{postgres.password}"\n')
    settings.write_text(
        _SETTINGS.format(
            server=f"host={HOST} port={postgres.port} dbname={postgres.database}",
            host=HOST, port=port, users=users, log=folder / "log",
        )
    )  # fmt: skip
    for path in (folder, users, settings):
        if home.account.uid is not None:
            os.chown(path, home.account.uid, -1)
    running = subprocess.Popen(
        [_PROGRAM, "-q", str(settings)], user=home.account.uid, group=home.account.gid,
        extra_groups=None if home.account.uid is None else [], cwd="/",
    )  # fmt: skip
    pool = replace(database, port=port, dbname="session")
    try:
        wait_until(lambda: answers(pool))
        yield pool
    finally:
        running.terminate()
        running.wait(30)
        shutil.rmtree(folder)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_everything_works_through_it(pgbouncer, schema, query, mode):
    pooled = replace(pgbouncer, dbname=mode)
    warehouse, inspector = PostgresWarehouse(pooled, schema), PostgresInspector(pooled, schema)
    marts = PostgresMarts(pooled, schema)
    assert ": PostgreSQL " in warehouse.describe()
    load_dimensions(warehouse)
    for rows in (9, 7):
        month = replace(MONTH, rows=rows, sha256=f"{rows}" * 64)
        warehouse.mark_reconciled(load(warehouse, month))
        assert warehouse.count(month.partition) == StoreCounts(rows, 1)
    assert len(warehouse.replace_views([one.contract for one in SERVICES.values()])) == 5
    assert query("SELECT count(*) FROM trips") == [(7,)]
    warehouse.record_month_states([MonthState(month.partition, State.LOADED)])
    assert warehouse.month_states() == {month.partition: State.LOADED}
    (entry,) = warehouse.entries()
    for mart in MARTS:
        assert marts.replace_month(mart, entry).is_current(mart, entry)
    assert inspector.inventory().attached == {month.partition}
    assert inspector.scan(month.partition).rows == 7


def test_turns_are_taken_and_nothing_is_left_of_them(pgbouncer, schema, postgres):
    """Session settings, or locks for a session, would meet the next client of the connection."""
    pooled = replace(pgbouncer, dbname="transaction")
    months = [replace(MONTH, sha256=f"{n}" * 64) for n in range(4)]
    warehouse = PostgresWarehouse(pooled, schema)
    at_once([partial(load, warehouse, month) for month in months * 2])
    assert warehouse.count(MONTH.partition) == StoreCounts(9, 1)
    ours = ("search_path", "synchronous_commit", "idle_in_transaction_session_timeout",
            "lock_timeout", "default_statistics_target", "tcp_keepalives_idle")  # fmt: skip
    shown = {name: sql(pooled, f"SHOW {name}") for name in ours}
    assert shown == {name: [(postgres.psql(f"SHOW {name}").strip(),)] for name in ours}
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = x'544c43'::int"
    assert postgres.psql(held).strip() == "0"
    assert postgres.psql("SELECT count(*) FROM pg_prepared_statements").strip() == "0"


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        # libpq drops PgBouncer's own words (query_wait_timeout, …) when the connection ends.
        ({"dbname": "narrow"}, RetryableError,
         "session was ended.*three connections for each of TLC_WORKERS"),
        ({"dbname": "statement"}, RetryableError,
         "session was ended.*pool_mode session or transaction"),
        ({"dbname": "absent"}, ConfigurationError, "no such database.*POSTGRES_DBNAME"),
        ({"password": "wrong"}, ConfigurationError,
         "authentication.*POSTGRES_PASSWORD"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.usefixtures("parts")
def test_what_it_refuses_is_said_as_its(pgbouncer, schema, asked, error, words):
    warehouse = PostgresWarehouse(replace(pgbouncer, **asked), schema)
    with pytest.raises(error, match=words) as failure:
        load(warehouse, MONTH)
    assert "does not answer" not in str(failure.value)
