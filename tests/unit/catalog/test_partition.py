"""The months grammar, the services, and what a partition is called."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW
from nyc_tlc.core.contract.source_format import SourceFormat, published_paths
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.month import Month

LATEST = Month(2026, 9)
MONTHS = st.builds(Month, st.integers(2009, 2030), st.integers(1, 12))


def _texts(months: Any) -> list[str]:
    return [str(month) for month in parse_months(months, latest=LATEST)]


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        ("2024-01", ["2024-01"]),
        (" 2024-01 ", ["2024-01"]),
        ("2024-01:2024-03", ["2024-01", "2024-02", "2024-03"]),
        ("2023-12:2024-01", ["2023-12", "2024-01"]),
        ("2024-05:2024-05", ["2024-05"]),
        ("latest", ["2026-09"]),
        ("2024-01,2024-03", ["2024-01", "2024-03"]),
        ("2024-03, 2024-01,", ["2024-01", "2024-03"]),
        (["2024-03", "2024-01"], ["2024-01", "2024-03"]),
        (("2024-01:2024-02", "latest"), ["2024-01", "2024-02", "2026-09"]),
        (["2024-01,2024-02", "2024-04"], ["2024-01", "2024-02", "2024-04"]),
    ],
)
def test_every_form_of_the_grammar(months: Any, expected: list[str]) -> None:
    assert _texts(months) == expected


@pytest.mark.parametrize("year", ["2024", 2024, ["2024"], [2024], "2024-01:2024-12"])
def test_a_year_is_its_twelve_months(year: Any) -> None:
    assert _texts(year) == [f"2024-{month:02d}" for month in range(1, 13)]


def test_a_month_asked_for_twice_comes_once() -> None:
    assert _texts(["2024-02", "2024-01:2024-03", "2024-02"]) == ["2024-01", "2024-02", "2024-03"]
    assert len(_texts([2024, "2024-07"])) == 12


@pytest.mark.parametrize(
    "malformed",
    ["202401", "2024-1", "2024-13", "2024-01:", ":2024-01", "2024-01:2024-02:2024-03", "newest",
     "LATEST ONE", "2024-01;2024-02", "-2024", "20244", "2024:2025", 202401, -1, 2024.5, True],
)  # fmt: skip
def test_a_malformed_item_is_named_with_the_grammar(malformed: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _texts(["2024-01", malformed])
    assert repr(str(malformed)) in str(caught.value)
    assert "expected 2024-01, 2024-01:2024-06, 2024, latest, or a list" in str(caught.value)
    assert "Nothing was started" in str(caught.value)


@pytest.mark.parametrize("empty", ["", " ", ",", [], [""], [" , "]])
def test_no_month_at_all_is_an_error(empty: Any) -> None:
    with pytest.raises(ConfigurationError, match="months is empty: expected 2024-01"):
        _texts(empty)


def test_a_backwards_range_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="'2024-06:2024-01' runs backwards"):
        _texts("2024-06:2024-01")


@given(st.lists(MONTHS, min_size=1, max_size=20))
def test_any_list_of_months_comes_back_sorted_and_once(months: list[Month]) -> None:
    expected = tuple(sorted(set(months)))
    assert parse_months([str(month) for month in months], latest=LATEST) == expected
    assert parse_months(",".join(map(str, months)), latest=LATEST) == expected


@given(MONTHS, st.integers(0, 200))
def test_a_range_is_every_month_through_its_last(first: Month, more: int) -> None:
    last = first + more
    assert parse_months(f"{first}:{last}", latest=LATEST) == first.through(last)


@given(st.lists(st.tuples(MONTHS, st.integers(0, 30)), min_size=1, max_size=8))
def test_ranges_that_overlap_are_every_month_of_them_once(ranges: list[tuple[Month, int]]) -> None:
    spans = [(first, first + more) for first, more in ranges]
    chosen = parse_months([f"{first}:{last}" for first, last in spans], latest=LATEST)
    expected = {month for first, last in spans for month in first.through(last)}
    assert chosen == tuple(sorted(expected))
    assert parse_months(",".join(map(str, chosen)), latest=LATEST) == chosen


def test_any_number_of_ranges_takes_no_longer_than_their_months() -> None:
    """A thousand lists of all months that there are would be a hundred million."""
    text = ",".join(f"1{i:03d}-01:9999-12" for i in range(1_000))
    assert len(parse_months(text, latest=LATEST)) == 12 * 9_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yellow", (YELLOW,)),
        (" green ", (GREEN,)),
        ("green,yellow", (GREEN, YELLOW)),
        ("green, yellow,", (GREEN, YELLOW)),
        (["yellow", "green"], (YELLOW, GREEN)),
        (("green", "green"), (GREEN,)),
        ("fhvhv,fhv", (FHVHV, FHV)),
        ("all", (YELLOW, GREEN, FHV, FHVHV)),
        (["all"], (YELLOW, GREEN, FHV, FHVHV)),
    ],
)
def test_services_are_one_a_list_or_all(text: Any, expected: tuple[Any, ...]) -> None:
    assert parse_services(text) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("purple", "purple"),
        ("", "(empty)"),
        ([], "(empty)"),
        (["green", "blue", "red"], "blue, red"),
        ("Green", "Green"),
        ("yellow green", "yellow green"),
    ],
)
def test_an_unknown_service_is_named_with_those_there_are(text: Any, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_services(text)
    assert f"service {named} is unknown: expected yellow, green, fhv, fhvhv, a list" in str(
        caught.value
    )
    assert "or all" in str(caught.value)


def test_partitions_come_service_by_service_ascending() -> None:
    months = Month(2023, 12).through(Month(2024, 1))
    made = partitions((YELLOW, GREEN), months, current=Month(2026, 11))
    assert list(map(str, made)) == [
        "yellow 2023-12", "yellow 2024-01", "green 2023-12", "green 2024-01",
    ]  # fmt: skip


FORMATS = pytest.mark.parametrize("source_format", SourceFormat, ids=str)


def test_first_months_of_each_service_in_each_format() -> None:
    parquet, csv = (
        {service.name: str(service.first_month_in(of)) for service in SERVICES.values()}
        for of in SourceFormat
    )
    assert parquet == {
        "yellow": "2009-01", "green": "2014-01", "fhv": "2015-01", "fhvhv": "2019-02",
    }  # fmt: skip
    assert csv == {**parquet, "green": "2013-08"}


@FORMATS
@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_first_and_current_month_are_inside_the_range(
    service: Any, source_format: SourceFormat
) -> None:
    current = Month(2026, 11)
    first = service.first_month_in(source_format)
    made = partitions((service,), (first, current), current=current, source_format=source_format)
    assert [partition.month for partition in made] == [first, current]


@FORMATS
@pytest.mark.parametrize(
    ("service", "month", "valid"),
    [
        (YELLOW, Month(2008, 12), "2009-01..2026-11"),
        (YELLOW, Month(2026, 12), "2009-01..2026-11"),
        (GREEN, Month(2013, 7), "{green}..2026-11"),
        (GREEN, Month(2099, 1), "{green}..2026-11"),
        (FHV, Month(2014, 12), "2015-01..2026-11"),
        (FHVHV, Month(2019, 1), "2019-02..2026-11"),
    ],
    ids=str,
)
def test_a_month_outside_the_range_is_an_error_that_names_the_range_and_the_format(
    service: Any, month: Month, valid: str, source_format: SourceFormat
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        partitions(
            (service,),
            (Month(2024, 1), month),
            current=Month(2026, 11),
            source_format=source_format,
        )
    message = str(caught.value)
    valid = valid.format(green=GREEN.first_month_in(source_format))
    told = f"{service} {month} is outside {valid}, the months of {service} as {source_format}"
    assert told in message
    assert f"{service} 2024-01 is" not in message


def test_green_of_2013_is_there_as_csv_only() -> None:
    months = Month(2013, 8).through(Month(2013, 12))
    asked: dict[str, Any] = {"services": (GREEN,), "months": months, "current": LATEST}
    assert len(partitions(**asked, source_format=SourceFormat.CSV)) == 5
    with pytest.raises(ConfigurationError, match=r"green 2013-08 is outside 2014-01\.\..*parquet"):
        partitions(**asked)


def test_three_months_outside_are_named_and_the_others_counted() -> None:
    with pytest.raises(ConfigurationError) as caught:
        partitions((GREEN,), Month(2013, 1).through(Month(2013, 12)), current=Month(2026, 11))
    assert str(caught.value).count("is outside") == 3
    assert "(and 9 more)" in str(caught.value)


def test_names_of_a_partition() -> None:
    partition = Partition(YELLOW, Month(2024, 1))
    assert str(partition) == "yellow 2024-01"
    assert partition.file_stem == "yellow_tripdata_2024-01"
    assert partition.file_name == "yellow_tripdata_2024-01.parquet"
    assert partition.hive_path == "service=yellow/year=2024/month=01"
    assert partition.table_name == "yellow_2024_01"
    assert partition.contract_id == f"yellow/{YELLOW.contract.version}"


def test_all_services_leave_out_those_that_had_not_begun() -> None:
    asked = partitions(
        parse_services("all"),
        parse_months("2018-12:2019-02", latest=LATEST),
        current=Month(2026, 11),
    )
    of_fhvhv = [str(p.month) for p in asked if p.service.name == "fhvhv"]
    assert (len(asked), of_fhvhv) == (10, ["2019-02"])


@pytest.mark.parametrize(
    ("source_format", "of_green"),
    [(SourceFormat.PARQUET, []), (SourceFormat.CSV, ["2013-08", "2013-09"])],
    ids=str,
)
def test_all_services_begin_when_the_format_does(
    source_format: SourceFormat, of_green: list[str]
) -> None:
    asked = partitions(
        parse_services("all"),
        parse_months("2013-07:2013-09", latest=LATEST),
        current=LATEST,
        source_format=source_format,
    )
    assert [str(p.month) for p in asked if p.service is GREEN] == of_green
    assert [str(p.month) for p in asked if p.service is YELLOW] == ["2013-07", "2013-08", "2013-09"]
    assert len(asked) == 3 + len(of_green)


@FORMATS
def test_all_services_before_any_began_is_an_error(source_format: SourceFormat) -> None:
    with pytest.raises(ConfigurationError, match=r"yellow 2008-12 is outside 2009-01\.\."):
        partitions(
            parse_services("all"),
            parse_months("2008-12", latest=LATEST),
            current=Month(2026, 11),
            source_format=source_format,
        )


def test_files_of_both_formats_lie_where_their_publishers_have_them() -> None:
    stem = Partition(GREEN, Month(2020, 12)).file_stem
    assert published_paths(SourceFormat.PARQUET, "green", stem) == (
        "trip-data/green_tripdata_2020-12.parquet",
    )
    assert published_paths(SourceFormat.CSV, "green", stem) == (
        "green/green_tripdata_2020-12.csv.gz",
        "green/green_tripdata_2020-12.csv",
    )


@pytest.mark.parametrize(
    ("path", "source_format"),
    [
        ("raw/service=green/1512.parquet", SourceFormat.PARQUET),
        ("raw/service=green/1512.csv.gz", SourceFormat.CSV),
        ("green_tripdata_2020-12.csv", SourceFormat.CSV),
    ],
)
def test_a_files_name_tells_its_format(path: str, source_format: SourceFormat) -> None:
    assert SourceFormat.of(path) is source_format


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("green", "2024", "01"), "green 2024-01"),
        (("fhvhv", "2024", "12"), "fhvhv 2024-12"),
        (("red", "2024", "01"), None),
        (("green", "2024", "00"), None),
        (("green", "2024", "13"), None),
    ],
)
def test_the_parts_of_a_path_are_a_partition_or_none(
    parts: tuple[str, str, str], expected: str | None
) -> None:
    found = Partition.of(*parts)
    assert (str(found) if found else found) == expected
