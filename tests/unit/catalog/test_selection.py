"""Which months of which services a run is about."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.month import Month

LATEST = Month(2026, 9)
GRAMMAR = "expected 2024-01, 2024-01:2024-06, 2024, latest, or a list of these"
MONTHS = st.builds(Month, st.integers(2009, 2030), st.integers(1, 12))


def _texts(months: Any) -> list[str]:
    return [str(month) for month in parse_months(months, latest=LATEST)]


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        (" 2024-01 ", ["2024-01"]),
        ("latest", ["2026-09"]),
        ("2024-03, 2024-01,", ["2024-01", "2024-03"]),
        (["2024-01,2024-02", "2024-04"], ["2024-01", "2024-02", "2024-04"]),
        (("2024-01:2024-02", "latest"), ["2024-01", "2024-02", "2026-09"]),
        (["2024-02", "2024-01:2024-03", "2024-02"], ["2024-01", "2024-02", "2024-03"]),
        *(
            (year, [f"2024-{month:02d}" for month in range(1, 13)])
            for year in ("2024", 2024, ["2024"], [2024, "2024-07"], "2024-01:2024-12")
        ),
    ],
)
def test_every_form_of_the_grammar(months, expected):
    assert _texts(months) == expected


@pytest.mark.parametrize(
    "malformed",
    ["202401", "2024-1", "2024-13", "2024-01:", ":2024-01", "2024-01:2024-02:2024-03", "newest",
     "LATEST ONE", "2024-01;2024-02", "-2024", "20244", "2024:2025", 202401, -1, 2024.5, True],
)  # fmt: skip
def test_a_malformed_item_is_named_with_the_grammar(malformed):
    with pytest.raises(ConfigurationError) as caught:
        _texts(["2024-01", malformed])
    assert repr(str(malformed)) in str(caught.value)
    assert f"{GRAMMAR}. Nothing was started." in str(caught.value)


@pytest.mark.parametrize("empty", ["", " ", ",", [], [""], [" , "]])
def test_no_month_at_all_is_an_error(empty):
    with pytest.raises(ConfigurationError, match=f"months is empty: {GRAMMAR}"):
        _texts(empty)


def test_a_backwards_range_is_an_error():
    told = "'2024-06:2024-01' runs backwards.*expected the earlier month first\\. Nothing was"
    with pytest.raises(ConfigurationError, match=told):
        _texts("2024-06:2024-01")


@given(st.lists(st.tuples(MONTHS, st.integers(0, 200)), min_size=1, max_size=8))
def test_ranges_are_every_month_of_them_once_ascending(ranges):
    spans = [(first, first + more) for first, more in ranges]
    chosen = parse_months([f"{first}:{last}" for first, last in spans], latest=LATEST)
    assert chosen == tuple(sorted({m for first, last in spans for m in first.through(last)}))
    assert parse_months(",".join(map(str, reversed(chosen))), latest=LATEST) == chosen


def test_any_number_of_ranges_takes_no_longer_than_their_months():
    """A thousand lists of all months that there are would be a hundred million."""
    text = ",".join(f"1{i:03d}-01:9999-12" for i in range(1_000))
    assert len(parse_months(text, latest=LATEST)) == 12 * 9_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" green ", "green"),
        ("green, yellow,", "green yellow"),
        (["yellow", "green", "yellow"], "yellow green"),
        ("all", "yellow green fhv fhvhv"),
        (["all"], "yellow green fhv fhvhv"),
    ],
)
def test_services_are_one_a_list_or_all(text, expected):
    assert " ".join(map(str, parse_services(text))) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("purple", "purple"), ("", "(empty)"), ([], "(empty)"), ("Green", "Green"),
        (["green", "blue", "red"], "blue, red"), ("yellow green", "yellow green"),
    ],
)  # fmt: skip
def test_an_unknown_service_is_named_with_those_there_are(text, named):
    with pytest.raises(ConfigurationError) as caught:
        parse_services(text)
    expected = f"service {named} is unknown: expected yellow, green, fhv, fhvhv, a list of these"
    assert str(caught.value).startswith(f"{expected}, or all. Nothing was started.")


def _chosen(services: str, months: str, source_format: SourceFormat) -> list[str]:
    chosen = partitions(
        parse_services(services),
        parse_months(months, latest=LATEST),
        current=LATEST,
        source_format=source_format,
    )
    return list(map(str, chosen))


def test_first_months_of_each_service_in_each_format():
    parquet, csv = (
        {service.name: str(service.first_month_in(of)) for service in SERVICES.values()}
        for of in SourceFormat
    )
    assert parquet == {
        "yellow": "2009-01", "green": "2014-01", "fhv": "2015-01", "fhvhv": "2019-02",
    }  # fmt: skip
    assert csv == {**parquet, "green": "2013-08"}


@pytest.mark.parametrize("source_format", SourceFormat)
@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_months_from_a_services_first_to_the_current_one_are_in_range(service, source_format):
    first = service.first_month_in(source_format)
    inside = [f"{service} {first}", f"{service} {LATEST}"]
    assert _chosen(service.name, f"{first},{LATEST}", source_format) == inside
    for outside in (first - 1, LATEST + 1):
        with pytest.raises(ConfigurationError) as caught:
            _chosen(service.name, f"{first},{outside}", source_format)
        assert str(caught.value) == (
            f"{service} {outside} is outside {first}..{LATEST}, the months of {service} as "
            f"{source_format}. Nothing was started. Choose months inside the range."
        )


def test_three_months_outside_are_named_and_the_others_counted():
    with pytest.raises(ConfigurationError, match=r"2013-03 is outside .*\(and 9 more\)") as caught:
        _chosen("green", "2013", SourceFormat.PARQUET)
    assert str(caught.value).count("; green 2013-0") == 2
    with pytest.raises(ConfigurationError, match=r"parquet\. Nothing was started"):
        _chosen("green", "2013-10:2013-12", SourceFormat.PARQUET)


@pytest.mark.parametrize(
    ("services", "months", "source_format", "expected"),
    [
        ("yellow,green", "2023-12:2024-01", SourceFormat.PARQUET,
         ["yellow 2023-12", "yellow 2024-01", "green 2023-12", "green 2024-01"]),
        # All services: those that had not begun are left out.
        ("all", "2013-07:2013-08", SourceFormat.PARQUET, ["yellow 2013-07", "yellow 2013-08"]),
        ("all", "2013-07:2013-08", SourceFormat.CSV,
         ["yellow 2013-07", "yellow 2013-08", "green 2013-08"]),
        ("all", "2019-01:2019-02", SourceFormat.PARQUET,
         ["yellow 2019-01", "yellow 2019-02", "green 2019-01", "green 2019-02", "fhv 2019-01",
          "fhv 2019-02", "fhvhv 2019-02"]),
    ],
)  # fmt: skip
def test_partitions_come_service_by_service_ascending(services, months, source_format, expected):
    assert _chosen(services, months, source_format) == expected


def test_all_services_before_any_began_is_an_error():
    with pytest.raises(ConfigurationError, match=r"yellow 2008-12 is outside 2009-01\.\."):
        _chosen("all", "2008-12", SourceFormat.CSV)
