"""Start, find again, stop: the servers as one."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys

import psutil
import pytest
from dotenv import dotenv_values

from embedded.environment import read_env_file, write_env_file
from embedded.stack import CHECKOUT, Stack, run_environment
from nyc_tlc.adapters.lake import gcs

_SECRETS = ("POSTGRES_PASSWORD", "DEFAULT_OWNER_PASSWORD", "JWT_SECRET", "JWT_DOWNLOAD_SECRET")


def _command(stack: Stack, *words: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if "POSTGRES" not in name}
    return subprocess.run(
        [sys.executable, "-m", "embedded.stack", "--state", str(stack.state_dir), *words],
        cwd=CHECKOUT, env=clean, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def _pids(stack: Stack) -> dict[str, int | None]:
    return {server.name: server.pid for server in stack.servers}


def test_starting_a_running_stack_reuses_it(stack):
    before = _pids(stack)
    again = Stack(stack.state_dir)
    assert again.start() == read_env_file(stack.env_file)
    assert _pids(again) == before
    assert None not in before.values()


def test_environment_file_is_private_and_reads_back(stack, tmp_path):
    assert stat.S_IMODE(stack.env_file.stat().st_mode) == 0o600
    assert dotenv_values(stack.env_file)["TLC_WORK_DIR"] == str(stack.state_dir / "work")
    settings = {"PLAIN": "a=b", "SPACE": "a b", "ODD": 'it\'s $HOME \\ # "x"'}
    write_env_file(tmp_path / "x.env", settings)
    assert read_env_file(tmp_path / "x.env") == settings


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not installed")
def test_no_secret_is_printed_or_shows_in_process_list_or_files_others_read(stack):
    environment = read_env_file(stack.env_file)
    shown = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True)
    texts = [shown.stdout, stack.postgres.log.read_text(encoding="utf-8")]
    for folder in ("logs", "run"):
        texts += [file.read_text("utf-8") for file in (stack.state_dir / folder).iterdir()]
    for word in ("start", "status"):
        done = _command(stack, word)
        assert done.returncode == 0
        texts += [done.stdout, done.stderr]
    for name in _SECRETS:
        assert not [text for text in texts if environment[name] in text], name


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere only root sees every socket")
def test_servers_listen_on_loopback_only(stack):
    ports = {server.port for server in stack.servers}
    listening = {
        tuple(socket.laddr)
        for socket in psutil.net_connections("tcp")
        if socket.status == psutil.CONN_LISTEN and socket.laddr.port in ports
    }
    assert listening == {("127.0.0.1", port) for port in ports}


def test_two_starts_at_once_make_one_stack_that_comes_back_with_data_secrets_and_ports(
    own_stack, tmp_path
):
    words = [sys.executable, "-m", "embedded.stack", "--state", str(own_stack.state_dir), "start"]
    both = [
        subprocess.Popen(words, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    logged = [start.communicate(timeout=60)[1] for start in both]
    assert [start.returncode for start in both] == [0, 0]
    assert sorted(text.count("already running") for text in logged) == [0, 4]
    environment = own_stack.start()
    own_stack.postgres.psql("create table kept as select generate_series(1, 100000)")
    lake = gcs.connect(
        environment["LAKE_URL"], cache=tmp_path, emulator=own_stack.gcs.url, key_file=None
    )
    written = lake.write("raw/a=1/kept", b"1", if_generation=None)
    postgres, emulator = own_stack.postgres.pid, own_stack.gcs.pid
    os.kill(postgres, signal.SIGKILL)
    assert own_stack.postgres.await_end(5)
    assert not own_stack.is_running()
    assert own_stack.start() == environment
    assert own_stack.gcs.pid == emulator
    assert sorted(own_stack.stop()) == ["bigquery", "cdn", "gcs", "postgres"]
    assert set(_pids(own_stack).values()) == {None}
    assert Stack(own_stack.state_dir).start() == environment
    assert own_stack.postgres.psql("select count(*) from kept") == "100000\n"
    assert list(lake.list("")) == [written]


def test_recycled_pid_is_never_ended(own_stack):
    with subprocess.Popen(["sleep", "60"]) as bystander:
        run_file = own_stack.state_dir / "run" / "gcs.json"
        run_file.parent.mkdir(parents=True)
        run_file.write_text(f'{{"pid": {bystander.pid}, "birth": "long ago", "port": 1}}')
        assert own_stack.stop() == []
        assert bystander.poll() is None
        bystander.kill()


def test_taken_port_is_replaced(own_stack):
    own_stack.cdn_root.mkdir(parents=True)
    own_stack.cdn.start()
    own_stack.cdn.stop()
    record = own_stack.state_dir / "run" / "cdn.json"
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        taken = squatter.getsockname()[1]
        record.write_text(json.dumps(json.loads(record.read_text()) | {"port": taken}))
        own_stack.cdn.start()
        assert own_stack.cdn.port != taken


def test_commands_start_what_is_needed_and_it_outlives_their_terminal(own_stack):
    done = _command(own_stack, "stop")
    assert (done.returncode, done.stderr) == (0, "nothing was running\n")
    assert _command(own_stack, "status").returncode == 3
    done = _command(own_stack, "exec", "--", "printenv", "LAKE_URL")
    assert (done.returncode, done.stdout) == (0, "gs://nyc-tlc-lake\n")
    sql = "select current_database(), current_setting('search_path')"
    asked = _command(own_stack, "psql", "--", "-At", "-c", sql)
    assert (asked.stdout, asked.stderr) == ('nyc_tlc|"tlc",public\n', "")
    assert own_stack.is_running()
    assert os.getsid(0) not in {os.getsid(pid) for pid in _pids(own_stack).values() if pid}


@pytest.mark.parametrize(
    ("own", "exported", "expected"),
    [
        (
            "LAKE_URL=gs://mine\nTLC_SOURCE_URL=http://mine\nPOSTGRES_HOST=\n",
            {"LAKE_URL": "gs://exported"},
            {"LAKE_URL": "gs://exported", "TLC_SOURCE_URL": "http://mine"},
        ),
        (
            "POSTGRES_PASSWORD=of-compose\nPOSTGRES_PORT=1\nPOSTGRES_SCHEMA=mine\n",
            {},
            {"POSTGRES_SCHEMA": "mine"},
        ),
    ],
    ids=["exported wins over .env", "a password for compose does not hide the stack's"],
)
def test_settings_that_the_user_gives_win_over_the_stack(
    stack, tmp_path, monkeypatch, own, exported, expected
):
    (tmp_path / ".env").write_text(own)
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    found = run_environment(stack, tmp_path / ".env")
    expected = read_env_file(stack.env_file) | expected
    assert {name: found[name] for name in expected} == expected


def test_own_database_needs_no_stack(own_stack, tmp_path):
    (tmp_path / ".env").write_text("POSTGRES_HOST=db.example\n")
    found = run_environment(own_stack, tmp_path / ".env")
    assert (found["POSTGRES_HOST"], found.get("LAKE_URL")) == ("db.example", None)
    assert not own_stack.state_dir.exists()


def test_exit_status_is_the_commands(stack):
    assert _command(stack, "exec", "--", "sh", "-c", "exit 7").returncode == 7
    assert _command(stack, "exec", "--", "no-such-program").returncode == 127
    assert _command(stack, "exec").returncode == 2


def test_a_command_that_needs_no_server_starts_none(tmp_path):
    """`make schedules` asks the Mage of the containers, too."""
    done = _command(Stack(tmp_path / "state"), "exec", "--no-start", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert not (tmp_path / "state").exists()
