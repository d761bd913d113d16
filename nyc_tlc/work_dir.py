"""The local folder for files on their way: of this account alone."""

import os
import stat
from pathlib import Path

from platformdirs import user_cache_path

from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.os_errors import os_errors_explained

DEFAULT_WORK_DIR = user_cache_path("nyc-tlc", appauthor=False)


def require_own(folder: Path) -> None:
    """Make the folder if need be, closed to others; take from others the right to write in it.

    Who else may write there could put a link in the place of a file that we are to write, or a file
    of theirs in the place of one that we are to load.

    Raises:
        ConfigurationError: it is somebody else's, or one that everybody shares, such as /tmp.
        PipelineError: the operating system refuses it.
    """
    with os_errors_explained(f"TLC_WORK_DIR {folder}"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        link, found = folder.lstat(), folder.stat()
        mode, owners = stat.S_IMODE(found.st_mode), {link.st_uid, found.st_uid}
        ours = found.st_uid == os.geteuid()
        shared = mode & (stat.S_ISVTX if ours else stat.S_IWOTH)
        if shared or owners - {0, os.geteuid()}:
            raise ConfigurationError(
                f"TLC_WORK_DIR {folder} is not this account's own (mode {mode:04o}, of user "
                f"{found.st_uid}; we are {os.geteuid()}): others could change what is loaded. "
                "Nothing was started. Set TLC_WORK_DIR to a folder of this account's own, or leave "
                f"it empty for {DEFAULT_WORK_DIR}."
            )
        if ours and mode & (stat.S_IWGRP | stat.S_IWOTH):
            folder.chmod(mode & ~(stat.S_IWGRP | stat.S_IWOTH))
