"""Watch a warehouse while it changes."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

BLOCKED = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = %s"
COPYING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'COPY %green%'"
NOTHING_IS_OPEN = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'nyc_tlc'"


def everything_said(error: BaseException | None) -> str:
    """By an error and its causes."""
    said = ""
    while error is not None:
        said += f"{error} {error!r} {error.args} "
        error = error.__cause__ or error.__context__
    return said


@pytest.fixture
def eventually(query) -> Callable[..., None]:
    """Wait until a statement says true; a minute is for ever here."""

    def wait(statement: str, *values: object) -> None:
        deadline = time.monotonic() + 60
        while query(statement, *values) != [(True,)]:
            assert time.monotonic() < deadline, statement
            time.sleep(0.01)

    return wait


@pytest.fixture
def seen_while(query) -> Callable[..., set[tuple]]:
    """What a reader in a loop sees while changes are made; it gets to see every version."""

    def read(statement: str, *changes: Callable[[], object]) -> set[tuple]:
        rows, done = [], threading.Event()

        def loop() -> None:
            while not done.is_set():
                rows.extend(query(statement))

        with ThreadPoolExecutor(1) as pool:
            reader = pool.submit(loop)
            for change in changes:
                before = len(rows)
                change()
                while len(rows) < before + 2 and not reader.done():
                    time.sleep(0.001)
            done.set()
            reader.result()
        return set(rows)

    return read
