"""A bucket or folder of objects."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from nyc_tlc.core.lake.records import Generation, StoredObject


class Lake(Protocol):
    """A bucket or folder of objects. Every write is atomic: readers see the old bytes or the new.

    Every method raises RetryableError when the store does not answer, and ConfigurationError
    when it refuses access or does not exist. To open or copy what is gone: ReconciliationError.
    """

    @property
    def url(self) -> str:
        """Address for people, without credentials."""

    def stat(self, path: str) -> StoredObject | None:
        """Size and generation of an object; None when there is none.

        ``crc32c`` may be empty if the store would have to read the object for it.
        """

    def read(self, path: str) -> tuple[bytes, Generation] | None:
        """A small object and its generation; None when there is none."""

    def write(self, path: str, data: bytes, *, if_generation: Generation | None) -> StoredObject:
        """Write a small object, if it still has this generation (0: does not exist; None: always).

        Raises:
            ReconciliationError: another run changed the object.
        """

    def upload(self, file: Path, path: str) -> StoredObject:
        """Move a local file into the lake, replacing what is there."""

    def copy(self, source: str, target: str, *, if_generation: Generation) -> StoredObject:
        """Copy inside the store, if the target still has this generation.

        Raises:
            ReconciliationError: another run changed the target.
        """

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open an object to read most of it, from any place: complete and verified by checksum."""

    def open_range(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open an object to read a small part of it, such as a footer, without downloading it."""

    def delete(self, path: str) -> None:
        """Delete an object; nothing happens when there is none."""

    def drop_cached(self, path: str) -> None:
        """Delete the copies on local disk, which later steps would have read.

        If the path ends in ``/``, those of all objects below it.
        """

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose paths start with ``prefix``, ascending by path.

        Objects whose names are no lake paths are left out, such as ``trips/``, by which Google's
        console marks a folder.
        """
