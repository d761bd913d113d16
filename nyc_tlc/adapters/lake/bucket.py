"""What the lakes in buckets share: copies on local disk, and reading a part of an object."""

import io
import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote

from nyc_tlc.adapters.lake.errors import ObjectChangedError, ObjectGoneError
from nyc_tlc.core.checksum import crc32c, crc32c_of_file
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.core.lake.records import Generation, StoredObject

_PLACE_ATTEMPTS = 100
_READ_AHEAD = 1 << 20
"""Bytes of the smallest request: a Parquet footer of a month takes one or two."""


class BucketLake(ABC):
    """A lake below a prefix of one bucket.

    Uploaded files stay on local disk too, until they are deleted from the lake: the steps that
    follow on the same machine read them there. A copy is used only while the bucket still holds
    its generation.
    """

    def __init__(self, url: str, cache: Path) -> None:
        self._url = url
        self._cache = LakeCache(cache, url=url)

    @property
    def url(self) -> str:
        return self._url

    @abstractmethod
    def stat(self, path: str) -> StoredObject | None:
        """As in the port."""

    @abstractmethod
    def _fetch(self, stored: StoredObject, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` of exactly this generation."""

    @abstractmethod
    def _download(self, stored: StoredObject, target: Path) -> None:
        """Download exactly this generation."""

    def read(self, path: str) -> tuple[bytes, Generation] | None:
        stored = self.stat(path)
        if stored is None:
            return None
        data = self._fetch(stored, 0, stored.bytes) if stored.bytes else b""
        _require_checksum(f"{self._url}/{path}", crc32c(data), stored)
        return data, stored.generation

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with self._cache.open(self._existing(path), self._download) as file:
            yield file

    def open_range(self, path: str) -> AbstractContextManager[BinaryIO]:
        stored = self._existing(path)
        raw = _RangeReader(stored.bytes, lambda start, end: self._fetch(stored, start, end))
        return cast("BinaryIO", io.BufferedReader(raw, _READ_AHEAD))

    def drop_cached(self, path: str) -> None:
        self._cache.drop(path)

    def _existing(self, path: str) -> StoredObject:
        stored = self.stat(path)
        if stored is None:
            raise ObjectGoneError(f"{self._url}/{path}")
        return stored

    def _written_by_us(self, path: str, checksum: str, error: ObjectChangedError) -> StoredObject:
        """The object, if it holds what we were writing when its precondition failed.

        A client repeats a request whose answer was lost; the repetition then meets what the first
        one wrote.
        """
        found = self.stat(path)
        if found is None or found.crc32c != checksum:
            raise error
        return found


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """Split ``gs://bucket/a/b/`` into ``bucket`` and ``a/b/``; the prefix may be empty."""
    bucket, _, prefix = url.partition("://")[2].partition("/")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def _require_checksum(uri: str, found: str, stored: StoredObject) -> None:
    # Here and not in the client libraries: they do not verify a download that was resumed.
    if stored.crc32c and found != stored.crc32c:
        raise RetryableError(
            f"{uri} was damaged on the way here: found checksum {found}, expected "
            f"{stored.crc32c}. Nothing was changed"
        )


class LakeCache:
    """Copies of objects on local disk, by path and generation."""

    def __init__(self, folder: Path, *, url: str) -> None:
        self._folder = folder / quote(url, safe="")
        self._url = url

    def keep(self, file: Path, stored: StoredObject) -> None:
        """Move in the file that an object was made from."""
        self._place(file, self._file(stored))

    @contextmanager
    def open(
        self, stored: StoredObject, download: Callable[[StoredObject, Path], None]
    ) -> Iterator[BinaryIO]:
        """Open the copy; without one, download and verify the object, and drop it at the end.

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
        return self._folder / stored.path / quote(str(stored.generation), safe="")

    def _fill(
        self, kept: Path, stored: StoredObject, download: Callable[[StoredObject, Path], None]
    ) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{kept.name}.{uuid.uuid4().hex}.part"
        try:
            download(stored, part)
            _require_checksum(f"{self._url}/{stored.path}", crc32c_of_file(part), stored)
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
    """The copy, if it exists and has that size."""
    try:
        file = kept.open("rb")
    except FileNotFoundError:
        return None
    if size in {None, os.fstat(file.fileno()).st_size}:
        return file
    file.close()
    return None


class _RangeReader(io.RawIOBase):
    """A seekable file over an object of which only parts are fetched."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size = size
        self._fetch = fetch
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(begin + offset, 0)
        return self._at

    def readinto(self, target: memoryview) -> int:  # type: ignore[override] # Buffer is of 3.12
        end = min(self._at + len(target), self._size)
        if end <= self._at:
            return 0
        data = self._fetch(self._at, end)
        target[: len(data)] = data
        self._at += len(data)
        return len(data)
