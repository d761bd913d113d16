"""Copies on local disk of a bucket's objects, for the steps that read them on the same machine."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from nyc_tlc.adapters.crc32c import crc32c_of_file
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.core.manifest import Generation, StoredObject

Download = Callable[[StoredObject, Path], None]


class LakeCache:
    """Whole objects by path and generation: a copy serves only while the bucket holds that one."""

    def __init__(self, folder: Path, *, url: str) -> None:
        self._folder = folder / quote(url, safe="")
        self._url = url

    def keep(self, file: Path, stored: StoredObject) -> None:
        """Move in the file that an object was made from."""
        kept = self._file(stored)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, kept)

    @contextmanager
    def open(self, stored: StoredObject, download: Download) -> Iterator[BinaryIO]:
        """Open the copy; without one, one that is downloaded, verified, and dropped at the end.

        Raises:
            RetryableError: the bytes that came are not those of the object.
        """
        kept = self._file(stored)
        if kept.exists() and kept.stat().st_size == stored.bytes:
            with kept.open("rb") as file:
                yield file
            return
        self._fill(kept, stored, download)
        try:
            with kept.open("rb") as file:
                yield file
        finally:
            kept.unlink(missing_ok=True)

    def drop(self, path: str) -> None:
        shutil.rmtree(self._folder / path, ignore_errors=True)

    def _file(self, stored: StoredObject) -> Path:
        return self._folder / stored.path / _name(stored.generation)

    def _fill(self, kept: Path, stored: StoredObject, download: Download) -> None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_name(f"{kept.name}.{uuid.uuid4().hex}")
        try:
            download(stored, part)
            # Here and not by the client libraries: they do not verify a download that was resumed.
            found = crc32c_of_file(part)
            if stored.crc32c and found != stored.crc32c:
                raise RetryableError(
                    f"{self._url}/{stored.path} was damaged on the way here: found checksum "
                    f"{found}, expected {stored.crc32c}. Nothing was changed"
                )
            part.replace(kept)
        finally:
            part.unlink(missing_ok=True)


def _name(generation: Generation) -> str:
    return quote(str(generation), safe="")
