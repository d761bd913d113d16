"""What is kept on disk is for its owner alone."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077


def make_private_files() -> None:
    """Leave others no right to what this process and those that it starts will make."""
    os.umask(_OTHERS)


def keep_private(folder: Path) -> None:
    """Take others' rights to a folder and to what is in it.

    Mage 0.9.80 makes its database, with the tokens of who is logged in, as the umask of the moment
    has it. What another account owns, such as the cluster of PostgreSQL under root, is left alone.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):
            found = path.lstat()
            if found.st_mode & _OTHERS and found.st_uid == os.geteuid() and not path.is_symlink():
                path.chmod(found.st_mode & ~_OTHERS)


def mage_data_dir(environment: Mapping[str, str]) -> Path:
    """Where Mage keeps its database, its logs and the outputs of blocks."""
    return Path(environment.get("MAGE_DATA_DIR") or Path.home() / ".mage_data")
