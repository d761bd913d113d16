"""A seekable file over an object of which only parts are fetched."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, cast

_READ_AHEAD = 1 << 20
"""Bytes of the least request: a Parquet footer of a month comes with one or two."""


def range_reader(size: int, fetch: Callable[[int, int], bytes]) -> BinaryIO:
    """Open an object of ``size`` bytes; ``fetch(start, end)`` brings those before ``end``."""
    return cast("BinaryIO", io.BufferedReader(_RangeReader(size, fetch), _READ_AHEAD))


class _RangeReader(io.RawIOBase):
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

    def tell(self) -> int:
        return self._at

    def readinto(self, target: memoryview) -> int:  # type: ignore[override] # Buffer is of 3.12
        end = min(self._at + len(target), self._size)
        if end <= self._at:
            return 0
        data = self._fetch(self._at, end)
        target[: len(data)] = data
        self._at += len(data)
        return len(data)
