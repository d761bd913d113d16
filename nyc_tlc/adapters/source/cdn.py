"""Published files over HTTP(S): TLC's CDN, or any server that behaves like it."""

import ipaddress
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from nyc_tlc.adapters.network import Cause, address, asks_for_login, cause_of, proxy_of, unasked
from nyc_tlc.adapters.source.progress import downloading
from nyc_tlc.core.checksum import sha256_of_file
from nyc_tlc.core.errors import PipelineError, RetryableError, SourceError, shorten
from nyc_tlc.core.limits import MOST_FILE_BYTES
from nyc_tlc.ports.source import Fetched, Probed, SourceFileAbsentError

_CHUNK = 1 << 20
_LONGEST_HANDSHAKE = 10.0
"""Seconds for a connection, and for an answer without content."""
_USERINFO = re.compile(r"//[^/@]*@")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_CONTENT_LENGTH = re.compile(r"\d{1,18}")
"""Not more: Python raises a ValueError for a number of 5,000 digits."""
_MOST_SHOWN = 300
"""Characters of an address that a server redirected us to."""


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


class _Session(requests.Session):
    """Follows redirects to other public servers, but not into the network that we are in.

    A proxy is not asked for a server of this machine: it cannot reach it.
    """

    def merge_environment_settings(self, url: Any, *settings: Any) -> Any:  # noqa: ANN401 - as there
        merged = super().merge_environment_settings(url, *settings)
        if _is_this_machine(urlsplit(url).hostname or ""):
            merged["proxies"] = {}
        return merged

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        try:
            target = super().get_redirect_target(resp)
            if target is None:
                return None
            asked, further = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
            further.port  # noqa: B018 - raises when it is no number
            schemes = {"https"} if asked.scheme == "https" else {"http", "https"}
            allowed = may_follow(asked.hostname or "", further.hostname or "")
        except ValueError as error:  # bytes that are not UTF-8, an invalid port or IPv6 address
            raise _misled(resp, "what is no address") from error
        if further.scheme not in schemes or not allowed:
            raise _misled(resp, f"{further.scheme}://{further.hostname}")
        return target


def _misled(response: requests.Response, target: str) -> SourceError:
    response.close()  # the caller never sees it
    shown = _USERINFO.sub("//", response.url).partition("?")[0][:_MOST_SHOWN]  # without secrets
    return SourceError(
        f"{shown} sends us on to {shorten(target)}, where no published file is expected. Nothing "
        "was landed; the month stays as it was. Check TLC_SOURCE_URL, and look at what the server "
        "says."
    )


def may_follow(asked: str, further: str) -> bool:
    """Whether we may follow a redirect from one host to another.

    A server on the internet may name other servers there; one in our own network may name its
    neighbours, but not the addresses where clouds hand out credentials (link-local,
    169.254.169.254).
    """
    if asked == further:
        return True
    addresses = _addresses(further)
    if any(address.is_link_local or address.is_multicast for address in addresses):
        return False
    if all(address.is_global for address in addresses):
        return True
    return not any(address.is_global for address in _addresses(asked))


