"""What an operator reads when something is refused: found, expected, left untouched, next step."""

import json
from datetime import date

import pytest

from nyc_tlc.core.catalog.publication import Publication, expected_partitions
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import PipelineError, RetryableError, SourceError, shorten
from nyc_tlc.core.lake.records import Landing, Superseded, parse_record
from nyc_tlc.core.month import Month
from nyc_tlc.core.zones.lookup import parse_zones
from nyc_tlc.core.zones.polygons import parse_zone_polygons


def _months(text: str) -> None:
    parse_months(text, latest=Month(2024, 3))


def _partitions(months: int) -> None:
    partitions((GREEN,), Month(2024, 2).through(Month(2024, 1 + months)), current=Month(2024, 1))


def _record(text: bytes) -> None:
    parse_record(Landing, text, "raw/a.json")


_JUNE = Publication(SourceFormat.PARQUET, 2, date(2024, 6, 15))
_GRAMMAR = "expected 2024-01, 2024-01:2024-06, 2024, latest, or a list of these. Nothing was"
_OUTSIDE = "2024-04 is outside 2014-01..2024-01, the months of green as parquet"
_NO_RECORD = "lake object raw/a.json is not a landing record"
_DELETE_IT = "Nothing was changed. Delete that object and run the month again"
_HEADER = b"LocationID,Borough,Zone,service_zone\n"
_NO_LOOKUP = "taxi_zone_lookup.csv is not the taxi zone lookup: found"
_THE_LOOKUP = (
    "LocationID, Borough, Zone, service_zone and the ids 1..265, each once. The zones stay"
)
_TOO_LONG = b" " * ((1 << 20) + 1)


@pytest.mark.parametrize(
    ("refused", "facts"),
    [
        (lambda: parse_services(["green", "red"]),
         ["service red is unknown", "expected yellow, green, fhv, fhvhv, a list of these, or all",
          "Nothing was started"]),
        (lambda: _months("2024-13"),
         ["months '2024-13' cannot be read", "'2024-13' is not a month", _GRAMMAR]),
        (lambda: _months("2024-02:2024-01"),
         ["'2024-02:2024-01' runs backwards", "expected the earlier month first", "Nothing was"]),
        (lambda: _months(""), ["months is empty", _GRAMMAR]),
        (lambda: _partitions(3), [f"{_OUTSIDE}. Nothing was started. Choose months inside the"]),
        (lambda: _partitions(4), [f"{_OUTSIDE} (and 1 more). Nothing was started"]),
        (lambda: expected_partitions([GREEN], Month(2024, 6), _JUNE),
         ["no month from 2024-06 on is over", "Nothing was started", "Set TLC_FIRST_MONTH"]),
        (lambda: GREEN.contract.vintage_of(Month(2013, 12)),
         ["green 2013-12: the contract begins with 2014-01", "Nothing was written",
          "Choose a later month", "nyc_tlc/core/contract/green.py"]),
        (lambda: _record(b'{"etag": 1}'), [_NO_RECORD, "source_uri: Field required", _DELETE_IT]),
        (lambda: _record(b"{"), [_NO_RECORD, "document: Invalid JSON: EOF", _DELETE_IT]),
        (lambda: _record(_TOO_LONG),
         [_NO_RECORD, "(1,048,577 bytes, expected 1,048,576 at most)", _DELETE_IT]),
        (lambda: _record(_TOO_LONG[1:]), [_NO_RECORD, "line 1 column 1048576", _DELETE_IT]),
        (lambda: parse_zones(b"a,b\n1,2\n"), [f"{_NO_LOOKUP} the columns a, b", _THE_LOOKUP]),
        (lambda: parse_zones(_HEADER + b"7,a,b,c\n7,a,b,c\n"),
         [f"{_NO_LOOKUP} 2 rows with 1 ids", _THE_LOOKUP]),
        (lambda: parse_zone_polygons(b"no zip"),
         ["taxi_zones.zip is not the taxi zones' polygons", "File is not a zip file",
          "263 polygons in EPSG:2263 with the ids 1..263, each once. The zones stay as they were",
          "Look at what the source serves"]),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_found_what_was_expected_and_what_to_do(refused, facts):
    with pytest.raises(PipelineError) as error:
        refused()
    assert [fact for fact in facts if fact not in str(error.value)] == []


@pytest.mark.parametrize(
    "path", ["", "/raw/a", "raw/", "raw//a", "../a", "raw/../a", "raw/./a", "raw/a\n", "raw\\a"]
)
def test_a_record_that_names_an_object_outside_the_lake_is_refused(path):
    record = {"sha256": "", "raw": path, "contract": ""}
    with pytest.raises(SourceError, match=r"\(raw: Value error, expected a path inside the lake\)"):
        parse_record(Superseded, json.dumps(record).encode(), "a.json")
    inside = json.dumps({**record, "raw": "raw/..a/b.c"}).encode()
    assert parse_record(Superseded, inside, "a.json").raw == "raw/..a/b.c"


def test_what_may_succeed_later_says_when():
    throttled = RetryableError("429", retry_after=7.5)
    assert (str(throttled), throttled.retry_after) == ("429", 7.5)
    assert RetryableError("reset").retry_after is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a" * 80, "a" * 80),
        ("a" * 81, "a" * 80 + "… (81 characters)"),
        ("a" * 1234, "a" * 80 + "… (1,234 characters)"),
        (["a"], "['a']"),
    ],
)
def test_of_something_long_only_the_beginning_is_repeated(value, text):
    assert shorten(value) == text
