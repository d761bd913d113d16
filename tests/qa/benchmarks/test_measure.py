"""What a run is said to have cost, against programs whose cost is known."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from embedded.servers.postgres import PostgresServer
from qa.benchmarks.case import Case, Rounds, run_in_turn
from qa.benchmarks.measure import Command, Measured, measured
from qa.benchmarks.run import CaseFailedError
from qa.benchmarks.server_cpu import server_cpu

_SPIN = "import time\nwhile time.process_time() < 0.4: pass"


@pytest.fixture
def postmaster(postgres: PostgresServer) -> psutil.Process:
    return psutil.Process(postgres.pid)


def run(postmaster: psutil.Process, code: str, **options: object) -> Measured:
    command = Command((sys.executable, "-c", code), dict(os.environ), **options)
    return measured(command, postmaster)


def test_time_and_cpu_are_those_of_the_process(postmaster):
    cost = run(postmaster, f"{_SPIN}\ntime.sleep(0.3)").run
    assert cost.process > 0.7
    assert 0.3 < cost.client_cpu < cost.process
    assert cost.server_cpu < 0.3


def test_a_child_counts_with_its_parent(postmaster):
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SPIN!r}], check=True)"
    assert run(postmaster, code).run.client_cpu > 0.4


def test_the_peak_is_that_of_memory_touched_and_freed(postmaster):
    code = "import time\nx = b'1' * 150_000_000; time.sleep(0.1); del x; time.sleep(0.1)"
    assert 150 < run(postmaster, code).run.peak_mb < 200


def test_a_program_says_itself_how_long_its_work_took(postmaster):
    said = run(postmaster, 'print("chatter"); print(\'{"seconds": 0.125, "steps": {"a": 0.1}}\')')
    assert (said.run.seconds, said.run.steps) == (0.125, {"a": 0.1})
    assert said.run.process != 0.125


def test_a_silent_program_is_measured_as_a_whole(postmaster):
    cost = run(postmaster, "pass").run
    assert cost.seconds == cost.process


def test_a_failure_says_why(postmaster):
    with pytest.raises(CaseFailedError, match="ended with 1: KeyError: 'x'"):
        run(postmaster, "{}['x']")


def test_a_failure_that_ends_with_advice_still_says_why(postmaster):
    code = "import sys; sys.exit('x.BadError: it broke\\nNote: try something else')"
    with pytest.raises(CaseFailedError, match=r"BadError: it broke$"):
        run(postmaster, code)


def test_a_program_that_never_ends_is_ended_with_its_children(postmaster):
    code = "import subprocess; subprocess.run(['sleep', '77.7'])"
    with pytest.raises(CaseFailedError, match="longer than 1 s"):
        run(postmaster, code, limit=1.0)
    time.sleep(0.1)
    assert not [p for p in psutil.process_iter() if _words(p) == ["sleep", "77.7"]]


def test_backends_that_have_ended_count_for_the_server(postgres, postmaster):
    before = server_cpu(postmaster)
    postgres.psql("select count(*) from generate_series(1, 3000000) i where i % 7 = 0")
    assert server_cpu(postmaster) - before > 0.1


def test_input_is_fed_from_a_file(postmaster, tmp_path: Path):
    (tmp_path / "in").write_text("5")
    code = "print('{\"seconds\": ' + input() + '}')"
    assert run(postmaster, code, stdin=tmp_path / "in").run.seconds == 5


class Bench:
    """A workbench that finds the rows it is told to find."""

    def __init__(self, postmaster: psutil.Process) -> None:
        self.postmaster = postmaster

    def set_server(self, settings: tuple[tuple[str, str], ...]) -> None: ...

    def settle(self) -> None: ...

    def sql(self, *statements: str) -> list[tuple]:
        return [(int(statements[-1].split()[1]),)]


def case(name: str, code: str = "pass", **options: object) -> Case:
    command = Command((sys.executable, "-c", code), dict(os.environ))
    return Case(name, name, command, "SELECT 3", **{"rows": 3, **options})


def test_every_round_begins_with_another_case_and_warm_ups_do_not_count(postmaster):
    told: list[str] = []
    cases = [case("a"), case("b")]
    outcomes = run_in_turn(cases, Bench(postmaster), Rounds(2, warm_ups=1), told.append)
    assert [line.split("  ")[1].strip() for line in told] == ["b", "a", "a", "b", "b", "a"]
    assert [len(outcome.runs) for outcome in outcomes] == [2, 2]
    assert [outcome.rows for outcome in outcomes] == [3, 3]


def test_a_peer_that_fails_is_left_out_with_its_reason_and_one_of_ours_is_not(postmaster):
    told: list[str] = []
    peer, fine = case("peer", "raise ValueError('no')", kind="peer"), case("fine")
    outcomes = run_in_turn([peer, fine], Bench(postmaster), Rounds(2, 0), told.append)
    assert [(len(o.runs), o.reason) for o in outcomes] == [
        (0, "ended with 1: ValueError: no"),
        (2, ""),
    ]
    with pytest.raises(CaseFailedError, match="ours: ended with 1"):
        run_in_turn([case("ours", "1 / 0")], Bench(postmaster), Rounds(1, 0), told.append)


def test_a_wrong_number_of_rows_is_a_failure(postmaster):
    with pytest.raises(CaseFailedError, match="left 3 rows in its table, expected 4"):
        run_in_turn([case("ours", rows=4)], Bench(postmaster), Rounds(1, 0), print)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
