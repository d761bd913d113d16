"""Where the published files come from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Fetched:
    """A complete published file on local disk.

    Attributes:
        etag: Opaque version tag of the source; None when it gives none.
        last_modified: As the source states it.
    """

    path: Path
    uri: str
    etag: str | None
    last_modified: str | None
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Probed:
    """What the source says of a published file, without its content.

    Attributes:
        etag: Opaque version tag of the source; None when it gives none.
        last_modified: As the source states it.
        bytes: Its size; None when the source does not say.
    """

    uri: str
    etag: str | None
    last_modified: str | None
    bytes: int | None


class SourceFileAbsentError(Exception):
    """The source answered 403 or 404: the CDN answers 403 for every file that does not exist."""

    def __init__(self, uri: str, answer: str) -> None:
        super().__init__(f"{uri} answered {answer}")


class Source(Protocol):
    """Where TLC's published files come from."""

    def fetch(self, name: str, folder: Path, *, unless_etag: str | None) -> Fetched | None:
        """Download ``trip-data/…`` or ``misc/…`` into a folder, or resume a partial download.

        Args:
            name: Path below the source's address.
            folder: Existing local folder; the file gets the last component of ``name``.
            unless_etag: Version that we have; None: fetch in any case.

        Returns:
            The file, or None when the source still has ``unless_etag``.

        Raises:
            SourceFileAbsentError: there is no such file.
            RetryableError: the network or the server failed; the bytes so far are kept.
            SourceError: the answer is not the file as stored, or leads elsewhere.
        """

    def probe(self, name: str, *, unless_etag: str | None) -> Probed | None:
        """What the source says of a file, without transferring it; otherwise as :meth:`fetch`."""
