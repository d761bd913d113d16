"""Wait for what others do."""

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], object]) -> None:
    """Ask again and again; a minute is for ever here."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.01)
