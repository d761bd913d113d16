"""Requests to the source: which redirects are followed, and through which connections."""

import ipaddress
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_auth_from_url, requote_uri
from urllib3.util import parse_url

from nyc_tlc.adapters.network import address
from nyc_tlc.adapters.source.transfer import WatchedAdapter
from nyc_tlc.core.errors import SourceError, listed, shorten

_MOST_REDIRECTS = 5
_MOST_SHOWN = 300
"""Characters of an address that a server redirected us to."""
_USERINFO = re.compile(r"//[^/@]*@")


def without_login(url: str) -> str:
    """For errors and manifests: without user and password."""
    return _USERINFO.sub("//", url)


class SourceSession(requests.Session):
    """Leaves redirects to us, and asks no proxy for a server of this machine: it cannot reach it.

    The library's own way of following reads the whole body of the redirect.
    """

    def __init__(self, url: str, redirect_hosts: Collection[str]) -> None:
        super().__init__()
        self._url = url
        self._hosts = {address(f"https://{host}") for host in redirect_hosts} | {address(url)}
        for scheme in ("https://", "http://"):
            self.mount(scheme, WatchedAdapter())
        # The bytes as stored: hash and ranges are useless in another encoding.
        self.headers["Accept-Encoding"] = "identity"

    def merge_environment_settings(self, url: Any, *settings: Any) -> Any:  # noqa: ANN401 - as there
        merged = super().merge_environment_settings(url, *settings)
        if _is_this_machine(urlsplit(url).hostname or ""):
            merged["proxies"] = {}
        return merged

    def get_redirect_target(self, _: requests.Response) -> None:
        """No redirect is the library's."""

    def ask(
        self, method: str, name: str, headers: Mapping[str, str], timeout: tuple[float, float]
    ) -> requests.Response:
        """The answer at the end of the redirects, its body unread.

        Raises:
            SourceError: a redirect leads elsewhere, or they have no end.
        """
        url, login = f"{self._url}/{name}", get_auth_from_url(self._url)
        for _ in range(_MOST_REDIRECTS + 1):
            own = address(url) == address(self._url)
            response = self.request(
                method, url, headers=headers, timeout=timeout, stream=True,
                auth=login if own and any(login) else None,
            )  # fmt: skip
            if not response.is_redirect:
                return response
            response.close()
            url = self._further(response)
        raise SourceError(
            f"{without_login(self._url)}/{name} cannot be asked for (it redirects without end). "
            "Nothing was landed. Check TLC_SOURCE_URL."
        )

    def _further(self, response: requests.Response) -> str:
        """Where a redirect leads, if we may follow it: from https to https, to hosts we know.

        Which addresses a host has is not asked: names and addresses can be given in more forms than
        a list of forbidden ones has.
        """
        try:
            location = response.headers["Location"].encode("latin1").decode()
            # As the request will read it: parsers differ in what the host of "https://a\\@b" is.
            url = parse_url(urljoin(response.url, requote_uri(location))).url
            target = urlsplit(url)
            target.port  # noqa: B018 - raises when it is no number
        except ValueError as error:  # bytes that are not UTF-8, an invalid port or IPv6 address
            raise _misled(response, "what is no address", self._hosts) from error
        both_https = {urlsplit(response.url).scheme, target.scheme} == {"https"}
        if not both_https or address(url) not in self._hosts:
            raise _misled(response, f"{target.scheme}://{target.hostname}", self._hosts)
        return url


def _is_this_machine(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _misled(response: requests.Response, target: str, hosts: Collection[str]) -> SourceError:
    shown = without_login(response.url).partition("?")[0][:_MOST_SHOWN]  # without secrets
    return SourceError(
        f"{shown} sends us on to {shorten(target)}, expected https:// from an https:// address, to "
        f"{listed(sorted(hosts))}. Nothing was landed; the month stays as it was. Look at what the "
        "server says; name a host that is right in TLC_SOURCE_REDIRECT_HOSTS, or put the final "
        "address into TLC_SOURCE_URL."
    )
