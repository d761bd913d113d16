"""BigQuery's errors as the pipeline's, each with its next step."""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import TimeoutError as NotDoneError
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core import exceptions as api
from google.auth.exceptions import GoogleAuthError, TransportError

from nyc_tlc.adapters.google.credentials import no_credentials
from nyc_tlc.adapters.google.retry import NOT_GOOGLES, answered, asked_to_wait
from nyc_tlc.adapters.network import cause_of, unasked
from nyc_tlc.core.errors import ConfigurationError, ContractError, PipelineError, RetryableError

_PERMISSION = re.compile(r"\b(?:bigquery|storage)\.[a-z]+\.[a-zA-Z]+")
_PASSING = frozenset(
    {
        "backendError", "internalError", "jobBackendError", "jobInternalError",
        "jobRateLimitExceeded", "quotaExceeded", "rateLimitExceeded", "stopped", "tableUnavailable",
        "timeout",
    }
)  # fmt: skip
"""Reasons for which the same job may succeed later. Quotas of a day are among them: the run gives
up after its attempts, and says so."""
_ENDPOINT = "https://bigquery.googleapis.com"
_COLLIDED = "Could not serialize access"
"""The answer to a statement that changes a partition which another changes at the same time."""
_FAILED = (
    api.GoogleAPICallError, api.RetryError, requests.RequestException, ConnectionError,
    TransportError, NotDoneError,
)  # fmt: skip


class BigQueryErrors:
    """Explains what went wrong in one dataset."""

    def __init__(self, project: str, dataset: str) -> None:
        self._project = project
        self._dataset = f"{project}.{dataset}"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise the library's errors as ours.

        Raises:
            RetryableError: the service or the network failed, or a quota is used up for now.
            ConfigurationError: access was denied, or a dataset, table or file is missing.
            ContractError: the service does not take what we sent.
        """
        try:
            yield
        except api.Unauthorized as error:
            raise no_credentials(f"BigQuery {self._dataset}", error) from error
        except api.ClientError as error:
            raise self.refused(_reason(error), str(error.message), code=error.code) from error
        except _FAILED as error:
            raise self._unanswered(answered(error), error) from error
        except GoogleAuthError as error:
            raise no_credentials(f"BigQuery {self._dataset}", error) from error
        except NOT_GOOGLES as error:
            what = f"not in the form of BigQuery: {type(error).__name__}"
            raise self._unanswered(what, error) from error

    def ended(self, job: str, error: Mapping[str, Any]) -> PipelineError:
        """The error of a job that was accepted and failed."""
        return self.refused(str(error.get("reason", "")), f"{error.get('message')}; job {job}")

    def refused(self, reason: str, message: str, *, code: int | None = None) -> PipelineError:
        said = f"BigQuery {self._dataset} refused: {message.rstrip('.')}"
        if reason in _PASSING or code == 429 or _COLLIDED in message:
            return RetryableError(f"{said} ({reason or code}); nothing was changed there")
        if reason == "accessDenied" or code == 403:
            return self._forbidden(said, message)
        if "different locations" in message:
            return ConfigurationError(
                f"{said}. Nothing was changed there. A bucket is loaded from its own region only: "
                "put the dataset where the bucket is (BIGQUERY_DATASET, BIGQUERY_LOCATION), or the "
                "other way round (LAKE_URL)."
            )
        if reason == "notFound" or code == 404:
            return ConfigurationError(
                f"{said}. Nothing was changed there. Somebody deleted it, or BIGQUERY_PROJECT or "
                "BIGQUERY_DATASET names another. Correct the setting, or run it again: what is "
                "ours is created again."
            )
        return ContractError(
            f"{said} ({reason or code}). Nothing was changed there. The table and the published "
            "file do not fit one another: this is a defect to report, unless somebody changed the "
            "table."
        )

    def _unanswered(self, what: str, error: Exception) -> PipelineError:
        cause = cause_of(error, _ENDPOINT)
        if cause:
            return unasked(f"BigQuery {self._dataset}", cause, "Nothing was changed there.")
        return RetryableError(
            f"BigQuery {self._dataset} returned an unexpected response ({what})",
            retry_after=asked_to_wait(error),
        )

    def _forbidden(self, said: str, message: str) -> ConfigurationError:
        found = _PERMISSION.search(message)
        permission = found[0] if found else "(BigQuery does not say which)"
        role, place = "roles/bigquery.dataEditor", f"projects {self._project}"
        if permission.startswith("bigquery.jobs."):
            role = "roles/bigquery.jobUser"
        elif permission.startswith("storage."):
            role, place = "roles/storage.objectViewer", "storage buckets gs://BUCKET"
        command, _, where = place.rpartition(" ")
        return ConfigurationError(
            f"{said}. Nothing was changed there. The account needs the permission {permission}, "
            f"which {role} has: gcloud {command} add-iam-policy-binding {where} "
            f"--member=serviceAccount:ACCOUNT --role={role} (docs/bigquery.md)."
        )


def _reason(error: api.ClientError) -> str:
    """Google's word for what is wrong; empty where the answer has none."""
    try:
        return str(error.errors[0].get("reason", ""))
    except (AttributeError, LookupError, TypeError):
        return ""
