"""Errors of Google's storage library, explained."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import google.auth.exceptions
import requests
from google.api_core import exceptions as api
from google.cloud.storage import exceptions as storage_errors

from nyc_tlc.adapters.google.credentials import no_credentials
from nyc_tlc.adapters.google.refusals import Kind, Refusal, refusal_of
from nyc_tlc.adapters.google.retry import NOT_GOOGLES, answered, asked_to_wait
from nyc_tlc.adapters.lake.errors import ObjectChangedError, ObjectGoneError
from nyc_tlc.adapters.network import cause_of, unasked
from nyc_tlc.core.errors import ConfigurationError, PipelineError, RetryableError

_PERMISSION = re.compile(r"storage\.[a-z]+\.[a-zA-Z]+")
_MEMBER = re.compile(r"([\w.+-]+@[\w-]+\.[\w.-]*\w) does not have")
_OF_THE_BUCKET = "storage.buckets."
_ENDPOINT = "https://storage.googleapis.com"
_OF_ONE_OBJECT = {Kind.RETENTION, Kind.ENCRYPTION, Kind.LIMIT, Kind.REQUEST, Kind.UNKNOWN}


@dataclass(frozen=True)
class GcsErrors:
    """Explains what went wrong with the objects of one bucket."""

    url: str
    bucket: str

    @contextmanager
    def of(
        self, path: str, needs: str, *, pinned: bool = False, absent: str | None = None
    ) -> Iterator[None]:
        """Raise the library's errors as ours.

        Args:
            path: The object that the call works on; empty for the bucket itself.
            needs: The permission that the call takes, if the store names none.
            pinned: A generation was asked for: if it is gone, the object was replaced.
            absent: The object that is missing if one is; ``path`` by default.
        """
        try:
            yield
        except (api.GoogleAPICallError, storage_errors.InvalidResponse) as error:
            raise self._explained(path, error, needs, absent or path, pinned=pinned) from error
        except (
            api.RetryError,
            storage_errors.DataCorruption,
            requests.RequestException,
            google.auth.exceptions.TransportError,
        ) as error:
            raise self._unanswered(path, error) from error
        except google.auth.exceptions.GoogleAuthError as error:
            raise no_credentials(self.url, error) from error
        except NOT_GOOGLES as error:
            raise RetryableError(
                f"{self.url} returned an unexpected response for {path or 'its settings'} "
                f"(not in the form of Cloud Storage: {type(error).__name__})"
            ) from error

    def _explained(
        self, path: str, error: Exception, needs: str, absent: str, *, pinned: bool
    ) -> PipelineError:
        uri = f"{self.url}/{path}".rstrip("/")
        refusal = refusal_of(error)
        if refusal.kind is Kind.PASSING:
            return self._unanswered(path, error)
        if refusal.kind is Kind.CHANGED:
            return ObjectChangedError(uri)
        if refusal.kind is Kind.MISSING:
            return self._missing(absent, refusal.message, pinned=pinned)
        if refusal.kind is Kind.CREDENTIALS:
            return no_credentials(uri, error)
        return self._refused(uri, refusal, needs)

    def _unanswered(self, path: str, error: Exception) -> PipelineError:
        cause = cause_of(error, _ENDPOINT)
        if cause:
            lake = f"the lake {self.url} (LAKE_URL)"
            return unasked(lake, cause, "Nothing was written there.")
        said = answered(error)
        return RetryableError(
            f"{self.url} returned an unexpected response for {path or 'its settings'} ({said})",
            retry_after=asked_to_wait(error),
            outage=f"{self.url} answers {said}" if said[0].isdigit() else "",
            unconfirmed=True,
        )

    def _missing(self, path: str, message: str, *, pinned: bool) -> PipelineError:
        if not path or "bucket does not exist" in message:
            return ConfigurationError(
                f"bucket {self.bucket} does not exist ({self.url}). Nothing was written. "
                f"Create it (gcloud storage buckets create gs://{self.bucket} "
                "--location=LOCATION --uniform-bucket-level-access, the location that of "
                "BigQuery's dataset), then `make gcs-setup`; or correct LAKE_URL.",
                outage=f"bucket {self.bucket} does not exist",
            )
        if pinned:
            return RetryableError(f"{self.url}/{path} was replaced while it was read")
        return ObjectGoneError(f"{self.url}/{path}")

    def _refused(self, uri: str, refusal: Refusal, needs: str) -> ConfigurationError:
        message = refusal.message
        refused = f"{uri} was refused ({message}). Nothing was written there."
        if refusal.kind is not Kind.PERMISSION:
            return ConfigurationError(
                f"{refused} {refusal.next_step(f'bucket {self.bucket}')}",
                outage="" if refusal.kind in _OF_ONE_OBJECT else f"{self.url} refused us",
            )
        named = _PERMISSION.search(message)
        permission = named[0] if named else needs
        of_bucket = permission.startswith(_OF_THE_BUCKET)
        role = "roles/storage.admin" if of_bucket else "roles/storage.objectUser"
        found = _MEMBER.search(message)
        account = found[1] if found else "NAME@PROJECT.iam.gserviceaccount.com"
        kind = "serviceAccount" if account.endswith(".gserviceaccount.com") else "user"
        return ConfigurationError(
            f"{refused} It takes the permission {permission}, which {role} has: gcloud storage "
            f"buckets add-iam-policy-binding gs://{self.bucket} --member={kind}:{account} "
            f"--role={role}",
            outage=f"{self.url} refused us: {permission}",
        )
