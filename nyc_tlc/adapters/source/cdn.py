"""Published files over HTTP(S): TLC's CDN, or any server that behaves like it."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from nyc_tlc.adapters.network import (
    Cause,
    address,
    asks_for_login,
    cause_of,
    proxy_of,
    slow,
    unasked,
)
from nyc_tlc.adapters.source.bounds import most_bytes, require_room, too_large
from nyc_tlc.adapters.source.progress import downloading
from nyc_tlc.adapters.source.session import SourceSession, without_login
from nyc_tlc.adapters.source.transfer import Transfer
from nyc_tlc.core.checksum import sha256_of_file
from nyc_tlc.core.errors import PipelineError, RetryableError, SourceError, shorten
from nyc_tlc.ports.source import Fetched, Probed, SourceFileAbsentError

_PIECE = 1 << 16
"""Bytes."""
_LONGEST_HANDSHAKE = 10.0
"""Seconds for a connection, and for an answer without content."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_CONTENT_LENGTH = re.compile(r"\d{1,18}")
"""Not more: Python raises a ValueError for a number of 5,000 digits."""
_SPANS = 4
"""Of the longest silence: seconds over which a transfer has to make progress."""


@dataclass(frozen=True)
class _Part:
    """A download in progress: the bytes so far, and the version that they belong to."""

    file: Path

    @property
    def _tag(self) -> Path:
        return self.file.with_name(self.file.name + ".etag")

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def resumable(self) -> str | None:
        """The version tag with which the download can go on; None to start from scratch."""
        return self._tag.read_text() if self.size and self._tag.exists() else None

    def start(self, etag: str | None) -> None:
        self.discard()
        self.file.touch()
        # A weak tag promises equal meaning, not equal bytes: no range may rest on it.
        if etag and not etag.startswith("W/"):
            self._tag.write_text(etag)

    def discard(self) -> None:
        self.file.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        self.file.replace(target)
        self._tag.unlink(missing_ok=True)


class HttpSource:
    """Published files below an ``http(s)://`` address."""

    def __init__(self, url: str, *, timeout: float, redirect_hosts: Collection[str] = ()) -> None:
        """Ask nothing yet.

        Args:
            url: Of the folder.
            timeout: Seconds of silence.
            redirect_hosts: Where a redirect may lead besides the url's own host; each with its
                port, unless that is 443.
        """
        self._url = url.rstrip("/")
        self._shown_url = without_login(self._url)
        self._timeout = (min(timeout, _LONGEST_HANDSHAKE), timeout)
        self._session = SourceSession(self._url, redirect_hosts)

    def fetch(self, name: str, folder: Path, *, unless_etag: str | None) -> Fetched | None:
        uri = f"{self._shown_url}/{name}"
        target = folder / Path(name).name
        part = _Part(target.with_name(target.name + ".part"))
        headers = {"If-None-Match": unless_etag} if unless_etag else {}
        etag = part.resumable()
        if etag:
            headers |= {"Range": f"bytes={part.size}-", "If-Range": etag}
        with self._answer("GET", name, headers) as (response, transfer):
            if response.status_code == requests.codes.not_modified and unless_etag:
                return None
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                part.discard()
                raise RetryableError(f"{uri} answered 416: the part on disk is of another version")
            _require_success(uri, response)
            with _body_errors(uri, part, transfer):
                _receive(uri, response, part, transfer, most_bytes(name))
                part.finish(target)
        etag = response.headers.get("ETag")
        modified = response.headers.get("Last-Modified")
        return Fetched(target, uri, etag, modified, target.stat().st_size, sha256_of_file(target))

    def probe(self, name: str, *, unless_etag: str | None) -> Probed | None:
        uri = f"{self._shown_url}/{name}"
        headers = {"If-None-Match": unless_etag} if unless_etag else {}
        with self._answer("HEAD", name, headers) as (response, _):
            if response.status_code == requests.codes.not_modified and unless_etag:
                return None
            _require_success(uri, response)
        etag = response.headers.get("ETag")
        if etag is not None and etag == unless_etag:
            return None  # a server that does not know conditional requests
        _, size = _extent(response)
        return Probed(uri, etag, response.headers.get("Last-Modified"), size)

    @contextmanager
    def _answer(
        self, method: str, name: str, headers: Mapping[str, str]
    ) -> Iterator[tuple[requests.Response, Transfer]]:
        """The answer at the end of the redirects, its body unread."""
        uri = f"{self._shown_url}/{name}"
        with Transfer(_SPANS * self._timeout[1]) as transfer:
            with _network_errors(uri, transfer):
                response = self._session.ask(method, name, headers, self._timeout)
            with response:
                with _network_errors(uri, transfer):
                    transfer.answered()
                yield response, transfer


