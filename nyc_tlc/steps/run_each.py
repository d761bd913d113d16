"""Work through the partitions of a run: several at once, each failing alone, one place to retry."""

import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self, TypeVar

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.errors import (
    NotPublishedYet,
    PartitionsFailedError,
    PipelineError,
    RetryableError,
)
from nyc_tlc.core.os_errors import os_errors_explained
from nyc_tlc.core.runs.run_table import FINAL, Status

_logger = logging.getLogger(__name__)
_LONGEST_WAIT = 60.0
_LONGEST_ASKED = 600.0
"""Seconds: a server that asks for more is down for this run."""

T = TypeVar("T")


class Row(Protocol):
    """A row of a table whose partitions are worked on one by one: a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def partition(self) -> Partition: ...
    @property
    def status(self) -> Status: ...
    @property
    def seconds(self) -> float: ...
    @property
    def error(self) -> str: ...

    def failed(self, error: str, error_type: str = "") -> Self:
        """The row of a partition that failed."""


RowT = TypeVar("RowT", bound=Row)
Step = Callable[[RowT], RowT]


@dataclass(frozen=True)
class Effort:
    """How hard a run tries.

    Attributes:
        workers: Partitions worked on at once.
        attempts: Tries per step and partition when it fails with RetryableError.
        first_wait: Seconds before the second try; doubled for each further one.
    """

    workers: int
    attempts: int
    first_wait: float = 1.0


def run_each(
    name: str,
    step: Step[RowT],
    rows: Sequence[RowT],
    effort: Effort,
    *,
    done: Collection[Status] = FINAL,
) -> list[RowT]:
    """Apply a step to every row that does not have it behind it; rows come back in order.

    A partition that fails is marked with its error, and the others go on.
    """
    with ThreadPoolExecutor(effort.workers, thread_name_prefix=name) as pool:
        return list(
            pool.map(
                lambda row: row if row.status in done else _run_one(name, step, row, effort), rows
            )
        )


def require_all(rows: Sequence[Row]) -> None:
    """End the run with an error if any partition failed.

    Raises:
        PartitionsFailedError: names every partition that failed, and why.
    """
    failed = [row for row in rows if row.status is Status.FAILED]
    if failed:
        errors = "\n".join(f"  {row.partition}: {row.error}" for row in failed)
        raise PartitionsFailedError(
            f"{len(failed)} of {len(rows)} partitions failed; the others are done:\n{errors}"
        )


def _run_one(name: str, step: Step[RowT], row: RowT, effort: Effort) -> RowT:
    began = time.monotonic()
    done = _outcome(name, step, row, effort)
    done = replace(done, seconds=round(row.seconds + time.monotonic() - began, 3))
    if done.status is not Status.FAILED:
        _logger.info("%s %s after %.1f s", row.partition, done.status, done.seconds)
    return done


def _outcome(name: str, step: Step[RowT], row: RowT, effort: Effort) -> RowT:
    try:
        return retried(lambda: step(row), str(row.partition), effort.attempts, effort.first_wait)
    except NotPublishedYet as reason:
        _logger.info("%s", reason)
        return replace(row, status=Status.NOT_PUBLISHED)
    except PipelineError as error:
        failed = row.failed(str(error).removeprefix(f"{row.partition}: "), type(error).__name__)
        # Without the traceback: the message is the whole story.
        _logger.error("%s failed: %s", row.partition, failed.error)  # noqa: TRY400
        return failed
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # The partition boundary: a defect in one month must not keep the others from loading.
        # Not only Exception: a panic of a Rust library (polars, pgpq) is none.
        _logger.exception("%s failed in %s", row.partition, name)
        return row.failed(
            f"{name} met an unexpected {type(error).__name__} ({error}); see the log for where. "
            "Run the month again; if it fails again, this is a defect to report.",
            type(error).__name__,
        )


def retried(attempt: Callable[[], T], what: str, attempts: int, first_wait: float = 1.0) -> T:
    """Call until it succeeds, as long as it fails with RetryableError: the one place that retries.

    Waits double from ``first_wait`` seconds, with jitter, or last as long as the other side asks.

    Raises:
        RetryableError: the last attempt failed too.
    """
    for number in range(1, attempts + 1):
        try:
            with os_errors_explained():
                return attempt()
        except RetryableError as error:
            if number == attempts:
                raise RetryableError(
                    f"{error}. Tried {number} times. Fix the cause, then run it again."
                ) from error
            wait = _wait(error, first_wait * 2 ** (number - 1))
            _logger.warning(
                "%s: %s; attempt %d of %d in %.1f s", what, error, number + 1, attempts, wait
            )
            time.sleep(wait)
    raise AssertionError("a step is tried at least once")


def _wait(error: RetryableError, usual: float) -> float:
    """Seconds until the next attempt: what the other side asks, or the usual with jitter."""
    if error.retry_after is not None:
        return min(error.retry_after, _LONGEST_ASKED)
    return min(usual, _LONGEST_WAIT) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