def _is_this_machine(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []  # the request itself will say so
    return [ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_, where in found]


class HttpSource:
    """Published files below an ``http(s)://`` address."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self._url = url.rstrip("/")
        # For errors and manifests: without user and password.
        self._shown_url = _USERINFO.sub("//", self._url)
        self._timeout = (min(timeout, _LONGEST_HANDSHAKE), timeout)
        self._session = _Session()
        # The bytes as stored: hash and ranges are useless in another encoding.
        self._session.headers["Accept-Encoding"] = "identity"

    def fetch(self, name: str, folder: Path, *, unless_etag: str | None) -> Fetched | None:
        uri = f"{self._shown_url}/{name}"
        target = folder / Path(name).name
        part = _Part(target.with_name(target.name + ".part"))
        with _network_errors(uri), self._get(name, part, unless_etag) as response:
            if response.status_code == requests.codes.not_modified:
                return None
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                part.discard()
                raise RetryableError(f"{uri} answered 416: the part on disk is of another version")
            _require_success(uri, response)
            with _body_errors(uri, part):
                _receive(uri, response, part)
        etag = response.headers.get("ETag")
        modified = response.headers.get("Last-Modified")
        part.finish(target)
        return Fetched(target, uri, etag, modified, target.stat().st_size, sha256_of_file(target))

    def probe(self, name: str, *, unless_etag: str | None) -> Probed | None:
        uri = f"{self._shown_url}/{name}"
        headers = {"If-None-Match": unless_etag} if unless_etag else {}
        with _network_errors(uri):
            # GitHub, which has the CSV mirror, redirects; HEAD does not follow by default.
            response = self._session.head(
                f"{self._url}/{name}", headers=headers, timeout=self._timeout[0],
                allow_redirects=True,
            )  # fmt: skip
        if response.status_code == requests.codes.not_modified:
            return None
        _require_success(uri, response)
        etag = response.headers.get("ETag")
        if etag is not None and etag == unless_etag:
            return None  # a server that does not know conditional requests
        _, size = _extent(response)
        return Probed(uri, etag, response.headers.get("Last-Modified"), size)

    def _get(self, name: str, part: _Part, unless_etag: str | None) -> requests.Response:
        headers = {}
        if unless_etag:
            headers["If-None-Match"] = unless_etag
        etag = part.resumable()
        if etag:
            headers |= {"Range": f"bytes={part.size}-", "If-Range": etag}
        return self._session.get(
            f"{self._url}/{name}", headers=headers, timeout=self._timeout, stream=True
        )


def _receive(uri: str, response: requests.Response, part: _Part) -> None:
    if "Content-Encoding" in response.headers:
        raise SourceError(
            f"{uri} came in Content-Encoding {shorten(response.headers['Content-Encoding'])}, "
            "expected the bytes as stored. Nothing was landed; the month stays as it was. "
            "Look at the proxy between here and the source."
        )
    start, total = _extent(response)
    if total is not None and total > MOST_FILE_BYTES:
        raise _too_large(uri, f"{total:,}")
    if response.status_code == requests.codes.ok:
        part.start(response.headers.get("ETag"))
    elif start != part.size or response.headers.get("ETag") != part.resumable():
        part.discard()
        raise RetryableError(f"{uri} went on with another version or place than asked for")
    with (
        part.file.open("ab") as file,
        downloading(part.file.stem, total, part.size) as came,
    ):
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            file.write(chunk)
            came(len(chunk))
            if file.tell() > MOST_FILE_BYTES:
                part.discard()
                raise _too_large(uri, f"more than {file.tell():,}")
    if total is not None and part.size != total:
        raise RetryableError(f"{uri} broke off: {part.size:,} of {total:,} bytes came")


def _too_large(uri: str, found: str) -> SourceError:
    return SourceError(
        f"{uri} is not a valid trip file: {found} bytes, expected at most {MOST_FILE_BYTES:,}. "
        "Nothing was landed; the month stays as it was. Look at what the source serves."
    )


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
def _network_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except requests.TooManyRedirects as error:
        raise SourceError(
            f"{uri} cannot be asked for (it redirects without end). Nothing was landed. Check "
            "TLC_SOURCE_URL."
        ) from error
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise _unreachable(_cause(error, uri)) from error
    except requests.RequestException as error:
        raise SourceError(
            f"{uri} cannot be asked for ({type(error).__name__}). Nothing was landed. "
            "Check TLC_SOURCE_URL."
        ) from error


@contextmanager
def _body_errors(uri: str, part: _Part) -> Iterator[None]:
    before = part.size
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise RetryableError(
            f"{uri} failed ({_cause(error, uri).said}); {part.size:,} bytes are kept for resuming",
            in_vain=part.size <= before,
        ) from error
    except ValueError as error:  # of http.client: a chunk of a negative length
        raise RetryableError(
            f"{uri} failed (its framing is broken: {shorten(str(error))})"
        ) from error


def _cause(error: Exception, uri: str) -> Cause:
    unknown = Cause(f"{address(uri)} failed ({type(error).__name__})", "Check the network")
    return cause_of(error, uri) or unknown


def _unreachable(cause: Cause) -> PipelineError:
    """The source answers nothing, whichever file is asked for."""
    return unasked("the source (TLC_SOURCE_URL)", cause, "Nothing was landed.")
