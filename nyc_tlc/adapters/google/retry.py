"""Timeouts and retries of a call to Google Cloud, and the pause that a server asks for."""

import time
from collections.abc import Callable
from typing import TypeVar

import requests
from google.api_core import exceptions as api
from google.cloud.storage import exceptions as storage_errors
from google.cloud.storage.retry import DEFAULT_RETRY
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

T = TypeVar("T")

TIMEOUT = (10.0, 120.0)
"""Seconds to connect, and of silence."""
ASKING = (10.0, 15.0)
"""The same, of a call that is answered at once."""
UPLOAD_TIMEOUT = 300.0
"""Seconds to send one chunk, and to wait for its answer.

One number and not two: urllib3 sends the entire body in the time allowed to connect. 8 MiB in
300 s is a line of 0.2 Mbit/s, or one of 2 Mbit/s that stalls for four minutes; the library's 60 s
break there.
"""
BLIP = 20.0
"""Seconds for which a call is repeated; the run retries after longer outages."""
UPLOAD_OUTAGE = 900.0
"""Seconds for which a chunk is repeated: giving up means sending all chunks before it again."""
NOT_GOOGLES = (AttributeError, KeyError, TypeError, ValueError)
"""What Google's libraries raise for JSON of another form, such as a proxy's ``{"error": null}``."""


def repeated(seconds: float) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Repeat a call that failed, by the library's own retry, for at most ``seconds``.

    Safe for every call that we make: commits carry a generation, the others are idempotent.
    If the store says how long to wait (429 and 503 with Retry-After), we wait that long first.
    """

    def wait_as_asked(error: Exception) -> None:
        asked = asked_to_wait(error)
        if asked is not None:
            if asked > seconds:
                raise error
            time.sleep(asked)

    def wrap(call: Callable[..., T]) -> Callable[..., T]:
        retrying: Callable[..., T] = DEFAULT_RETRY.with_timeout(seconds)(
            call, on_error=wait_as_asked
        )
        return retrying

    return wrap


def answered(error: BaseException) -> str:
    """What a server answered: ``503 ServiceUnavailable``; else the name of the error."""
    if isinstance(error, api.RetryError) and error.cause:
        return answered(error.cause)
    status = getattr(error, "code", None)
    if isinstance(error, storage_errors.InvalidResponse):
        status = error.response.status_code
    name = type(error).__name__
    return f"{int(status)} {name}" if isinstance(status, int) else name


def asked_to_wait(error: BaseException | None) -> float | None:
    """Seconds that the store's answer asks for, even if it ended the library's retries."""
    if isinstance(error, api.RetryError):
        return asked_to_wait(error.cause)
    if isinstance(error, api.GoogleAPICallError | storage_errors.InvalidResponse):
        return retry_after(error.response)
    return None


def retry_after(response: requests.Response | None) -> float | None:
    """Seconds of the header ``Retry-After`` (a number or a date), at most six hours; None without.

    A stranger writes this header: one that urllib3 cannot read counts as absent.
    """
    header = "" if response is None else response.headers.get("Retry-After", "")
    try:
        return float(Retry().parse_retry_after(header))
    except (HTTPError, ValueError, OverflowError):  # text; 5,000 digits; a year past 9999
        return None
