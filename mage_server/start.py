"""Starts Mage closed, and gives each of its processes what Mage lacks."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mage_server.environment import safe_environment
from mage_server.io_classes import io_class_environment
from mage_server.linked_files import open_links
from mage_server.local_edits import keep_apart, keep_apart_in_server
from mage_server.logs import quiet
from mage_server.private_files import keep_private, mage_data_dir, make_private_files
from mage_server.retention import start_clearing
from mage_server.watch import watch_scheduler
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.rows.preview import MOST_ACCEPTED

_PROJECT = Path(__file__).resolve().parents[1] / "mage_project"
_LOOPBACK = "127.0.0.1"
_INSTEAD = {
    # Mage shows ten rows of a block's output.
    "DATAFRAME_SAMPLE_COUNT_PREVIEW": str(MOST_ACCEPTED),
    # Mage looks every ten seconds what to start, for each block of a run again: docs/schedules.md.
    "SCHEDULER_TRIGGER_INTERVAL": "2",
}
"""Settings of Mage that nobody made, and what they are here."""


def main(words: Sequence[str]) -> None:
    """Start Mage on ``mage_project``, on this machine's own address unless told otherwise."""
    try:
        os.environ |= safe_environment(os.environ)
        os.environ |= io_class_environment(os.environ)
    except ConfigurationError as error:
        sys.exit(str(error))
    for name, value in _INSTEAD.items():
        os.environ[name] = os.environ.get(name) or value
    make_private_files()
    keep_private(mage_data_dir(os.environ))
    named = bool(words) and not words[0].startswith("-")
    project, *options = words if named else (str(_PROJECT), *words)
    # Mage takes "localhost", its default, for every address that the machine has.
    if "--host" not in options:
        options = ["--host", _LOOPBACK, *options]
    _close_server(project)
    start_clearing()
    from mage_ai.cli.main import app

    app(["start", project, *options], prog_name="mage")


def _close_server(project: str) -> None:
    from mage_ai.settings.repo import set_repo_path

    # As `mage start` does first: it decides which database the imports below connect to.
    set_repo_path(os.path.abspath(project))  # noqa: PTH100 - word for word
    keep_apart()
    keep_apart_in_server(Path(project).absolute())
    open_links()
    watch_scheduler()  # before the import below, which makes the queue

    from mage_ai.server import server
    from sqlalchemy.exc import OperationalError

    from mage_server.login_gate import close, require_no_default_owner
    from mage_server.owner import follow_password

    try:
        require_no_default_owner()
        follow_password(os.environ)
    except (OperationalError, OSError) as error:
        cause = str(getattr(error, "orig", error)).strip()
        sys.exit(f"Mage was not started: it cannot read or write its own data.\n{cause}")
    quiet()
    make_app = server.make_app

    def closed_app(*arguments: object, **options: object) -> object:
        return close(make_app(*arguments, **options))

    server.make_app = closed_app


if __name__ == "__mp_main__":
    # Where there is no fork (macOS), Mage's scheduler and workers begin with this module.
    keep_apart()
    keep_apart_in_server(Path(os.environ["MAGE_REPO_PATH"]))
    watch_scheduler()

if __name__ == "__main__":
    main(sys.argv[1:])
