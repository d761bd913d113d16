"""Asking the source about months: a few at a time, each failing alone, wherever the file lies."""

import threading
import time

import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Sighting
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import RetryableError, SourceError
from nyc_tlc.core.lake.records import Landing
from nyc_tlc.core.month import Month
from nyc_tlc.ports.source import SourceFileAbsentError
from nyc_tlc.steps.look import find_source_path, look_at_each
from nyc_tlc.steps.run_each import Effort

MONTHS = [Partition(GREEN, Month(2020, month)) for month in range(1, 13)]
STEM = "green/green_tripdata_2020-01"


def test_never_more_are_asked_at_once_than_there_are_workers():
    lock, at_once, most = threading.Lock(), [], []

    def step(partition):
        with lock:
            at_once.append(partition)
            most.append(len(at_once))
        time.sleep(0.01)
        with lock:
            at_once.remove(partition)
        return Sighting(bytes=partition.month.month)

    seen = look_at_each(step, MONTHS, Effort(workers=3, attempts=1))
    assert [sighting.bytes for sighting in seen] == list(range(1, 13))
    assert max(most) == 3


def test_a_month_that_cannot_be_asked_about_gives_its_error_and_the_others_are_seen():
    def step(partition):
        if partition == MONTHS[1]:
            raise SourceError("405")
        return Sighting()

    seen = look_at_each(step, MONTHS[:3], Effort(workers=2, attempts=3, first_wait=0.001))
    assert [type(outcome) for outcome in seen] == [Sighting, SourceError, Sighting]


def test_trouble_that_may_pass_is_tried_again_and_no_oftener_than_said():
    calls = []

    def step(partition):
        calls.append(partition)
        if partition == MONTHS[0] and calls.count(partition) == 3:
            return Sighting()
        raise RetryableError("503")

    first, second = look_at_each(step, MONTHS[:2], Effort(1, attempts=3, first_wait=0.001))
    assert first == Sighting()
    assert "503. Tried 3 times" in str(second)
    assert [calls.count(month) for month in MONTHS[:2]] == [3, 3]


def landing(suffix):
    return Landing(
        source_uri="", etag='"1"', last_modified=None, bytes=1, sha256="a", rows=1,
        raw=f"raw/a{suffix}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("there", "known", "asked"),
    [
        (".csv.gz", None, [(".csv.gz", None)]),
        (".csv", None, [(".csv.gz", None), (".csv", None)]),
        (".csv", ".csv", [(".csv.gz", None), (".csv", '"1"')]),
        (".csv.gz", ".csv.gz", [(".csv.gz", '"1"')]),
        # The tag of one file says nothing about the other:
        (".csv.gz", ".csv", [(".csv.gz", None)]),
    ],
)
def test_a_month_is_asked_for_wherever_it_may_lie(there, known, asked):
    calls = []

    def ask(path, etag):
        calls.append((path.removeprefix(STEM), etag))
        if path != STEM + there:
            raise SourceFileAbsentError(path, "404")
        return path

    found = find_source_path(MONTHS[0], landing(known) if known else None, SourceFormat.CSV, ask)
    assert (found, calls) == (STEM + there, asked)


def test_a_month_that_is_nowhere_is_absent():
    def ask(path, etag):
        raise SourceFileAbsentError(path, "404")

    with pytest.raises(SourceFileAbsentError, match=r"2020-01\.csv answered 404"):
        find_source_path(MONTHS[0], None, SourceFormat.CSV, ask)
