"""How long a server that refused a request asks us to wait."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests


def retry_after(response: requests.Response | None) -> float | None:
    """Seconds from now by the header ``Retry-After`` (a number or a date); None without it."""
    asked = "" if response is None else response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    try:
        moment = parsedate_to_datetime(asked)
        seconds = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):  # the year 1 in a zone, a zone of twenty digits
        return None
    return max(seconds, 0.0)
