"""Copies on local disk of a bucket's objects, for the steps that read them on the same machine."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from nyc_tlc.core.checksum import crc32c_of_file
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.core.lake.records import Generation, StoredObject

Download = Callable[[StoredObject, Path], None]
_PLACE_ATTEMPTS = 100


class LakeCache:
    """Whole objects by path and generation: a copy serves only while the bucket holds that one."""

    def __init__(self, folder: Path, *, url: str) -> None:
        self._folder = folder / quote(url, safe="")
        self._url = url

    def keep(self, file: Path, stored: StoredObject) -> None:
        """Move in the file that an object was made from."""
        self._place(file, self._file(stored))

    @contextmanager
    def open(self, stored: StoredObject, download: Download) -> Iterator[BinaryIO]:
        """Open the copy; without one, one that is downloaded, verified, and dropped at the end.

        Raises:
            RetryableError: the bytes that came are not those of the object.
        """
        kept = self._file(stored)
        file = _opened(kept, stored.bytes)
        filled = file is None
        while file is None:  # for as long as others drop what we download
            self._fill(kept, stored, download)
            file = _opened(kept)
        try:
            with file:
                yield file
        finally:
            if filled:
                kept.unlink(missing_ok=True)

    def drop(self, path: str) -> None:
        """Delete the copies of an object, or of all below a prefix that ends in ``/``."""
        shutil.rmtree(self._folder / path, ignore_errors=True)

    def _file(self, stored: StoredObject) -> Path:
        return self._folder / stored.path / _name(stored.generation)

    def _fill(self, kept: Path, stored: StoredObject, download: Download) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{kept.name}.{uuid.uuid4().hex}.part"
        try:
            download(stored, part)
            # Here and not by the client libraries: they do not verify a download that was resumed.
            found = crc32c_of_file(part)
            if stored.crc32c and found != stored.crc32c:
                raise RetryableError(
                    f"{self._url}/{stored.path} was damaged on the way here: found checksum "
                    f"{found}, expected {stored.crc32c}. Nothing was changed"
                )
            self._place(part, kept)
        finally:
            part.unlink(missing_ok=True)

    def _place(self, file: Path, kept: Path) -> None:
        """Move a file into a folder that another run may drop at this very moment."""
        for attempt in range(1, _PLACE_ATTEMPTS + 1):
            try:
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file, kept)
            except (FileNotFoundError, FileExistsError):  # the second by mkdir, of a folder gone
                if attempt == _PLACE_ATTEMPTS:
                    raise
            else:
                return


def _opened(kept: Path, size: int | None = None) -> BinaryIO | None:
    """The copy, if it is there, and has that size."""
    try:
        file = kept.open("rb")
    except FileNotFoundError:
        return None
    if size in {None, os.fstat(file.fileno()).st_size}:
        return file
    file.close()
    return None


def _name(generation: Generation) -> str:
    return quote(str(generation), safe="")
