"""The harness itself, on few rows: it measures nothing worth knowing, but it measures."""

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.servers.postgres import PostgresServer
from nyc_tlc.core.catalog.selection import parse_months
from nyc_tlc.core.month import Month
from qa.benchmarks.peer import PEERS, peer_version
from qa.benchmarks.studies.partitions import others
from qa.benchmarks.workbench import delete_workbench

ROOT = Path(__file__).parents[3]
_ROWS = 20_000


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # pytest's own folders are closed to others; here root's server account can enter.
    with tempfile.TemporaryDirectory(prefix="nyc-tlc-bench-") as made:
        Path(made).chmod(0o755)
        yield Path(made)
        delete_workbench(Path(made) / "bench")


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "qa.benchmarks", *words, "--quick", "--folder", folder / "bench"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def results(folder: Path) -> Path:
    process = start(folder, "compare", "--rows", str(_ROWS), "--cases", "floor,load,job")
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    return folder / "bench" / "quick"


def test_every_case_leaves_the_same_rows(results: Path):
    study = json.loads((results / "results.json").read_text())["compare"]
    rows = {outcome["name"]: outcome["rows"] for outcome in study["outcomes"]}
    assert set(rows) == {"floor", "load", "job"}
    assert len(set(rows.values())) == 1
    assert _ROWS - 100 < rows["job"] <= _ROWS


def test_every_run_has_cost_something(results: Path):
    study = json.loads((results / "results.json").read_text())["compare"]
    for outcome in study["outcomes"]:
        (run,) = outcome["runs"]
        assert 0 < run["seconds"] <= run["process"]
        assert run["server_cpu"] > 0
        assert run["peak_mb"] > 1
    (job,) = (outcome for outcome in study["outcomes"] if outcome["name"] == "job")
    assert set(job["runs"][0]["steps"]) == {"land", "conform", "publish", "load", "reconcile"}


def test_a_report_and_a_chart_are_written(results: Path):
    text = (results / "RESULTS.md").read_text()
    assert re.search(r"^\| our whole job \| [\d.]+ \([\d.]+\) \|", text, re.M)
    assert (results / "results.svg").read_text().startswith("<svg")


def test_no_server_and_no_data_are_left(results: Path):
    folder = results.parent
    assert not (folder / "lake_job").exists()
    assert PostgresServer(folder / "server").pid is None


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_its_server(folder: Path, results: Path, sent: signal.Signals):
    record = results.parent / "server" / "run" / "postgres.json"
    before = record.read_text()
    process = start(folder, "compare", "--rows", str(_ROWS), "--cases", "floor,load")
    deadline = time.monotonic() + 60
    while record.read_text() == before and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "interrupted: nothing was written" in told
    assert PostgresServer(results.parent / "server").pid is None


def test_an_unknown_case_is_named(folder: Path):
    process = start(folder, "workers", "--cases", "one_month,many")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "no case of workers: many" in told


@pytest.mark.parametrize("count", [1, 10, 156, 200])
def test_so_many_other_months_are_found_around_the_measured_one(count: int):
    months = parse_months(others(count), latest=Month(2024, 1))
    assert len(months) == count
    assert Month(2024, 1) not in months
    assert min(months) >= Month(2011, 1)


def test_every_peer_pins_what_it_names():
    assert all(peer_version(peer).count(" ") >= len(peer.packages) for peer in PEERS)
