"""Several partitions at once, each failing alone, and one place that retries."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, YELLOW
from nyc_tlc.core.errors import (
    ConfigurationError,
    NotPublishedYet,
    PipelineError,
    RetryableError,
    SourceError,
)
from nyc_tlc.core.month import Month
from nyc_tlc.core.runs.run_table import FINAL, RunRow, Status, start
from nyc_tlc.steps.run_each import Effort, Outages, require_all, retried, run_each

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
EFFORT = Effort(workers=3, attempts=3, first_wait=1e-4)
PARTITIONS = [
    Partition(service, month)
    for service in (YELLOW, GREEN)
    for month in Month(2024, 1).through(Month(2024, 6))
]


def _rows() -> list[RunRow]:
    return start(PARTITIONS, force=False, now=NOW)


def _conformed(row: RunRow) -> RunRow:
    return replace(row, status=Status.CONFORMED)


def _failing(month: str, error: Exception) -> Callable[[RunRow], RunRow]:
    """A step that fails for one yellow month."""

    def step(row: RunRow) -> RunRow:
        if (row.service, row.month) == ("yellow", month):
            raise error
        return _conformed(row)

    return step


@pytest.fixture
def waits(monkeypatch):
    """Seconds slept, in order; nobody sleeps."""
    recorded: list[float] = []
    monkeypatch.setattr(time, "sleep", recorded.append)
    return recorded


def _answering(*answers: BaseException | None, asked: list[Partition] | None = None) -> Any:
    """A step that gives one answer after the other: an error, or a row; later ones go well."""
    left = list(answers)

    def step(row: RunRow | None = None) -> RunRow | str:
        if row and asked is not None:
            asked.append(row.partition)
        if error := left.pop(0) if left else None:
            raise error
        return _conformed(row) if row else "done"

    return step


def test_a_run_begins_with_a_row_for_each_partition():
    rows = start(PARTITIONS, force=True, now=NOW)
    assert [row.partition for row in rows] == PARTITIONS
    assert len({row.run for row in rows}) == 1
    assert all(row.force and row.error == "" and row.sha256 == "" for row in rows)
    assert start(PARTITIONS, force=False, now=NOW)[0].run != rows[0].run
    assert not start(PARTITIONS, force=False, now=NOW)[0].force


def test_as_many_are_worked_on_at_once_as_there_are_workers_and_rows_keep_their_order():
    together = threading.Barrier(3)
    lock, running, most = threading.Lock(), 0, 0

    def step(row):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(5)  # breaks, and fails the row, unless three are here at once
        time.sleep(0.02 if row.month == "2024-01" else 0)
        with lock:
            running -= 1
        return _conformed(row)

    done = run_each("conform", step, _rows(), EFFORT)
    assert [(row.partition, row.error) for row in done] == [(each, "") for each in PARTITIONS]
    assert {row.status for row in done} == {Status.CONFORMED}
    assert most == 3
    assert run_each("conform", step, [], EFFORT) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SourceError("it is cut short"), "it is cut short"),
        (PipelineError("yellow 2024-03: else"), "else"),
        (ZeroDivisionError("none"), "conform met an unexpected ZeroDivisionError (none); the log"),
    ],
)
def test_a_partition_that_fails_leaves_the_others(error, said, caplog):
    caplog.set_level(logging.DEBUG)
    done = run_each("conform", _failing("2024-03", error), _rows(), EFFORT)
    assert [row.partition for row in done] == PARTITIONS
    (failed,) = [row for row in done if row.status is Status.FAILED]
    assert (failed.service, failed.month, failed.error_type) == (
        "yellow", "2024-03", type(error).__name__,
    )  # fmt: skip
    assert failed.error.startswith(said)
    assert sum(row.status is Status.CONFORMED for row in done) == 11
    # The screen says why, the log file also where; the run's own error is its end.
    (said,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert said.getMessage() == f"yellow 2024-03 failed: {failed.error}"
    assert said.exc_info is None
    (where,) = [record for record in caplog.records if record.exc_info]
    assert (where.levelno, where.exc_info[1]) == (logging.DEBUG, error)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_month_not_published_yet_is_no_failure():
    done = run_each("land", _failing("2024-06", NotPublishedYet("wait")), _rows(), EFFORT)
    late = done[5]
    assert (late.status, late.error) == (Status.NOT_PUBLISHED, "")
    require_all(done)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_stops_the_run_stops_it(stop):
    with pytest.raises(stop):
        run_each("conform", _answering(stop()), _rows(), replace(EFFORT, workers=1))


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_final_row_is_not_touched(status):
    rows = _rows()
    rows[2] = replace(rows[2], status=status, error="as it was", seconds=1.25)
    touched = []
    done = run_each("conform", _answering(asked=touched), rows, EFFORT)
    assert done[2] is rows[2]
    assert sorted(map(str, touched)) == sorted(str(p) for p in PARTITIONS if p != PARTITIONS[2])


@pytest.mark.parametrize("error", [None, SourceError("it is cut short")])
def test_seconds_of_all_steps_add_up_whether_they_fail_or_not(error):
    def step(row):
        time.sleep(0.01)
        if error:
            raise error
        return row

    (done,) = run_each("conform", step, [replace(_rows()[0], seconds=5.0)], EFFORT)
    assert 5.01 <= done.seconds < 6


@pytest.mark.parametrize(
    "error", [SourceError("broken"), NotPublishedYet("wait"), ValueError("a defect")], ids=repr
)
def test_other_errors_are_not_tried_again(error, waits):
    with pytest.raises(type(error)):
        retried(_answering(error), "yellow 2024-01", Effort(1, 5))
    assert waits == []


@pytest.mark.parametrize(("failures", "attempts"), [(0, 1), (1, 2), (4, 5), (2, 5)])
def test_a_step_is_tried_again_until_it_succeeds(failures, attempts, waits, caplog):
    attempt = _answering(*[RetryableError("no answer")] * failures)
    with caplog.at_level(logging.WARNING, "nyc_tlc.steps.run_each"):
        assert retried(attempt, "yellow 2024-01", Effort(1, attempts)) == "done"
    assert len(waits) == len(caplog.messages) == failures
    for number, said in enumerate(caplog.messages, 2):
        assert said.startswith(f"yellow 2024-01: no answer; attempt {number} of {attempts} in ")


@pytest.mark.parametrize(
    ("asked", "first_wait", "planned"),
    [(None, 0.5, [0.5, 1, 2, 4, 8, 16, 32, 60, 60]), (3.0, 100.0, [3.0] * 9)],
    ids=["doubled, a minute at most", "as asked"],
)
def test_waits_between_attempts(asked, first_wait, planned, waits):
    busy = RetryableError("no answer", retry_after=asked)
    with pytest.raises(RetryableError, match="Tried 10 times") as caught:
        retried(_answering(*[busy] * 10), "yellow 2024-01", Effort(1, 10, first_wait))
    assert caught.value.__cause__ is busy
    for wait, usual in zip(waits, planned, strict=True):
        assert wait == usual if asked else usual * 0.8 <= wait <= usual * 1.2
    jitters = {wait / usual for wait, usual in zip(waits, planned, strict=True)}
    assert (len(jitters) > 1) is (asked is None)


def test_the_run_ends_with_every_failure_named():
    rows = _rows()
    rows[1] = rows[1].failed("the disk is full")
    rows[7] = rows[7].failed("a new column")
    with pytest.raises(PipelineError) as caught:
        require_all(rows)
    headline, *named = str(caught.value).splitlines()
    assert headline.startswith("2 of 12 partitions failed")
    assert named[:2] == ["  yellow 2024-02: the disk is full", "  green 2024-02: a new column"]
    assert "stays as it was" in named[2]
    assert "Run it again" in named[2]
    assert caught.value.details.splitlines() == [line.strip() for line in named[:2]]


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (RetryableError("no answer", outage="nothing listens at tlc:443"), 3),
        (ConfigurationError("a login, please", outage="nothing listens at tlc:443"), 1),
    ],
    ids=["that may pass", "for people"],
)
def test_a_system_that_serves_no_month_is_given_up_once(error, tries, waits):
    asked: list[Partition] = []
    done = run_each("land", _answering(*[error] * tries, asked=asked), _rows(), Effort(1, 3))
    assert asked == [PARTITIONS[0]] * tries
    assert {row.error for row in done[1:]} == {"not tried, because nothing listens at tlc:443"}
    assert {row.status for row in done} == {Status.FAILED}
    with pytest.raises(PipelineError) as caught:
        require_all(done)
    _, first, others, *_ = str(caught.value).splitlines()
    assert first.startswith(f"  yellow 2024-01: {error}")
    assert others == (
        "  yellow 2024-02 to 2024-06 (5 months); green 2024-01 to 2024-06 (6 months): "
        "not tried, because nothing listens at tlc:443"
    )


@pytest.mark.parametrize(
    ("answers", "asked"),
    [("503", 6), ("503 503", 2), ("503 ok 503", 6), ("503 absent 503", 6), ("503 ok 503 503", 4)],
)
def test_a_status_is_of_one_month_until_the_next_meets_it(answers, asked):
    busy = RetryableError("503", outage="tlc:443 answered 503", unconfirmed=True)
    errors = {"503": busy, "absent": NotPublishedYet("wait"), "ok": None}
    seen: list[Partition] = []
    step = _answering(*(errors[answer] for answer in answers.split()), asked=seen)
    done = run_each("land", step, _rows()[:6], Effort(1, 1))
    assert len(seen) == asked
    left = [row.error for row in done[asked:]]
    assert left == ["not tried, because tlc:443 answered 503"] * (6 - asked)


def test_another_step_of_the_job_asks_again():
    effort, asked = Effort(1, 1), []
    down = RetryableError("no answer", outage="it is down")
    for step in ("land", "load"):
        run_each(step, _answering(down, asked=asked), _rows(), effort)
    assert asked == [PARTITIONS[0]] * 2


@pytest.mark.parametrize(
    ("silence", "answered", "effort", "tries"),
    [
        (12.0, False, Effort(1, 20), 3),  # 12 + 1 + 12 + 2 + 12
        (12.0, False, Effort(1, 20).brief(), 1),
        (0.0, False, Effort(1, 20), 5),  # 1 + 2 + 4 + 8 + 16
        (0.0, False, Effort(1, 20).brief(), 4),
        (500.0, False, Effort(1, 20), 2),  # it worked before it met the silence
        (12.0, True, Effort(1, 20), 9),
    ],
)
def test_what_answers_nothing_is_given_up_after_a_bounded_time(
    silence, answered, effort, tries, monkeypatch
):
    now, asked = 0.0, []
    monkeypatch.setattr(random, "uniform", lambda *_: 1.0)
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def sleep(seconds):
        nonlocal now
        now += seconds

    def attempt():
        asked.append(now)
        sleep(silence)
        raise RetryableError("no answer", outage="it says nothing")

    monkeypatch.setattr(time, "sleep", sleep)
    effort = replace(effort, outages=Outages({"yellow 2024-01"} if answered else set()))
    with pytest.raises(RetryableError) as caught:
        retried(attempt, "yellow 2024-01", effort)
    assert len(asked) == tries
    assert f"Tried {tries} time" in str(caught.value)
    assert f" in {now:.0f} s. Fix" in str(caught.value)


@pytest.mark.parametrize(("answered", "waited"), [(False, []), (True, [120.0, 120.0])])
def test_a_server_that_asks_for_more_than_our_patience_is_left_alone(answered, waited, waits):
    busy = RetryableError("429", retry_after=120.0)
    effort = Effort(1, 5, outages=Outages({"yellow 2024-01"} if answered else set()))
    with pytest.raises(RetryableError, match=r"429; it asks to wait 120 s\. Tried"):
        retried(_answering(*[busy] * 9), "yellow 2024-01", effort)
    assert waits == waited


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.FAILED])
def test_every_other_status_lets_the_run_end_well(status):
    require_all([replace(row, status=status) for row in _rows()])
    require_all([])
