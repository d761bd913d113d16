"""Asking the source about months: a few at a time, each failing alone, wherever the file lies."""

import threading
import time

import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Sighting
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import RetryableError, SourceError
from nyc_tlc.core.month import Month
from nyc_tlc.ports.source import SourceFileAbsentError
from nyc_tlc.steps.look import find_source_path, look_at_each
from nyc_tlc.steps.run_each import Effort
from tests.unit.records import LANDING, SHA

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


def test_each_month_fails_alone_and_only_trouble_that_may_pass_is_tried_again():
    calls = []

    def step(partition):
        calls.append(partition)
        if partition == MONTHS[0]:
            raise SourceError("405")
        if partition == MONTHS[1] and calls.count(partition) == 3:
            return Sighting()
        raise RetryableError("503")

    refused, seen, down = look_at_each(step, MONTHS[:3], Effort(2, attempts=3, first_wait=0.001))
    assert (str(refused), seen) == ("405", Sighting())
    assert "503. Tried 3 times" in str(down)
    assert [calls.count(month) for month in MONTHS[:3]] == [1, 3, 3]


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

    landing = LANDING.model_copy(update={"raw": f"raw/{SHA}{known}"}) if known else None
    found = find_source_path(MONTHS[0], landing, SourceFormat.CSV, ask)
    assert (found, calls) == (STEM + there, asked)


def test_a_month_that_is_nowhere_is_absent():
    def ask(path, etag):
        raise SourceFileAbsentError(path, "404")

    with pytest.raises(SourceFileAbsentError, match=r"2020-01\.csv answered 404"):
        find_source_path(MONTHS[0], None, SourceFormat.CSV, ask)
