"""Errors of obstore, explained."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from obstore import exceptions as obs

from nyc_tlc.adapters import network
from nyc_tlc.adapters.lake.errors import ObjectChangedError, ObjectGoneError
from nyc_tlc.core.errors import ConfigurationError, PipelineError, RetryableError

_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound")
_REGION = re.compile(r"expecting '([\w-]+)'|<Region>([\w-]+)</Region>")
_OTHER_REGION = re.compile("AuthorizationHeaderMalformed|incorrectly configured region")
_DENIED = re.compile("<Code>(AccessDenied|AuthorizationPermissionMismatch)")
_REFUSED = re.compile(
    "<Code>(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|AuthenticationFailed|Unauthorized)"
)
_NO_LOGIN = re.compile(rf"{_REFUSED.pattern}|[Cc]redential|169.254.169.254")
_OF_THE_OBJECT = (FileNotFoundError, obs.AlreadyExistsError, obs.PreconditionError)
_SAID = re.compile(r"<Code>(?P<code>\w+)</Code>\s*(<Message>(?P<message>[^<\n]*))?")
_STATUS = re.compile(r"status code: (\d{3}[\w ]*)")
_ADDRESS = re.compile(r"uri: Some\(\s*(\S+?),?\s*\)")
_CAUSES: dict[str, Callable[[str], network.Cause]] = {
    "dns error": lambda url: network.unresolved(network.address(url).rpartition(":")[0]),
    "InvalidCertificate": lambda url: network.untrusted(network.address(url), "unknown issuer"),
    "InvalidContentType|InvalidMessage": lambda url: network.no_tls(network.address(url)),
    "ProxyAuthRequired|status: 407": lambda url: network.asks_for_login(network.proxy_of(url)),
    "ConnectionRefused": lambda url: network.refused(network.address(url)),
    "kind: Timeout|TimedOut": lambda url: network.silent(network.address(url)),
    "IncompleteMessage|ConnectionReset|eof": lambda url: network.closed(network.address(url)),
}
"""By what the library's debug text, its only word, says of an error of the network."""
_LINE = re.compile(r'HttpError \{\s*kind: (\w+)(?s:.*?(?:message|error): "([^"]+)")?')


@dataclass(frozen=True)
class ObjectStoreErrors:
    """Explains what went wrong with the objects of one bucket or container.

    Attributes:
        grant: How to grant a permission, with ``{needs}`` in it.
        login: Where credentials come from.
    """

    url: str
    grant: str
    login: str

    @contextmanager
    def of(self, path: str, needs: str, *, pinned: bool = False) -> Iterator[None]:
        """Raise the library's errors of a call, which takes the permission ``needs``, as ours.

        ``pinned``: a version was asked for; if it is gone, the object was replaced.
        """
        try:
            yield
        except (FileNotFoundError, obs.BaseError) as error:
            if _NO_BUCKET.search(str(error)):
                explained: PipelineError = ConfigurationError(
                    f"{self.url} does not exist. Nothing was written. Create that bucket or "
                    "container, or correct LAKE_URL."
                )
            elif isinstance(error, _OF_THE_OBJECT):
                explained = self._lost(path, error, pinned=pinned)
            else:
                explained = self._unanswered(path, needs, error)
            raise explained from error

    @contextmanager
    def of_settings(self) -> Iterator[None]:
        """Explain what is wrong with the variables that the library reads."""
        try:
            yield
        except (obs.BaseError, ValueError) as error:
            problem = str(error).partition("\n")[0].rpartition(" error: ")[2]
            raise ConfigurationError(
                f"{self.url} cannot be reached: no usable settings ({problem}). Nothing was "
                f"written. {self.login}"
            ) from error

    def _lost(self, path: str, error: Exception, *, pinned: bool) -> PipelineError:
        uri = f"{self.url}/{path}"
        if pinned:
            return RetryableError(f"{uri} was replaced while it was read")
        gone = isinstance(error, FileNotFoundError)
        return ObjectGoneError(uri) if gone else ObjectChangedError(uri)

    def _unanswered(self, path: str, needs: str, error: Exception) -> PipelineError:
        text, said = str(error), _said(error)
        if _OTHER_REGION.search(text):
            found = _REGION.search(text)
            region = (found[1] or found[2]) if found else "the bucket's region"
            return ConfigurationError(
                f"{self.url} is in another region ({said}). Nothing was written. Set "
                f"AWS_REGION={region}"
            )
        denied = isinstance(error, obs.PermissionDeniedError) or _DENIED.search(text)
        if denied and not _REFUSED.search(text):
            return ConfigurationError(
                f"{self.url}/{path} was refused ({said}). Nothing was written there. "
                f"{self.grant.format(needs=needs)}"
            )
        if denied or isinstance(error, obs.UnauthenticatedError) or _NO_LOGIN.search(text):
            return ConfigurationError(
                f"{self.url} cannot be reached: no usable credentials ({said}). Nothing was "
                f"written. {self.login}"
            )
        cause = _cause(text)
        if cause:
            lake = f"the lake {self.url} (LAKE_URL)"
            return network.unasked(lake, cause, "Nothing was written there.")
        return RetryableError(
            f"{self.url} returned an unexpected response for {path or 'a listing'} ({said})",
            outage=f"{self.url} answers {said}",
            unconfirmed=True,
        )


def _cause(text: str) -> network.Cause | None:
    if found := _ADDRESS.search(text):
        for words, cause in _CAUSES.items():
            if re.search(words, text):
                return cause(found[1])
    return None


def _said(error: Exception) -> str:
    """The store's own code and message; never an address, which may carry a signature."""
    text = str(error)
    if found := _SAID.search(text):
        return ": ".join(filter(None, (found["code"], found["message"])))
    if found := _STATUS.search(text):
        return found[1].strip()
    if found := _LINE.search(text):
        return ": ".join(filter(None, found.groups()))
    return type(error).__name__
