"""A bucket or folder of objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from nyc_tlc.core.lake.records import (
    Generation,
    StoredObject,
)


class Lake(Protocol):
    """A bucket or folder of objects. Every write is atomic: old bytes or new, nothing between.

    Every method raises RetryableError when the store does not answer and ConfigurationError
    when it refuses us or does not exist.
    """

    @property
    def url(self) -> str:
        """Address for people, without credentials."""

    def stat(self, path: str) -> StoredObject | None:
        """Size and generation of an object; None when there is none.

        ``crc32c`` may be empty where the store would have to read the object for it.
        """

    def read(self, path: str) -> tuple[bytes, Generation] | None:
        """A small object and its generation; None when there is none."""

    def write(self, path: str, data: bytes, *, if_generation: Generation | None) -> StoredObject:
        """Write a small object.

        Args:
            path: Object to write.
            data: Its new bytes.
            if_generation: Only if the object still has it (0: does not exist; None: always).

        Raises:
            ReconciliationError: somebody else changed the object.
        """

    def upload(self, file: Path, path: str) -> StoredObject:
        """Move a local file into the lake, replacing what is there."""

    def copy(self, source: str, target: str, *, if_generation: Generation) -> StoredObject:
        """Copy inside the store.

        Raises:
            ReconciliationError: somebody else changed the target, or the source is gone.
        """

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for seeking reads of most of it: whole, and verified by its checksum.

        Raises:
            ReconciliationError: there is no such object.
        """

    def open_range(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for reading a small part of it, such as a footer, where it lies.

        Raises:
            ReconciliationError: there is no such object.
        """

    def delete(self, path: str) -> None:
        """Delete an object; nothing happens when there is none."""

    def drop_cached(self, path: str) -> None:
        """Drop the copies that were kept on local disk for the steps to come.

        Args:
            path: Of an object, or of all whose paths begin with it if it ends in ``/``.
        """

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects below a prefix, ascending by path.

        Without those whose path is none of the lake's, such as ``trips/``, by which Google's
        console marks a folder.
        """
