"""What the TLC's CDN says about a file: its validators, and which bytes a request gets."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

_CHUNK_BYTES = 1 << 18
_SINGLE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Version:
    """One state of a file's content, as HTTP names it."""

    size: int
    etag: str
    last_modified: str


@dataclass(frozen=True)
class Selection:
    """The status a request earns and the bytes ``[first, end)`` of the file that go with it."""

    status: HTTPStatus
    first: int = 0
    end: int = 0


class PublishedFiles:
    """The files below a folder; nothing else is reachable."""

    def __init__(self, root: Path) -> None:
        """Publish what lies below ``root``, links that lead out of it excepted."""
        self._root = root.resolve()
        self._etags: dict[Path, tuple[int, int, str]] = {}
        self._lock = Lock()

    def find(self, request_target: str) -> Path | None:
        """Return the file a request means, or None for anything that is not a file below root."""
        try:
            relative = unquote(urlsplit(request_target).path, errors="strict").lstrip("/")
            file = (self._root / relative).resolve()
            return file if file.is_relative_to(self._root) and file.is_file() else None
        except (ValueError, OSError):
            # Not UTF-8, a NUL byte, a name longer than the file system allows.
            return None

    def version(self, file: Path, stream: BinaryIO) -> Version:
        """Return the version of the open file, whatever its name may point to by now."""
        status = os.fstat(stream.fileno())
        with self._lock:
            known = self._etags.get(file)
            if known is None or known[:2] != (status.st_size, status.st_mtime_ns):
                known = (status.st_size, status.st_mtime_ns, _content_tag(stream))
                self._etags[file] = known
        return Version(status.st_size, known[2], formatdate(status.st_mtime, usegmt=True))


def select_bytes(version: Version, headers: Mapping[str, str]) -> Selection:
    """Apply the request's conditions and range, in the order of RFC 9110, section 13.2.2."""
    if "If-Match" in headers and not _names(headers["If-Match"], version.etag, weak=False):
        return Selection(HTTPStatus.PRECONDITION_FAILED)
    if "If-None-Match" in headers:
        if _names(headers["If-None-Match"], version.etag, weak=True):
            return Selection(HTTPStatus.NOT_MODIFIED)
    elif _not_since(headers.get("If-Modified-Since"), version):
        return Selection(HTTPStatus.NOT_MODIFIED)
    whole = Selection(HTTPStatus.OK, 0, version.size)
    if headers.get("If-Range", version.etag) not in {version.etag, version.last_modified}:
        return whole
    # More than one range, or none that parses, is answered with the whole file.
    found = _SINGLE_RANGE.fullmatch(headers.get("Range", "").replace(" ", ""))
    return _select_range(found[1], found[2], whole) if found and any(found.groups()) else whole


def _select_range(first: str, last: str, whole: Selection) -> Selection:
    if first and last and int(last) < int(first):
        return whole  # malformed, hence ignored
    if first:
        start, end = int(first), min(int(last) + 1, whole.end) if last else whole.end
    else:
        start, end = max(0, whole.end - int(last)), whole.end
    if start >= end:
        return Selection(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return Selection(HTTPStatus.PARTIAL_CONTENT, start, end)


def _names(header: str, etag: str, *, weak: bool) -> bool:
    tags = [tag.strip() for tag in header.split(",")]
    return "*" in tags or etag in tags or (weak and f"W/{etag}" in tags)


def _not_since(header: str | None, version: Version) -> bool:
    try:
        since = parsedate_to_datetime(header) if header else None
        return since is not None and parsedate_to_datetime(version.last_modified) <= since
    except (ValueError, TypeError):
        return False


def _content_tag(stream: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)  # what S3 uses for files sent in one part
    stream.seek(0)
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return f'"{digest.hexdigest()}"'
