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
from nyc_tlc.adapters.google.refusals import Kind, Refusal, refusal_of, refusal_of_job
from nyc_tlc.adapters.google.retry import NOT_GOOGLES, answered, asked_to_wait
from nyc_tlc.adapters.network import cause_of, unasked
from nyc_tlc.core.errors import ConfigurationError, ContractError, PipelineError, RetryableError

_PERMISSION = re.compile(r"\b(?:bigquery|storage)\.[a-z]+\.[a-zA-Z]+")
_ENDPOINT = "https://bigquery.googleapis.com"
_FAILED = (
    api.RetryError, requests.RequestException, ConnectionError, TransportError, NotDoneError,
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
        except api.GoogleAPICallError as error:
            refusal = refusal_of(error)
            if refusal.kind is Kind.CREDENTIALS:
                raise no_credentials(f"BigQuery {self._dataset}", error) from error
            if refusal.kind is Kind.PASSING and isinstance(error, api.ServerError):
                raise self._unanswered(answered(error), error) from error
            raise self._refused(refusal) from error
        except _FAILED as error:
            raise self._unanswered(answered(error), error) from error
        except GoogleAuthError as error:
            raise no_credentials(f"BigQuery {self._dataset}", error) from error
        except NOT_GOOGLES as error:
            what = f"not in the form of BigQuery: {type(error).__name__}"
            raise self._unanswered(what, error) from error

    def ended(self, job: str, failure: Mapping[str, Any]) -> PipelineError:
        """The error of a job that was accepted and failed."""
        return self._refused(refusal_of_job(failure), f"; job {job}")

    def _refused(self, refusal: Refusal, job: str = "") -> PipelineError:
        said = f"BigQuery {self._dataset} refused: {refusal.message}{job}"
        if refusal.kind is Kind.PASSING:
            return RetryableError(f"{said} ({refusal.word}); nothing was changed there")
        if refusal.kind is Kind.PERMISSION:
            return self._forbidden(said, refusal.message)
        if "different locations" in refusal.message:
            return ConfigurationError(
                f"{said}. Nothing was changed there. A bucket is loaded from its own region only: "
                "put the dataset where the bucket is (BIGQUERY_DATASET, BIGQUERY_LOCATION), or the "
                "other way round (LAKE_URL)."
            )
        if refusal.kind is Kind.MISSING:
            return ConfigurationError(
                f"{said}. Nothing was changed there. Somebody deleted it, or BIGQUERY_PROJECT or "
                "BIGQUERY_DATASET names another. Correct the setting, or run it again: what is "
                "ours is created again."
            )
        if refusal.kind is Kind.REQUEST:
            return ContractError(
                f"{said} ({refusal.word}). Nothing was changed there. The table and the published "
                "file do not fit one another: this is a defect to report, unless somebody changed "
                "the table."
            )
        return ConfigurationError(
            f"{said} ({refusal.word}). Nothing was changed there. What helps: "
            f"{refusal.next_step(f'dataset {self._dataset}')}"
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
