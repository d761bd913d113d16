"""What an operator reads when something is refused, to the letter: found, expected, next step."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pytest

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import Publication, expected_partitions
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import PipelineError, RetryableError, SourceError, shorten
from nyc_tlc.core.lake.records import Landing, Superseded, parse_record
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.zones.lookup import parse_zones
from nyc_tlc.core.zones.polygons import parse_zone_polygons

JANUARY = Partition(GREEN, Month(2024, 1))
GRAMMAR = "2024-01, 2024-01:2024-06, 2024, latest, or a list of these"
SURGE = pa.schema([("surge", pa.float64()), ("VendorID", pa.bool_())])
EXPECTED_ZONES = (
    "expected the columns LocationID, Borough, Zone, service_zone and the ids 1..265, each once. "
    "The zones stay as they were. Look at what the source serves."
)


def _months(text: str) -> None:
    parse_months(text, latest=Month(2024, 3))


def _partitions(months: int) -> None:
    partitions((GREEN,), Month(2024, 2).through(Month(2024, 1 + months)), current=Month(2024, 1))


OUTSIDE = "; ".join(
    f"green 2024-0{month} is outside 2014-01..2024-01, the months of green as parquet"
    for month in (2, 3, 4)
)
INSIDE = "Nothing was started. Choose months inside the range."


@pytest.mark.parametrize(
    ("refused", "text"),
    [
        (
            lambda: parse_services(["green", "red"]),
            "service red is unknown: expected yellow, green, fhv, fhvhv, a list of these, or all. "
            "Nothing was started.",
        ),
        (
            lambda: _months("2024-13"),
            "months '2024-13' cannot be read ('2024-13' is not a month of the form 2024-01): "
            f"expected {GRAMMAR}. Nothing was started.",
        ),
        (
            lambda: _months("2024-02:2024-01"),
            "months '2024-02:2024-01' runs backwards: expected the earlier month first. "
            "Nothing was started.",
        ),
        (lambda: _months(""), f"months is empty: expected {GRAMMAR}. Nothing was started."),
        (lambda: _partitions(3), f"{OUTSIDE}. {INSIDE}"),
        (lambda: _partitions(4), f"{OUTSIDE} (and 1 more). {INSIDE}"),
        (
            lambda: expected_partitions(
                [GREEN], Month(2024, 6), Publication(SourceFormat.PARQUET, 2, date(2024, 6, 15))
            ),
            "no month from 2024-06 on is over: TLC cannot have published one. Nothing was started. "
            "Set TLC_FIRST_MONTH (or the variable first_month) to an earlier month.",
        ),
        (
            lambda: GREEN.contract.vintage_of(Month(2013, 12)),
            "green 2013-12: the contract begins with 2014-01. Nothing was written. Choose a later "
            "month, or declare the older vintage in nyc_tlc/core/contract/green.py.",
        ),
        (
            lambda: parse_record(Landing, b'{"etag": 1}', "raw/a.json"),
            "lake object raw/a.json is not a landing record (source_uri: Field required). Nothing "
            "was changed. Delete that object and run the month again; the data are rebuilt from "
            "raw/.",
        ),
        (
            lambda: parse_record(Landing, b"{", "raw/a.json"),
            "lake object raw/a.json is not a landing record (document: Invalid JSON: EOF while "
            "parsing an object at line 1 column 1). Nothing was changed. Delete that object and "
            "run the month again; the data are rebuilt from raw/.",
        ),
        (
            lambda: parse_record(Landing, b" " * ((1 << 20) + 1), "raw/a.json"),
            "lake object raw/a.json is not a landing record (1,048,577 bytes, expected 1,048,576 "
            "at most). Nothing was changed. Delete that object and run the month again; the data "
            "are rebuilt from raw/.",
        ),
        (
            lambda: parse_record(Landing, b" " * (1 << 20), "raw/a.json"),
            "lake object raw/a.json is not a landing record (document: Invalid JSON: EOF while "
            "parsing a value at line 1 column 1048576). Nothing was changed. Delete that object "
            "and run the month again; the data are rebuilt from raw/.",
        ),
        (
            lambda: parse_zones(b"a,b\n1,2\n"),
            f"taxi_zone_lookup.csv is not the taxi zone lookup: found the columns a, b; "
            f"{EXPECTED_ZONES}",
        ),
        (
            lambda: parse_zones(b"LocationID,Borough,Zone,service_zone\n7,a,b,c\n7,a,b,c\n"),
            "taxi_zone_lookup.csv is not the taxi zone lookup: found 2 rows with 1 ids; "
            f"{EXPECTED_ZONES}",
        ),
        (
            lambda: parse_zone_polygons(b"no zip"),
            "taxi_zones.zip is not the taxi zones' polygons: found what cannot be read (File is "
            "not a zip file); expected a zip with taxi_zones.shp and .dbf, of 263 polygons in "
            "EPSG:2263 with the ids 1..263, each once. The zones stay as they were. Look at what "
            "the source serves.",
        ),
    ],
)
def test_a_refusal_says_what_was_found_what_was_expected_and_what_to_do(
    refused: Callable[[], object], text: str
) -> None:
    with pytest.raises(PipelineError) as error:
        refused()
    assert str(error.value) == text


def test_a_file_outside_the_contract_is_refused_with_everything_that_is_wrong() -> None:
    published = JANUARY.service.contract.vintage_of(JANUARY.month).published
    missing = [f"column {name} ({kind}) is missing" for name, kind in published.items()][1:]
    problems = [
        "column surge (double) is unknown",
        *missing,
        "column VendorID is bool, which cannot become smallint",
    ]
    with pytest.raises(PipelineError) as error:
        bind(JANUARY, SURGE)
    assert str(error.value) == (
        "green 2024-01: the published parquet file does not fit the green contract, vintage "
        f"2023-02: {'; '.join(problems)}. Expected the columns {', '.join(published)}. Nothing was "
        "written; the month stays as it was. If TLC changed its schema, declare it in "
        "nyc_tlc/core/contract/green.py (TLC_UNKNOWN_COLUMNS=keep loads unknown columns meanwhile)."
    )


@pytest.mark.parametrize(
    "path", ["", "/raw/a", "raw/", "raw//a", "../a", "raw/../a", "raw/./a", "raw/a\n", "raw\\a"]
)
def test_a_record_that_names_an_object_outside_the_lake_is_refused(path: str) -> None:
    record = {"sha256": "", "raw": path, "contract": ""}
    with pytest.raises(SourceError, match=r"\(raw: Value error, expected a path inside the lake\)"):
        parse_record(Superseded, json.dumps(record).encode(), "a.json")
    inside = json.dumps({**record, "raw": "raw/..a/b.c"}).encode()
    assert parse_record(Superseded, inside, "a.json").raw == "raw/..a/b.c"


def test_what_may_succeed_later_says_when() -> None:
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
def test_of_something_long_only_the_beginning_is_repeated(value: object, text: str) -> None:
    assert shorten(value) == text
