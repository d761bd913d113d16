"""Why a system on the network could not be asked: the cause, with host and port."""

import errno
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
import urllib3.exceptions as lib3
from requests.utils import get_environ_proxies, select_proxy

from nyc_tlc.core.errors import ConfigurationError, PipelineError, RetryableError, shorten

_PORTS = {"http": 80, "https": 443}
_NO_TUNNEL = "Tunnel connection failed: "
"""What http.client says where a proxy refuses CONNECT."""
_LATER = "Try again later, and look at the server or the network if it stays so"


@dataclass(frozen=True)
class Cause:
    """What came instead of an answer.

    Attributes:
        said: In a few words, with host and port.
        remedy: What to look at; a sentence without its full stop.
        passing: Whether trying again may help.
    """

    said: str
    remedy: str
    passing: bool = True


def unasked(system: str, cause: Cause, untouched: str) -> PipelineError:
    """The error of a system that cannot be asked for anything.

    Args:
        system: Its name, with the setting that names it.
        cause: Why.
        untouched: What was not done, as a sentence.
    """
    said = f"{system} cannot be asked: {cause.said}. {untouched} {cause.remedy}"
    if cause.passing:
        return RetryableError(said, outage=cause.said)
    return ConfigurationError(said, outage=cause.said)


def cause_of(error: BaseException, url: str) -> Cause | None:
    """The cause of a failed request; None when the network is not the cause.

    Args:
        error: What a client library raised, whatever it wraps.
        url: What was asked for; of a redirect, the error knows better.
    """
    chain = tuple(_chain(error))
    asked = next((found for one in chain if (found := _asked(one))), url)
    if any(isinstance(one, requests.exceptions.ProxyError | lib3.ProxyError) for one in chain):
        return _of_proxy(chain, asked)
    return _innermost(chain, address(asked), _way(chain))


def address(url: str) -> str:
    """Host and port of an address, without user and password."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    host = parts.hostname or url
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def proxy_of(url: str) -> str | None:
    """Host and port of the proxy that the environment names for an address."""
    proxy = select_proxy(url, get_environ_proxies(url))
    return address(proxy if "//" in proxy else f"http://{proxy}") if proxy else None


def asks_for_login(proxy: str | None) -> Cause:
    """The cause where a proxy answered 407."""
    return Cause(
        f"the proxy {proxy or 'in between'} asks for a login (407 Proxy Authentication Required)",
        "Put user and password into the addresses of HTTPS_PROXY and HTTP_PROXY",
        passing=False,
    )


def unresolved(host: str) -> Cause:
    return Cause(f"the name {host} does not resolve (DNS)", "Check the name and the network")


def refused(place: str) -> Cause:
    return Cause(
        f"nothing listens at {place} (connection refused)",
        "Check the address, and that the server runs",
    )


def silent(place: str) -> Cause:
    return Cause(f"{place} took the connection and said nothing more (time-out)", _LATER)


def slow(place: str, least: float, seconds: float) -> Cause:
    return Cause(
        f"{place} sent less than {least:,.0f} bytes in {seconds:,.0f} s (too slow)", _LATER
    )


def closed(place: str) -> Cause:
    return Cause(f"{place} closed the connection before its answer was complete (reset)", _LATER)


def untrusted(place: str, why: str) -> Cause:
    return Cause(
        f"the certificate of {place} is not trusted (TLS: {why})",
        "If a proxy of your organisation signs it, name the file of its certificates in "
        "SSL_CERT_FILE and REQUESTS_CA_BUNDLE",
        passing=False,
    )


def no_tls(place: str) -> Cause:
    return Cause(
        f"{place} does not speak TLS", "Check the port, and https:// against http://", passing=False
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it wraps, the outermost first, each once."""
    seen: set[int] = set()
    left: list[object] = [error]
    while left:
        one = left.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            inside = (one.__context__, *one.args, getattr(one, "reason", None), one.__cause__)
            left += [*inside, getattr(one, "cause", None)]


def _innermost(chain: tuple[BaseException, ...], place: str, way: str = "") -> Cause | None:
    """The cause that the innermost error names: what wraps it knows less."""
    for one in chain:
        # Wraps the same error as a time-out of an answer does.
        if isinstance(one, lib3.ConnectTimeoutError) and not isinstance(
            one, lib3.NewConnectionError
        ):
            return Cause(
                f"{place}{way} takes no connection (time-out)",
                "Check the network and its firewall",
            )
    found = (_cause(one, place, way) for one in reversed(chain))
    return next((cause for cause in found if cause), None)


def _way(chain: tuple[BaseException, ...]) -> str:
    """The proxy that the request really went through: not every client asks the environment's."""
    pools = (vars(one).get("pool") for one in chain)
    proxy = next((found for pool in pools if (found := getattr(pool, "proxy", None))), None)
    return f" through the proxy {address(proxy.url)}" if proxy else ""


def _asked(error: BaseException) -> str | None:
    request = getattr(error, "request", None)
    return getattr(request, "url", None)


def _of_proxy(chain: tuple[BaseException, ...], url: str) -> Cause:
    proxy = proxy_of(url)
    where = proxy or "(of the environment)"
    for one in reversed(chain):
        if isinstance(one, OSError) and str(one).startswith(_NO_TUNNEL):
            said = str(one).removeprefix(_NO_TUNNEL)
            if said.startswith("407"):
                return asks_for_login(proxy)
            return Cause(
                f"the proxy {where} does not let us through to {address(url)} ({shorten(said)})",
                "Ask whoever runs the proxy to let it pass; NO_PROXY names hosts that need none",
                passing=not said.startswith("4"),
            )
    inner = _innermost(chain, where)
    said = inner.said if inner else f"{where} does not answer as a proxy does"
    return Cause(
        f"the proxy cannot be reached: {said}",
        "Check HTTPS_PROXY and HTTP_PROXY; NO_PROXY names hosts that need none",
    )


def _cause(error: BaseException, place: str, way: str) -> Cause | None:
    host = place.rpartition(":")[0]
    if isinstance(error, socket.gaierror | lib3.NameResolutionError):
        return unresolved(host)
    if isinstance(error, ssl.SSLError):
        return _of_tls(error, place)
    if isinstance(error, TimeoutError | lib3.ReadTimeoutError):
        return silent(place + way)
    return _of_connection(error, place, way)


def _of_tls(error: ssl.SSLError, place: str) -> Cause:
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(place, error.verify_message)
    if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return no_tls(place)
    if isinstance(error, ssl.SSLEOFError):
        return closed(place)
    said = (error.reason or str(error)).replace("_", " ").lower()
    return Cause(f"TLS with {place} failed ({shorten(said)})", _LATER)


def _of_connection(error: BaseException, place: str, way: str) -> Cause | None:
    if isinstance(error, ConnectionRefusedError):
        return refused(place)
    if isinstance(error, ConnectionError | lib3.IncompleteRead) or _hung_up(error):
        return closed(place + way)
    if isinstance(error, OSError) and error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return Cause(f"there is no way to {place} ({error.strerror})", "Check the network")
    return None


def _hung_up(error: BaseException) -> bool:
    return isinstance(error, lib3.ProtocolError) and "Connection broken" in str(error)
