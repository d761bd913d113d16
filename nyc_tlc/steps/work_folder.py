"""A local folder for one partition's files, used by one process at a time."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nyc_tlc.core.errors import ConfigurationError, RetryableError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def work_folder(work_dir: Path, name: str) -> Iterator[Path]:
    """The folder ``name``, created if need be; waits while another process works in it.

    What is left in it (a download in part) is found again at the next attempt; an empty folder
    is removed.

    Raises:
        ConfigurationError: the work directory cannot be written.
        RetryableError: it is full.
    """
    folder = work_dir / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder.with_suffix(".lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"TLC_WORK_DIR {work_dir} cannot be written ({error.strerror}). Nothing was "
            "changed. Set it to a local folder with room for a month."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise RetryableError(
                f"no room is left in TLC_WORK_DIR {work_dir}. The month stays as it was. Make "
                "room for the files of TLC_WORKERS months, or set it to another folder"
            ) from error
        if not any(folder.iterdir()):
            folder.rmdir()
