"""`mage start` with its scheduler, API and web pages, for trials that look at them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

from embedded.servers.ports import HOST, free_port
from mage_server.api import MageApi, MageApiError

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 300.0
"""Seconds: a busy machine is slow, and what goes well does not wait for them."""
T = TypeVar("T")


class MageServer(MageApi):
    """A running Mage, and its API as its owner sees it.

    Attributes:
        project: Mage's copy of ``mage_project``, which it may rewrite.
    """

    def __init__(self, url: str, project: Path, environment: Mapping[str, str]) -> None:
        super().__init__(url)
        self.project = project
        self.environment = environment
        self.email = environment["DEFAULT_OWNER_EMAIL"]
        self.password = environment["DEFAULT_OWNER_PASSWORD"]

    def trigger(self, pipeline: str, name: str) -> dict[str, Any]:
        """A trigger by its name; waits until the scheduler has read it from triggers.yaml."""

        def found() -> dict[str, Any] | None:
            listed = self.get(f"pipelines/{pipeline}/pipeline_schedules")["pipeline_schedules"]
            return next((trigger for trigger in listed if trigger["name"] == name), None)

        return until(found, f"trigger {name} of {pipeline}", seconds=_PATIENCE)

    def finished(self, run: int, seconds: float = _PATIENCE) -> dict[str, Any]:
        """A pipeline run, once it is at an end, with its ``block_runs``."""

        def ended() -> dict[str, Any] | None:
            answer = self.get(f"pipeline_runs/{run}")["pipeline_run"]
            return answer if answer["status"] in {"completed", "failed", "cancelled"} else None

        return until(ended, f"run {run}", seconds=seconds)


def until(answer: Callable[[], T | None], what: str, *, seconds: float) -> T:
    """Ask again and again until there is an answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := answer()) is not None:
            return found
        time.sleep(0.3)
    raise TimeoutError(f"{what}: nothing after {seconds:.0f} s")


@contextmanager
def running(environment: Mapping[str, str], folder: Path, **settings: str) -> Iterator[MageServer]:
    """`mage start` on a copy of the project, signed in; ended with all its children.

    Args:
        environment: As of ``make ui``: connections, and the owner's name and password.
        folder: For the copy, Mage's data and its log.
        settings: Further variables.
    """
    port = free_port()
    project = folder / "mage_project"
    _copy_shipped(project)
    environment = {
        **environment,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "MAGE_DATA_DIR": str(folder / "mage_data"),
        "SCHEDULER_TRIGGER_INTERVAL": "1",
        "DISABLE_AUTO_BROWSER_OPEN": "1",
        **settings,
    }
    log = folder / "mage.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "mage_server", project, "--host", HOST, "--port", str(port)],
            cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    server = MageServer(f"http://{HOST}:{port}", project, environment)

    def is_up() -> bool | None:
        if process.poll() is not None:
            raise RuntimeError(f"mage start ended:\n{log.read_text()[-3000:]}")
        try:
            server.sign_in(server.email, server.password)
        except (requests.ConnectionError, requests.Timeout, MageApiError):
            return None
        return True

    try:
        until(is_up, "mage start", seconds=_PATIENCE)
        yield server
    finally:
        server.close()
        _end(process)


def _copy_shipped(project: Path) -> None:
    """Copy what git has of ``mage_project``, as a clone whose status shows what Mage changes."""
    git = ["git", "-c", "user.name=trial", "-c", "user.email=trial@localhost", "-C"]
    words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        [*git, ROOT / "mage_project", *words], capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / "mage_project" / name, project / name, follow_symlinks=False)
    shutil.copy2(ROOT / "io_config.yml", project.parent)
    for step in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=Shipped"]):
        subprocess.run([*git, project, *step], check=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Mage: its scheduler and workers survive a SIGTERM to the server (Mage 0.9.80)."""
    family = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
