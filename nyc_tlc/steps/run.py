"""Work through the partitions of a run: several at once, each failing alone, one place to retry."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from nyc_tlc.core.errors import NotPublishedYet, PipelineError, RetryableError
from nyc_tlc.core.manifest_table import FINAL, ManifestRow, Status
from nyc_tlc.core.partition import Partition

_logger = logging.getLogger(__name__)
_LONGEST_WAIT = 60.0

T = TypeVar("T")
Step = Callable[[ManifestRow], ManifestRow]


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


def start(partitions: Iterable[Partition], *, force: bool) -> list[ManifestRow]:
    """The rows with which a run begins."""
    run = uuid.uuid4().hex[:12]
    return [
        ManifestRow(
            service=partition.service.name,
            month=str(partition.month),
            status=Status.LANDED,
            run=run,
            force=force,
        )
        for partition in partitions
    ]


def run_each(
    name: str, step: Step, rows: Sequence[ManifestRow], effort: Effort
) -> list[ManifestRow]:
    """Apply a step to every row that is not final yet; rows come back in order.

    A partition that fails is marked with its error, and the others go on.
    """
    with ThreadPoolExecutor(effort.workers, thread_name_prefix=name) as pool:
        return list(pool.map(lambda row: _run_one(name, step, row, effort), rows))


def require_all(rows: Sequence[ManifestRow]) -> None:
    """End the run with an error if any partition failed.

    Raises:
        PipelineError: names every partition that failed, and why.
    """
    failed = [row for row in rows if row.status is Status.FAILED]
    if failed:
        errors = "\n".join(f"  {row.service} {row.month}: {row.error}" for row in failed)
        raise PipelineError(
            f"{len(failed)} of {len(rows)} partitions failed; the others are done:\n{errors}"
        )


def _run_one(name: str, step: Step, row: ManifestRow, effort: Effort) -> ManifestRow:
    if row.status in FINAL:
        return row
    began = time.monotonic()
    try:
        done = retried(
            lambda: step(row), f"{row.service} {row.month}", effort.attempts, effort.first_wait
        )
    except NotPublishedYet as reason:
        _logger.info("%s %s: %s", row.service, row.month, reason)
        return replace(row, status=Status.NOT_PUBLISHED)
    except PipelineError as error:
        failed = row.failed(str(error).removeprefix(f"{row.partition}: "))
        # Without the traceback: the message is the whole story.
        _logger.error("%s failed: %s", row.partition, failed.error)  # noqa: TRY400
        return failed
    except Exception as error:
        # The partition boundary: a defect in one month must not keep the others from loading.
        _logger.exception("%s %s failed in %s", row.service, row.month, name)
        return row.failed(
            f"{name} met an unexpected {type(error).__name__} ({error}); see the log for where. "
            "Run the month again; if it fails again, this is a defect to report."
        )
    seconds = round(row.seconds + time.monotonic() - began, 3)
    _logger.info("%s %s %s after %.1f s", row.service, row.month, done.status, seconds)
    return replace(done, seconds=seconds)


def retried(attempt: Callable[[], T], what: str, attempts: int, first_wait: float = 1.0) -> T:
    """Call until it succeeds, as long as it fails with RetryableError: the one place that retries.

    Waits double from ``first_wait`` seconds, with jitter, or last as long as the other side asks.

    Raises:
        RetryableError: the last attempt failed too.
    """
    for number in range(1, attempts + 1):
        try:
            return attempt()
        except RetryableError as error:
            if number == attempts:
                raise RetryableError(
                    f"{error}. Tried {number} times. Run it again when that is mended."
                ) from error
            wait = error.retry_after or first_wait * 2 ** (number - 1)
            wait = min(wait, _LONGEST_WAIT) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            _logger.warning(
                "%s: %s; attempt %d of %d in %.1f s", what, error, number + 1, attempts, wait
            )
            time.sleep(wait)
    raise AssertionError("a step is tried at least once")
