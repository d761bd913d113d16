"""Work through the partitions of a run: several at once, each failing alone, one place to retry."""

import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from nyc_tlc.core.errors import (
    NotPublishedYet,
    PipelineError,
    RetryableError,
)
from nyc_tlc.core.os_errors import os_errors_explained
from nyc_tlc.core.runs.failures import NOT_TRIED, failures
from nyc_tlc.core.runs.run_table import FINAL, Status, WorkedRow

_logger = logging.getLogger(__name__)
_LONGEST_WAIT = 60.0
_PATIENCE = 30.0
_PATIENCE_OF_A_PLAN = 10.0
"""Seconds: who asks for a plan sits and waits for it."""
_LONGEST_SILENCE = 15.0
"""Seconds of an attempt that count as silence of what did not answer: the rest was work."""
_AFTER_AN_ANSWER = 10
"""Times the patience with what has answered this run before: then it is a passing outage."""

T = TypeVar("T")


RowT = TypeVar("RowT", bound=WorkedRow)
Step = Callable[[RowT], RowT]


@dataclass
class Outages:
    """What a job has learnt about the systems that it asks.

    Attributes:
        answered: The steps that have succeeded.
        given_up: What does not serve any month, by the step that found out.
        suspected: The month that met an unconfirmed outage, and no answer since, by step.
    """

    answered: set[str] = field(default_factory=set)
    given_up: dict[str, str] = field(default_factory=dict)
    suspected: dict[str, str] = field(default_factory=dict)

    def learn(self, step: str, what: str, error: PipelineError | None) -> None:
        """Take in how a step ended for a month: well, or with an error."""
        if error is None:
            self.answered.add(step)
        if error is None or not error.outage:
            self.suspected.pop(step, None)
            return
        unconfirmed = isinstance(error, RetryableError) and error.unconfirmed
        if not unconfirmed or self.suspected.setdefault(step, what) != what:
            self.given_up[step] = error.outage


@dataclass(frozen=True)
class Effort:
    """How hard a job tries.

    Attributes:
        workers: Partitions worked on at once.
        attempts: Tries per step and partition when it fails with RetryableError.
        first_wait: Seconds before the second try; doubled for each further one.
        patience: Seconds after which a system that answers nothing is given up.
        outages: Of this job so far.
    """

    workers: int
    attempts: int
    first_wait: float = 1.0
    patience: float = _PATIENCE
    outages: Outages = field(default_factory=Outages)

    def brief(self) -> "Effort":
        """What a plan is worth."""
        return replace(self, patience=_PATIENCE_OF_A_PLAN)


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
        outcomes = pool.map(
            lambda row: row if row.status in done else _run_one(name, step, row, effort), rows
        )
        return list(outcomes)


def require_all(rows: Sequence[WorkedRow]) -> None:
    """End the run with an error if any partition failed.

    Raises:
        PartitionsFailedError: names the partitions that failed, and why.
    """
    failed = [(row.partition, row.error) for row in rows if row.status is Status.FAILED]
    if failed:
        raise failures(failed, of=len(rows))


def _run_one(name: str, step: Step[RowT], row: RowT, effort: Effort) -> RowT:
    began = time.monotonic()
    done = _outcome(name, step, row, effort)
    done = replace(done, seconds=round(row.seconds + time.monotonic() - began, 3))
    if done.status is not Status.FAILED:
        _logger.info("%s %s after %.1f s", row.partition, done.status, done.seconds)
    return done


def _outcome(name: str, step: Step[RowT], row: RowT, effort: Effort) -> RowT:
    try:
        return retried(lambda: step(row), str(row.partition), effort, name)
    except NotPublishedYet as reason:
        _logger.info("%s", reason)
        return replace(row, status=Status.NOT_PUBLISHED)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # The partition boundary: a defect in one month must not keep the others from loading.
        # Not only Exception: a panic of a Rust library (polars, pgpq) is none.
        kind, details = type(error).__name__, ""
        said = (
            f"{name} met an unexpected {kind} ({error}); the log file says where. Run the month "
            "again; if it fails again, this is a defect to report."
        )
        if isinstance(error, PipelineError):
            said, details = str(error).removeprefix(f"{row.partition}: "), error.details
        # What was not tried, the end of the run says as its error.
        level = logging.DEBUG if said.startswith(NOT_TRIED) else logging.WARNING
        _logger.log(level, "%s failed: %s", row.partition, said)
        _logger.debug("%s failed in %s. %s", row.partition, name, details, exc_info=error)
        return row.failed(said, kind)


def retried(attempt: Callable[[], T], what: str, effort: Effort, step: str = "") -> T:
    """Call until it succeeds, as long as it fails with RetryableError: the one place that retries.

    Waits double, with jitter, or last as long as the other side asks. A system that answers
    nothing, whichever partition is asked for, is given up after the effort's patience, and is not
    asked again by this step; one that answers with an error, once two partitions have met it.

    Raises:
        RetryableError: the last attempt failed too.
    """
    given_up, step = effort.outages.given_up, step or what
    if step in given_up:
        raise PipelineError(f"{NOT_TRIED}{given_up[step]}")
    try:
        patience = effort.patience * (_AFTER_AN_ANSWER if step in effort.outages.answered else 1)
        done = _tried(attempt, what, effort, patience)
    except PipelineError as error:
        effort.outages.learn(step, what, error)
        raise
    effort.outages.learn(step, what, None)
    return done


def _tried(attempt: Callable[[], T], what: str, effort: Effort, patience: float) -> T:
    first, silence = time.monotonic(), 0.0
    for number in range(1, effort.attempts + 1):
        began = time.monotonic()
        try:
            with os_errors_explained():
                return attempt()
        except RetryableError as error:
            wait = min(effort.first_wait * 2 ** (number - 1), _LONGEST_WAIT)
            wait *= random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            if error.retry_after is not None:
                wait = error.retry_after
            if error.in_vain:
                silence += min(time.monotonic() - began, _LONGEST_SILENCE) + wait
            if number == effort.attempts or silence >= patience:
                raise _given_up(error, number, time.monotonic() - first) from error
            _logger.warning(
                "%s: %s; attempt %d of %d in %.1f s", what, error, number + 1, effort.attempts, wait
            )
            time.sleep(wait)
    raise AssertionError("a step is tried at least once")


def _given_up(error: RetryableError, number: int, seconds: float) -> RetryableError:
    asked = "" if error.retry_after is None else f"; it asks to wait {error.retry_after:,.0f} s"
    times = "time" if number == 1 else "times"
    return RetryableError(
        f"{error}{asked}. Tried {number} {times} in {seconds:.0f} s. Fix the cause, then run it "
        "again.",
        outage=error.outage,
        unconfirmed=error.unconfirmed,
    )
