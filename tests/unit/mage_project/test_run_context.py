"""From what Mage gives a block to the partitions of a run."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from mage_project.run_context import (
    run_audit,
    run_first_month,
    run_force,
    run_items,
    run_partitions,
    run_plan,
    run_scope,
)
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.core.month import Month
from nyc_tlc.settings import Settings

EXECUTION_DATE = datetime(2024, 5, 17, 3, 4, tzinfo=UTC)
LATER = datetime(2024, 9, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("TLC_PROFILE", raising=False)
    monkeypatch.setenv("LAKE_URL", "./not-used")
    for name in ("POSTGRES_DBNAME", "POSTGRES_USER", "POSTGRES_PASSWORD"):
        monkeypatch.setenv(name, "not-used")


def _run(**kwargs: Any) -> str:
    """The partitions of a run, of green without their service."""
    chosen = map(str, run_partitions({"service": "green", **kwargs}))
    return " ".join(partition.removeprefix("green ") for partition in chosen)


def _this_month() -> Month:
    return Month.of(datetime.now(UTC).date())


TODAY = {"execution_date": EXECUTION_DATE}
OF_2024 = " ".join(f"2024-{month:02d}" for month in range(1, 13))


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"months": ["2024-01", "2024-03"]}, "2024-01 2024-03"),
        ({"months": "2024-01:2024-02"}, "2024-01 2024-02"),
        ({"year": 2024, "month": 1}, "2024-01"),
        ({"year": "2024", "month": "01"}, "2024-01"),
        ({"year": 2024, "month": "1, 3"}, "2024-01 2024-03"),
        ({"year": 2020, "month": [10, 11, 12]}, "2020-10 2020-11 2020-12"),
        ({"year": 2020, "month": ("10", 12)}, "2020-10 2020-12"),
        ({"year": [2023, 2024], "month": [1, 2]}, "2023-01 2023-02 2024-01 2024-02"),
        ({"year": "2023,2024", "month": 12}, "2023-12 2024-12"),
        ({"year": 2024}, OF_2024),
        ({"year": [2024], "month": ""}, OF_2024),
        ({"months": 2024, "month": None}, OF_2024),
        (TODAY, "2024-03"),
        (TODAY | {"months": "", "year": ""}, "2024-03"),
        (TODAY | {"months": None, "year": None}, "2024-03"),
        *(
            ({"execution_date": datetime(*at, tzinfo=UTC)}, month)
            for at, month in {
                (2024, 2, 29): "2023-12", (2024, 5, 1): "2024-03",
                (2024, 5, 31, 23, 59): "2024-03", (2024, 4, 30, 23, 59): "2024-02",
            }.items()
        ),
        (TODAY | {"months": "2024-01", "year": 2020, "month": [1, 2]}, "2024-01"),
        (TODAY | {"year": 2020, "month": 10}, "2020-10"),
        # Mage 0.9.80 has the end of the interval wrong for a backfill's last month.
        (TODAY | {"interval_end_datetime": LATER}, "2024-03"),
        ({"execution_date": "2024-05-31", "trigger_name": "Backfill spring"}, "2024-05"),
        (TODAY | {"trigger_name": "Backfill x"}, "2024-05"),
        (TODAY | {"trigger_name": "monthly_green"}, "2024-03"),
        (TODAY | {"trigger_name": "Backfill x", "months": "2023-01"}, "2023-01"),
        # The course's word wins over the service that Mage always gives by default.
        ({"color": "yellow", "year": 2021, "month": 1}, "yellow 2021-01"),
        ({"service": "yellow,green", "months": "2024-01"}, "yellow 2024-01 2024-01"),
        ({"service": ["all"], "months": "2024-01"},
         "yellow 2024-01 2024-01 fhv 2024-01 fhvhv 2024-01"),
    ],
)  # fmt: skip
def test_every_way_to_say_the_months(kwargs, expected):
    assert _run(**kwargs) == expected


def test_the_publication_lag_is_a_setting(monkeypatch):
    assert _run(months="latest") == f"{_this_month() - 2}"
    monkeypatch.setenv("TLC_PUBLICATION_LAG", "5")
    assert _run(execution_date=EXECUTION_DATE) == "2023-12"
    assert _run(months="latest") == f"{_this_month() - 5}"
    assert _run(months="2024-01") == "2024-01"


def test_this_month_is_allowed_and_the_next_is_not():
    this = _this_month()
    assert _run(months=str(this)) == f"{this}"
    with pytest.raises(ConfigurationError, match=rf"green {this + 1} is outside 2014-01\.\.{this}"):
        _run(months=str(this + 1))


def test_the_source_format_is_a_setting(monkeypatch):
    monkeypatch.setenv("TLC_SOURCE_FORMAT", "csv")
    assert _run(year=2013, month=[8, 9]) == "2013-08 2013-09"


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        *(({"execution_date": None}, told) for told in (
            "months (2024-01, 2024-01:2024-06, 2024, latest, or a list)", "execution_date",
            "publication lag", "Nothing was started",
        )),
        ({"year": "this", "month": 1}, "year is 'this': expected a number or a list of numbers"),
        ({"year": 2024, "month": "May"}, "month is 'May': expected a number or a list of numbers"),
        ({"year": 2024, "month": ["a"]}, "month is ['a']: expected a number"),
        ({"year": 2024, "month": 13}, "'2024-13' cannot be read"),
        ({"year": 2024, "month": [0]}, "'2024-00' cannot be read"),
        ({"year": 24, "month": 1}, "'0024-01' is not a month"),
        ({"year": 20244, "month": 1}, "'20244-01' cannot be read"),
        # Else month=0, an index by mistake, would load the whole year.
        ({"year": 2024, "month": 0}, "'2024-00' cannot be read"),
        ({"year": 0}, "'0000"),
        ({"month": 3}, "month is set without year"),
        ({"year": 2013, "month": 12}, "green 2013-12 is outside 2014-01.."),
        ({"service": "yellow", "months": "2008-12"}, "yellow 2008-12 is outside 2009-01.."),
        *(({"service": empty}, "service (empty) is unknown") for empty in ("", None, [])),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_an_error_that_repeats_it(kwargs, told):
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        _run(**{"execution_date": EXECUTION_DATE, **kwargs})


@pytest.mark.parametrize("flag", [run_force, run_plan])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in (True, 1, "1", "true", "True", "TRUE", " yes ", "on")),
        *((text, False) for text in (False, 0, "0", "false", "False", "no", "off", "", None)),
    ],
)
def test_a_flag_is_read_as_a_form_or_a_shell_gives_it(flag, text, expected):
    name = flag.__name__.removeprefix("run_")
    assert flag({name: text}) is expected
    assert flag({}) is False


def test_items_of_a_dynamic_block_are_the_partitions_and_their_names():
    assert run_items({"service": "green,yellow", "months": "2024-01"}) == [
        [{"service": "green", "month": "2024-01"}, {"service": "yellow", "month": "2024-01"}],
        [{"block_uuid": "green_2024_01"}, {"block_uuid": "yellow_2024_01"}],
    ]


@pytest.mark.parametrize(
    ("kwargs", "first"),
    [({}, None), ({"first_month": ""}, None), ({"first_month": " 2024-02 "}, Month(2024, 2))],
)
def test_first_month_may_be_left_to_the_settings(kwargs, first):
    assert run_first_month(kwargs) == first


@pytest.mark.parametrize(
    ("read", "kwargs", "said"),
    [
        (run_first_month, {"first_month": "2024"}, "first_month cannot be read .*TLC_FIRST_MONTH"),
        (run_scope, {"scope": "some"}, "scope is 'some': expected changed .* or all"),
        (run_audit, {"repair": "perhaps"}, "repair is 'perhaps': expected true or false"),
        *(
            (run_force, {"force": word}, "force is .*: expected true or false")
            for word in ("maybe", 2, "2", "tru", "none", ["true"], "force")
        ),
    ],
)
def test_a_word_that_is_none_of_the_choices_is_refused(read, kwargs, said):
    with pytest.raises(ConfigurationError, match=said):
        read(kwargs)


def test_scope_is_one_of_two():
    assert [run_scope({}), run_scope({"scope": "ALL"})] == ["changed", "all"]


def test_audit_looks_at_every_month_there_can_be_and_changes_nothing():
    scope = run_audit({"service": "green", "months": ""})
    months = [partition.month for partition in scope.partitions]
    assert months == list(Month(2013, 8).through(_this_month()))  # the first that was CSV
    assert (scope.deep, scope.ask_source, scope.repair) == (False, False, False)
    assert {str(p.service) for p in run_audit({}).partitions} == {"yellow", "green", "fhv", "fhvhv"}


def test_audit_is_told_where_to_look_and_how():
    scope = run_audit(
        {"service": "yellow", "months": "2024-01,2024-03", "deep": "true", "source": True,
         "repair": "yes"}
    )  # fmt: skip
    assert [*map(str, scope.partitions)] == ["yellow 2024-01", "yellow 2024-03"]
    assert (scope.deep, scope.ask_source, scope.repair) == (True, True, True)
