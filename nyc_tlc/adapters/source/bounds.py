"""How much a download may take of the disk."""

import errno
import shutil
from pathlib import Path

from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.limits import MOST_FILE_BYTES, MOST_ZONE_BYTES, ROOM_LEFT_BYTES


def most_bytes(name: str) -> int:
    """Of a published file, by its path below the source's address."""
    return MOST_ZONE_BYTES if name.startswith("misc/") else MOST_FILE_BYTES


def too_large(uri: str, found: str, most: int) -> SourceError:
    return SourceError(
        f"{uri} is not a valid file of TLC's: {found} bytes, expected at most {most:,}. Nothing "
        "was landed; what was there stays as it was. Look at what the source serves."
    )


def require_room(folder: Path, more: int) -> None:
    """Leave a twentieth of the disk free, or ``ROOM_LEFT_BYTES``: others write there, too.

    Args:
        folder: On the disk.
        more: Bytes that are to come.

    Raises:
        OSError: there is no room for them; ENOSPC, as if the disk were full.
    """
    disk = shutil.disk_usage(folder)
    if disk.free - more < min(ROOM_LEFT_BYTES, disk.total // 20):
        room = f"no room for {more:,} bytes more: {disk.free:,} are free, and some stay so"
        raise OSError(errno.ENOSPC, room, str(folder))
