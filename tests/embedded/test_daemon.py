"""A pid alone is no identity."""

import os
import subprocess

from embedded.servers.daemon import Account, Daemon, program_of


def test_server_is_known_while_it_lives_and_not_as_a_zombie(tmp_path):
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        assert program_of(child.pid) == "sleep"
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert program_of(child.pid) is None
    daemon = Daemon("sleeper", tmp_path)
    daemon.spawn(["/bin/sleep", "60"], port=1, env={}, account=Account())
    assert Daemon("sleeper", tmp_path).pid is not None
    assert daemon.stop()
    assert daemon.pid is None
