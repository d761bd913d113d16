"""A server with standbys: none that is silent holds readers up; on one, a load says where it is."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from embedded.servers.cluster_home import SERVER_ENV, find_home, wheel_binaries
from embedded.servers.ports import HOST, free_port
from embedded.servers.postgres import PostgresServer
from nyc_tlc.adapters.postgres import connection
from nyc_tlc.adapters.postgres.connection import Database
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import ConfigurationError, RetryableError
from tests.ports.meanwhile import wait_until
from tests.ports.months import SampleMonth, load, load_dimensions

OLD = SampleMonth(rows=4)
NEW = SampleMonth(rows=9, sha256="b" * 64)
COUNT = "SELECT count(*) FROM tlc.green"


@pytest.fixture(scope="module")
def loader(primary) -> Database:
    """No superuser, as in production."""
    primary.make_roles()
    return Database(
        HOST, primary.port, primary.database, "tlc_loader", primary.password_of("loader"), 5
    )


@pytest.fixture
def warehouse(primary, loader) -> Iterator[PostgresWarehouse]:
    warehouse = PostgresWarehouse(loader, "tlc")
    load(warehouse, OLD, force=True)
    yield warehouse
    _set(primary, "synchronous_standby_names", "")


def _set(server: PostgresServer, name: str, value: str) -> None:
    server.psql(f"ALTER SYSTEM SET {name} = '{value}'")
    server.psql("SELECT pg_reload_conf()")
    wait_until(lambda: server.psql(f"SHOW {name}").strip() == value)


def test_a_standby_that_is_silent_holds_nobody_up_and_is_told_of(primary, warehouse, monkeypatch):
    monkeypatch.setattr(connection, "_STANDBY_PATIENCE", 2.0)
    _set(primary, "synchronous_standby_names", "absent")
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, warehouse, NEW)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        while primary.psql(waiting).strip() == "0":
            assert not loading.done()
        # It has no lock on what readers use, and they see the new month.
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND pid IN (SELECT pid "
        assert primary.psql(f"{locks} FROM pg_stat_activity WHERE wait_event = 'SyncRep')") == "0\n"
        assert primary.psql(COUNT).strip() == "9"
        with pytest.raises(RetryableError, match=r"committed, but none.*Start the standby"):
            loading.result()
    # What is tried again finds the month, and waits for nobody.
    assert load(warehouse, NEW).content == NEW.entry.content
    with pytest.raises(RetryableError, match="synchronous_standby_names"):
        load_dimensions(warehouse)
    _set(primary, "synchronous_standby_names", "")
    warehouse.mark_reconciled(NEW.entry)


@pytest.fixture
def standby(primary, loader) -> Iterator[Database]:
    """A streaming replica that was made by pg_basebackup, as a synchronous standby."""
    home = find_home(primary.state_dir)
    data, port = home.directory / "standby", free_port()
    connect = f"host={HOST} port={primary.port} user={primary.user} application_name=other"
    # Packages of a server alone lack it. A newer one serves older servers; only what it would write
    # into their configuration (-R), they do not read.
    is_there = (home.binaries / "pg_basebackup").exists()
    program = (home.binaries if is_there else wheel_binaries()) / "pg_basebackup"
    environment = {**SERVER_ENV, "PGPASSWORD": primary.password}
    command = [program, "-d", connect, "-D", data, "-c", "fast", "-X", "stream"]
    made = home.account.run(command, environment)
    assert made.returncode == 0, made.stderr
    (data / "standby.signal").touch()
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"primary_conninfo = '{connect} password={primary.password}'\n")
    control = [home.binaries / "pg_ctl", "-D", data, "-w", "-l", home.directory / "standby.log"]
    started = home.account.run([*control, "-o", f"-p {port}", "start"], environment)
    assert started.returncode == 0, started.stderr
    try:
        yield replace(loader, port=port)
    finally:
        home.account.run([*control, "-m", "immediate", "stop"], environment)
        shutil.rmtree(data)


def test_a_standby_has_every_load_and_takes_none(primary, warehouse, standby):
    _set(primary, "synchronous_standby_names", "other")
    load(warehouse, NEW)
    there = PostgresWarehouse(standby, "tlc")
    # The standby has flushed it; that it shows it, too, takes a moment.
    wait_until(lambda: there.entries() == warehouse.entries())
    assert there.count(NEW.partition).accepted == 9
    with pytest.raises(ConfigurationError, match=r"25006.*is a standby.*POSTGRES_HOST"):
        load(there, replace(NEW, sha256="c" * 64))


def test_a_role_that_waits_for_nothing_goes_on_doing_so(primary, loader, warehouse):
    primary.psql("ALTER ROLE tlc_loader SET synchronous_commit = off")
    try:
        with loader.transaction("tlc") as cursor:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("off",)
        _set(primary, "synchronous_standby_names", "absent")
        load(warehouse, NEW)
    finally:
        _set(primary, "synchronous_standby_names", "")
        primary.psql("ALTER ROLE tlc_loader RESET synchronous_commit")
