"""The errors of Google's storage library, as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import google.auth.exceptions
import requests
from google.api_core import exceptions as api
from google.cloud.storage import exceptions as storage_errors

from nyc_tlc.adapters.google.answers import NOT_GOOGLES
from nyc_tlc.adapters.google.credentials import no_credentials
from nyc_tlc.adapters.google.retry import asked_to_wait
from nyc_tlc.adapters.lake.errors import changed, gone
from nyc_tlc.core.errors import ConfigurationError, PipelineError, RetryableError

_PERMISSION = re.compile(r"storage\.[a-z]+\.[a-zA-Z]+")
_MEMBER = re.compile(r"([\w.+-]+@[\w-]+\.[\w.-]*\w) does not have")
_OF_THE_BUCKET = "storage.buckets."
_MOST_TOLD = 1_000
"""Characters of what the store says."""


@dataclass(frozen=True)
class GcsErrors:
    """Explains what went wrong with the objects of one bucket."""

    url: str
    bucket: str

    @contextmanager
    def of(
        self, path: str, needs: str, *, pinned: bool = False, absent: str | None = None
    ) -> Iterator[None]:
        """The library's errors, as ours.

        Args:
            path: What is worked on; empty for the bucket itself.
            needs: The permission that the call takes, where the store names none.
            pinned: A generation was asked for: when it is gone, the object was replaced.
            absent: What is missing when something is; ``path`` by default.
        """
        uri = f"{self.url}/{path}".rstrip("/")
        try:
            yield
        except api.PreconditionFailed as error:
            raise changed(uri) from error
        except api.NotFound as error:
            raise self._missing(absent or path, error, pinned=pinned) from error
        except api.Unauthorized as error:
            raise no_credentials(uri, error) from error
        except api.Forbidden as error:
            raise self._refused(uri, error, needs) from error
        except (
            api.GoogleAPICallError,
            api.RetryError,
            storage_errors.DataCorruption,
            storage_errors.InvalidResponse,
            requests.RequestException,
            google.auth.exceptions.TransportError,
        ) as error:
            raise RetryableError(
                f"{self.url} did not answer well for {path or 'its settings'} ({_kind(error)})",
                retry_after=asked_to_wait(error),
            ) from error
        except google.auth.exceptions.GoogleAuthError as error:
            raise no_credentials(self.url, error) from error
        except NOT_GOOGLES as error:
            raise RetryableError(
                f"{self.url} did not answer well for {path or 'its settings'} (not in the form of "
                f"Cloud Storage: {type(error).__name__})"
            ) from error

    def _missing(self, path: str, error: api.NotFound, *, pinned: bool) -> PipelineError:
        if not path or "bucket does not exist" in error.message:
            return ConfigurationError(
                f"bucket {self.bucket} does not exist ({self.url}). Nothing was written. "
                f"Create it (gcloud storage buckets create gs://{self.bucket} "
                "--location=LOCATION --uniform-bucket-level-access, the location that of "
                "BigQuery's dataset), then `make gcs-setup`; or correct LAKE_URL."
            )
        if pinned:
            return RetryableError(f"{self.url}/{path} was replaced while it was read")
        return gone(f"{self.url}/{path}")

    def _refused(self, uri: str, error: api.Forbidden, needs: str) -> ConfigurationError:
        message, reason = _told(error)
        refused = f"{uri} was refused ({message}). Nothing was written there."
        if reason not in {"", "forbidden"}:  # billing, retention, a perimeter: not IAM's
            return ConfigurationError(f"{refused} Ask whoever owns bucket {self.bucket}.")
        named = _PERMISSION.search(message)
        permission = named[0] if named else needs
        of_bucket = permission.startswith(_OF_THE_BUCKET)
        role = "roles/storage.admin" if of_bucket else "roles/storage.objectUser"
        found = _MEMBER.search(message)
        member = f"{_member_kind(found[1])}:{found[1]}" if found else "serviceAccount:ACCOUNT"
        return ConfigurationError(
            f"{refused} It takes the permission {permission}, which {role} has: gcloud storage "
            f"buckets add-iam-policy-binding gs://{self.bucket} --member={member} --role={role}"
        )


def _told(error: api.Forbidden) -> tuple[str, str]:
    """The store's own message and reason; of an upload the library has them in its answer only."""
    try:
        answer = error.response.json()["error"]
        return str(answer["message"])[:_MOST_TOLD], str(
            (answer.get("errors") or [{}])[0].get("reason", "")
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(error.message)[:_MOST_TOLD], ""


def _member_kind(account: str) -> str:
    return "serviceAccount" if account.endswith(".gserviceaccount.com") else "user"


def _kind(error: Exception) -> str:
    """What ended the retries rather than that they ended."""
    cause = error.cause if isinstance(error, api.RetryError) else None
    return type(cause or error).__name__
