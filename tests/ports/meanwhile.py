"""What others do while a test runs."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def meanwhile(work: Callable[[], object], *, threads: int = 1) -> Iterator[None]:
    """Repeat ``work`` in other threads; what fails there fails the test."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            work()

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(run) for _ in range(threads)]
        try:
            yield
        finally:
            over.set()
        for one in running:
            one.result()


def wait_until(is_so: Callable[[], object]) -> None:
    """Ask again and again; a minute is for ever here."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.01)
