"""CRC-32C of files and bytes, as Cloud Storage writes it: Base64 of the big-endian value."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import google_crc32c

_CHUNK = 1 << 20


def crc32c(data: bytes) -> str:
    checksum: Any = google_crc32c.Checksum(data)  # type: ignore[no-untyped-call] # has no types
    return b64encode(checksum.digest()).decode()


def crc32c_of_file(path: Path) -> str:
    checksum: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call] # has no types
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            checksum.update(chunk)
    return b64encode(checksum.digest()).decode()
