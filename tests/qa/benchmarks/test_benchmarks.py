"""The harness on few rows: it measures nothing worth knowing, but it measures, and counts rows."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from embedded.servers.postgres import PostgresServer
from qa.benchmarks.measure import CaseFailedError
from qa.benchmarks.report import write_report
from qa.benchmarks.results import read_results
from qa.benchmarks.workbench import delete_workbench, open_workbench

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # pytest's own folders are closed to others; here root's server account can enter.
    with tempfile.TemporaryDirectory(prefix="nyc-tlc-bench-") as made:
        Path(made).chmod(0o755)
        yield Path(made)
        delete_workbench(Path(made) / "workbench")


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "qa.benchmarks", *words, "--quick", "--folder", folder],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


STUDIES = {
    "compare": {"floor": 1, "floor_freeze": 1, "load": 1, "job": 1, "mage_run": 1},
    "scale": {"yellow_1": 1, "fhvhv_3": 3},
    "partitions": {"present_0": 1, "present_200": 1},
    "workers": {"one_month": 1, "workers_2": 12},
    "settings": {"embedded": 1, "fsync": 1},
}


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_measures_and_counts_what_it_loads(folder, study):
    process = start(folder, study, "--cases", ",".join(STUDIES[study]))
    _, printed = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    assert not (folder / "workbench").exists()
    outcomes = read_results(folder / "quick" / "results.json")[study].measured
    runs = [run for outcome in outcomes.values() for run in outcome.runs]
    assert all(0 < run.seconds <= run.process for run in runs)
    assert sum(run.server_cpu for run in runs) > 0
    rows = {name: outcome.rows / 5_000 for name, outcome in outcomes.items()}
    assert rows == pytest.approx(STUDIES[study], rel=0.01)


def test_another_checkout_is_compared_in_pairs_and_no_result_is_written(folder):
    printed, log = start(folder, "compare", "--against", str(ROOT), "--cases", "load").communicate()
    assert "| load, seconds |" in printed, log
    assert "written" not in log


def test_an_interrupted_run_stops_its_server(folder):
    process = start(folder, "compare", "--cases", "floor,load")
    assert "running" in process.stderr.readline()  # a program, while the server runs
    server = PostgresServer(folder / "workbench" / "server")
    assert server.pid is not None
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=300)
    assert process.returncode == 130, printed
    assert server.pid is None


def test_what_a_killed_run_left_is_deleted_and_a_run_under_way_is_not(folder):
    left = PostgresServer(folder / "workbench" / "server")
    left.start()
    killed = psutil.Process(left.pid)
    with open_workbench(folder / "workbench") as bench:
        killed.wait(timeout=60)  # it may take a moment to be gone
        with pytest.raises(CaseFailedError, match="another benchmark uses"):
            open_workbench(folder / "workbench").__enter__()
        assert bench.server.psql("SELECT 1") == "1\n"


def test_the_page_is_written_from_the_numbers_in_the_repository(tmp_path):
    page = ROOT / "qa" / "benchmarks" / "RESULTS.md"
    write_report(read_results(page.with_name("results.json")), tmp_path)
    assert (tmp_path / "RESULTS.md").read_text() == page.read_text()
