"""The errors of obstore, as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from obstore import exceptions as obs

from nyc_tlc.adapters.lake.errors import changed, gone
from nyc_tlc.core.errors import ConfigurationError, PipelineError, RetryableError

_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound")
_REGION = re.compile(r"expecting '([\w-]+)'|<Region>([\w-]+)</Region>")
_OTHER_REGION = re.compile("AuthorizationHeaderMalformed|incorrectly configured region")
_DENIED = re.compile("<Code>(AccessDenied|AuthorizationPermissionMismatch)")
_NO_CREDENTIALS = re.compile("[Cc]redential|169.254.169.254")
_REFUSED = re.compile(
    "<Code>(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|AuthenticationFailed|Unauthorized)"
)
_TOLD = re.compile(r"<Code>(?P<code>\w+)</Code>\s*(<Message>(?P<message>[^<\n]*))?")
_STATUS = re.compile(r"status code: (\d{3}[\w ]*)")
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
        """The library's errors, as ours.

        Args:
            path: What is worked on.
            needs: The permission that the call takes.
            pinned: A version was asked for: when it is gone, the object was replaced.
        """
        try:
            yield
        except (obs.AlreadyExistsError, obs.PreconditionError) as error:
            raise self._changed(path, pinned=pinned) from error
        except FileNotFoundError as error:
            raise self._missing(path, error, pinned=pinned) from error
        except obs.PermissionDeniedError as error:
            raise self._refused(path, needs, error) from error
        except obs.UnauthenticatedError as error:
            raise self._no_credentials(error) from error
        except obs.BaseError as error:
            raise self._explained(path, needs, error) from error

    @contextmanager
    def of_settings(self) -> Iterator[None]:
        """What is wrong with the variables that the library reads."""
        try:
            yield
        except (obs.BaseError, ValueError) as error:
            problem = str(error).partition("\n")[0].rpartition(" error: ")[2]
            raise ConfigurationError(
                f"{self.url} cannot be reached: no usable settings ({problem}). Nothing was "
                f"written. {self.login}"
            ) from error

    def _changed(self, path: str, *, pinned: bool) -> PipelineError:
        if pinned:
            return RetryableError(f"{self.url}/{path} was replaced while it was read")
        return changed(f"{self.url}/{path}")

    def _missing(self, path: str, error: Exception, *, pinned: bool) -> PipelineError:
        if _NO_BUCKET.search(str(error)):
            return self._no_bucket()
        return self._changed(path, pinned=True) if pinned else gone(f"{self.url}/{path}")

    def _no_bucket(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.url} does not exist. Nothing was written. Create that bucket or container, or "
            "correct LAKE_URL."
        )

    def _refused(self, path: str, needs: str, error: Exception) -> ConfigurationError:
        if _REFUSED.search(str(error)):
            return self._no_credentials(error)
        return ConfigurationError(
            f"{self.url}/{path} was refused ({_told(error)}). Nothing was written there. "
            f"{self.grant.format(needs=needs)}"
        )

    def _no_credentials(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"{self.url} cannot be reached: no usable credentials ({_told(error)}). Nothing was "
            f"written. {self.login}"
        )

    def _explained(self, path: str, needs: str, error: Exception) -> PipelineError:
        text = str(error)
        if _NO_BUCKET.search(text):
            return self._no_bucket()
        if _OTHER_REGION.search(text):
            found = _REGION.search(text)
            region = (found[1] or found[2]) if found else "the bucket's region"
            return ConfigurationError(
                f"{self.url} is in another region ({_told(error)}). Nothing was written. Set "
                f"AWS_REGION={region}"
            )
        if _DENIED.search(text):  # of a listing the library makes no error of its own
            return self._refused(path, needs, error)
        if _REFUSED.search(text) or _NO_CREDENTIALS.search(text):
            return self._no_credentials(error)
        return RetryableError(
            f"{self.url} did not answer well for {path or 'a listing'} ({_told(error)})"
        )


def _told(error: Exception) -> str:
    """The store's own code and message; never an address, which may carry a signature."""
    text = str(error)
    if found := _TOLD.search(text):
        return ": ".join(filter(None, (found["code"], found["message"])))
    if found := _STATUS.search(text):
        return found[1].strip()
    if found := _LINE.search(text):
        return ": ".join(filter(None, found.groups()))
    return type(error).__name__