def _receive(
    uri: str, response: requests.Response, part: _Part, transfer: Transfer, most: int
) -> None:
    total = _begun(uri, response, part, most)
    with downloading(part.file.stem, total, part.size) as came:
        for size in _written(response, part, transfer):
            came(size)
            if part.size > most:
                raise too_large(uri, f"more than {most:,}", most)
            if total is None:
                require_room(part.file.parent, size)
    if total is not None and part.size != total:
        raise RetryableError(f"{uri} broke off: {part.size:,} of {total:,} bytes came")


def _begun(uri: str, response: requests.Response, part: _Part, most: int) -> int | None:
    """Prepare the part for the body; gives the size of the complete file, if stated."""
    if "Content-Encoding" in response.headers:
        raise SourceError(
            f"{uri} came in Content-Encoding {shorten(response.headers['Content-Encoding'])}, "
            "expected the bytes as stored. Nothing was landed; the month stays as it was. "
            "Look at the proxy between here and the source."
        )
    start, total = _extent(response)
    if total is not None and total > most:
        raise too_large(uri, f"{total:,}", most)
    if response.status_code == requests.codes.ok:
        # What has no stated end is not resumed: nothing says what is missing of it.
        part.start(response.headers.get("ETag") if total is not None else None)
    elif start != part.size or response.headers.get("ETag") != part.resumable():
        part.discard()
        raise RetryableError(f"{uri} went on with another version or place than asked for")
    require_room(part.file.parent, (total or 0) - part.size)
    return total


def _written(response: requests.Response, part: _Part, transfer: Transfer) -> Iterator[int]:
    """Write the body to the part's end; gives the size of each piece."""
    with part.file.open("ab") as file:
        # What has come, and not a whole piece: a slow line fills one in more than a span.
        while piece := response.raw.read1(_PIECE, decode_content=False):
            file.write(piece)
            transfer.came(len(piece))
            yield len(piece)
    transfer.require_pace()


def _require_success(uri: str, response: requests.Response) -> None:
    status = response.status_code
    if status in (requests.codes.ok, requests.codes.partial_content):
        return
    answer = f"{status} {shorten(response.reason)}"
    if status in (requests.codes.forbidden, requests.codes.not_found, requests.codes.gone):
        raise SourceFileAbsentError(uri, answer)
    if status == requests.codes.proxy_authentication_required:
        raise _unreachable(asks_for_login(proxy_of(response.url)))
    if status in (requests.codes.request_timeout, requests.codes.too_many) or status >= 500:
        from nyc_tlc.adapters.google.retry import retry_after  # late: costs almost a second

        raise RetryableError(
            f"{uri} answered {answer}",
            retry_after=retry_after(response),
            outage=f"{address(response.url)} answered {answer}",
            unconfirmed=True,
        )
    raise SourceError(
        f"{uri} answered {answer}, expected 200. Nothing was landed; the month stays as it was. "
        "Check TLC_SOURCE_URL."
    )


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """First byte of the answer, and size of the complete file if stated."""
    if response.status_code == requests.codes.partial_content:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return (int(match[1]), int(match[3])) if match else (-1, None)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if _CONTENT_LENGTH.fullmatch(length) else None


@contextmanager
def _network_errors(uri: str, transfer: Transfer) -> Iterator[None]:
    try:
        yield
    except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
        raise _unreachable(_cause(error, uri, transfer)) from error
    except requests.RequestException as error:
        raise SourceError(
            f"{uri} cannot be asked for ({type(error).__name__}). Nothing was landed. "
            "Check TLC_SOURCE_URL."
        ) from error


@contextmanager
def _body_errors(uri: str, part: _Part, transfer: Transfer) -> Iterator[None]:
    before = part.size
    try:
        yield
    except HTTPError as error:
        kept = part.size if part.resumable() else 0
        raise RetryableError(
            f"{uri} failed ({_cause(error, uri, transfer).said}); {kept:,} bytes are kept for "
            "resuming",
            in_vain=part.size <= before,
        ) from error
    except ValueError as error:  # of http.client: a chunk of a negative length
        raise RetryableError(
            f"{uri} failed (its framing is broken: {shorten(str(error))})"
        ) from error
    except (OSError, SourceError):  # of the disk, or of a body that was to fill it
        part.discard()
        raise
    finally:
        if part.resumable() is None:
            part.discard()


def _cause(error: Exception, uri: str, transfer: Transfer) -> Cause:
    if transfer.too_slow:
        return slow(address(uri), transfer.least, transfer.span)
    unknown = Cause(f"{address(uri)} failed ({type(error).__name__})", "Check the network")
    return cause_of(error, uri) or unknown


def _unreachable(cause: Cause) -> PipelineError:
    """The source answers nothing, whichever file is asked for."""
    return unasked("the source (TLC_SOURCE_URL)", cause, "Nothing was landed.")
