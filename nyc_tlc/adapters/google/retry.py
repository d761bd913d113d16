"""How long one call to Cloud Storage goes on: its timeouts, and the library's own retries."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from google.api_core import exceptions as api
from google.cloud.storage import exceptions as storage_errors
from google.cloud.storage.retry import DEFAULT_RETRY

from nyc_tlc.adapters.retry_after import retry_after

T = TypeVar("T")

TIMEOUT = (10.0, 120.0)
"""Seconds to connect, and of silence."""
UPLOAD_TIMEOUT = 300.0
"""Seconds that one chunk may take to be sent, and the answer to come.

One number and not two: urllib3 sends the whole body under the time allowed to connect. 8 MiB in
300 s is a line of 0.2 Mbit/s, or one of 2 Mbit/s that stalls for four minutes; the library's 60 s
break there.
"""
BLIP = 20.0
"""Seconds for which a call is repeated; longer outages are the run's to retry."""
UPLOAD_OUTAGE = 900.0
"""Seconds for which a chunk is: what was sent before it would have to be sent again."""


def repeated(seconds: float) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """The library's retry, which repeats a call that failed, for so many seconds at most.

    Safe for every call that we make: publishing carries a generation, the rest says the same twice.
    Where the store says how long to wait (429 and 503 with Retry-After), that is waited out first.
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


def asked_to_wait(error: BaseException | None) -> float | None:
    """Seconds that an answer of the store asks for, also one that ended the library's retries."""
    if isinstance(error, api.RetryError):
        return asked_to_wait(error.cause)
    if isinstance(error, api.GoogleAPICallError | storage_errors.InvalidResponse):
        return retry_after(error.response)
    return None
