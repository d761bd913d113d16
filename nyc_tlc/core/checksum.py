"""Checksums as the lake records them: SHA-256, and CRC-32C in the form of Cloud Storage."""

import hashlib
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c

_CHUNK = 1 << 20


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 of what is left to read, in hexadecimal."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # has readinto


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return sha256_of(file)


def crc32c(data: bytes) -> str:
    return crc32c_of(BytesIO(data))


def crc32c_of(file: BinaryIO) -> str:
    """CRC-32C of what is left to read: Base64 of the big-endian value."""
    checksum: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call] # has no types
    for _ in checksum.consume(file, _CHUNK):
        pass
    return b64encode(checksum.digest()).decode()


def crc32c_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return crc32c_of(file)
