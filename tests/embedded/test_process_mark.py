"""A pid alone is no identity."""

import os
import subprocess
from pathlib import Path

import pytest

from embedded.servers import process_mark
from embedded.servers.process_mark import ProcessMark, mark_process, program_of


def test_mark_holds_while_the_process_lives_and_not_as_a_zombie() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        mark = mark_process(child.pid)
        assert mark is not None
        assert mark.is_alive()
        assert not ProcessMark(child.pid, "another birth").is_alive()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not mark.is_alive()


@pytest.mark.parametrize("birth", [process_mark._birth_from_proc, process_mark._birth_from_ps])
@pytest.mark.skipif(
    not (Path("/bin/ps").exists() and Path("/proc/self").exists()), reason="compares ps with /proc"
)
def test_both_sources_of_birth_agree_on_life(birth: object) -> None:
    assert callable(birth)
    with subprocess.Popen(["sleep", "60"]) as child:
        assert birth(child.pid)
        assert birth(child.pid) == birth(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert birth(child.pid) is None
    assert birth(child.pid) is None


def test_program_is_named_without_folder() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        assert program_of(child.pid) == "sleep"
        child.kill()
