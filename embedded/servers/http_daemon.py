"""A Python module served over HTTP on 127.0.0.1 as a background server."""

import http.client
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from embedded.servers.daemon import Account, Daemon
from embedded.servers.ports import HOST, free_port

_CHECKOUT = Path(__file__).resolve().parents[2]
_START_ATTEMPTS = 3
_START_SECONDS = 20.0
# The emulator serves one request at a time: during a large upload it is busy, not dead.
_HUNG_AFTER_SECONDS = 60.0
# What an interpreter may need to start; nothing else of the shell, which may hold secrets.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")


class HttpDaemon(Daemon):
    """A module of this package that is given ``--port`` and answers HTTP there."""

    def __init__(
        self, name: str, state_dir: Path, *, module: str, arguments: Sequence[str | Path]
    ) -> None:
        """Describe the command line; nothing is started."""
        super().__init__(name, state_dir)
        self._command = [sys.executable, "-m", module, *arguments]

    @property
    def url(self) -> str:
        """Where the server listens, or listened when it last ran."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> bool:
        """Make the server answer; False when it already did.

        Raises:
            ServerStartError: it died or stayed silent on every port tried. Read its log.
        """
        if self.pid is not None:
            if self._answers_within(_HUNG_AFTER_SECONDS):
                return False
            self.terminate()
        for _ in range(_START_ATTEMPTS):
            self._launch()
            if self._answers_within(_START_SECONDS):
                return True
            self.terminate()
        return self.fail("did not answer")

    def stop(self) -> bool:
        """End the server; False when it was not running."""
        return self.terminate()

    def _launch(self) -> None:
        port = free_port(self.port)
        modules = filter(None, (str(_CHECKOUT), os.environ.get("PYTHONPATH")))
        env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        env["PYTHONPATH"] = os.pathsep.join(modules)
        self.spawn([*self._command, "--port", str(port)], port=port, env=env, account=Account())

    def _answers_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.pid is not None and time.monotonic() < deadline:
            # http.client and not urllib: a proxy set in the environment must not be asked.
            connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            else:
                return self.pid is not None
            finally:
                connection.close()
        return False
