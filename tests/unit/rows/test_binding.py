"""Which published columns are taken for which canonical ones, and which files are refused."""

from itertools import permutations

import pyarrow as pa
import pytest

from embedded.samples.months import published_schema
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.binding import Bindings, bind
from tests.partitions import named
from tests.repository import ascii_id

PARQUET, CSV = SourceFormat.PARQUET, SourceFormat.CSV
YELLOW_2024 = named("yellow 2024-01")
GREEN_2024 = named("green 2024-01")
FHV_2018 = named("fhv 2018-06")
LAST = Month(2026, 8)
INDEX = pa.field("__index_level_0__", pa.int64())
of_every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=str)
in_both_forms = pytest.mark.parametrize("form", SourceFormat, ids=str)


def _texts(header: str) -> pa.Schema:
    """The columns of a CSV."""
    return pa.schema([(name.strip(' "'), pa.string()) for name in header.split(",")])


def _spelling(partition: Partition, schema: pa.Schema, name: str) -> str:
    """How a file calls a canonical column."""
    spellings = partition.service.contract.by_name[name].published_as
    return next(spelling for spelling in schema.names if spelling in spellings)


def _with_type(
    partition: Partition, name: str, kind: pa.DataType, form: SourceFormat = PARQUET
) -> pa.Schema:
    """The published schema, but for the type of one canonical column."""
    schema = published_schema(partition, form)
    spelling = _spelling(partition, schema, name)
    return schema.set(schema.get_field_index(spelling), pa.field(spelling, kind))


def _sources(bindings: Bindings) -> dict[str, tuple[str, ...]]:
    """The published names of each canonical column that the file has."""
    return {b.column.name: b.published for b in bindings.columns if b.published}


def _problems(
    partition: Partition,
    schema: pa.Schema,
    form: SourceFormat = PARQUET,
    *,
    keep_unknown: bool = False,
) -> list[str]:
    """What a file is refused for; nothing where it fits."""
    try:
        bind(partition, schema, source_format=form, keep_unknown=keep_unknown)
    except ContractError as error:
        problems, expected, _ = error.details.partition(". Expected the columns ")
        assert expected
        told = str(error).partition(": ")[2].partition(": ")[2]
        first = problems.split("; ")[:10]
        assert told.startswith("; ".join(first))
        return problems.split("; ")
    return []


_NO_TEXTS = (pa.int64(), pa.float64())
_NO_TIMES = (*_NO_TEXTS, pa.bool_(), pa.date32())


@pytest.mark.parametrize(
    ("service", "month", "name", "kinds"),
    [
        *((YELLOW, month, "pickup_datetime", _NO_TIMES)
          for month in ("2009-01", "2010-02", "2011-01", "2024-01")),
        (YELLOW, "2024-01", "pickup_datetime", (pa.timestamp("us", "UTC"), pa.null())),
        (YELLOW, "2024-01", "dropoff_datetime", (pa.timestamp("us", "UTC"), *_NO_TIMES)),
        (YELLOW, "2024-01", "passenger_count", (pa.bool_(),)),
        (YELLOW, "2011-01", "store_and_fwd_flag", _NO_TEXTS),
        (YELLOW, "2024-01", "store_and_fwd_flag", _NO_TEXTS),
        (YELLOW, "2026-06", "request_source", _NO_TEXTS),
        (GREEN, "2014-01", "store_and_fwd_flag", _NO_TEXTS),
        (FHV, "2015-01", "dispatching_base_num", _NO_TEXTS),
        (FHVHV, "2024-01", "wav_match_flag", _NO_TEXTS),
    ],
    ids=str,
)  # fmt: skip
def test_a_type_that_cannot_be_cast_stops_the_partition(service, month, name, kinds):
    partition = Partition(service, Month.parse(month))
    spelling = _spelling(partition, published_schema(partition), name)
    becomes = service.contract.by_name[name].type.value
    for kind in kinds:
        told = f"column {spelling} is {kind}, which cannot become {becomes}"
        assert _problems(partition, _with_type(partition, name, kind)) == [told]


@in_both_forms
@of_every_service
def test_an_all_null_column_is_welcome_but_for_the_pickup(service, form):
    partition = Partition(service, Month(2020, 4))
    for i, field in enumerate(published_schema(partition, form)):
        nulled = published_schema(partition, form).set(i, pa.field(field.name, pa.null()))
        refused = bool(_problems(partition, nulled, form))
        assert refused == service.contract.by_spelling[field.name].required, field.name


def test_every_problem_is_told_at_once_with_what_was_expected_and_the_next_step():
    schema = published_schema(YELLOW_2024)
    spoiled = schema.remove(schema.get_field_index("mta_tax"))
    spoiled = spoiled.set(0, pa.field("VendorID", pa.string()))
    spoiled = spoiled.set(7, pa.field("pulocationid", pa.int32()))
    for extra in ("surprise", "airport_fee", "extra"):
        spoiled = spoiled.append(pa.field(extra, pa.float64()))
    with pytest.raises(ContractError) as caught:
        bind(YELLOW_2024, spoiled)
    found, _, expected = str(caught.value).partition(". Expected the columns ")
    assert found == (
        "yellow 2024-01: the published parquet file does not fit the yellow contract, vintage "
        "2023-02: column pulocationid (int32) is unknown; column surprise (double) is unknown; "
        "column PULocationID (int32) is missing; column mta_tax (double) is missing; "
        "column VendorID is string, which cannot become smallint; "
        "columns extra, extra are all extra; columns Airport_fee, airport_fee are all airport_fee"
    )
    assert f". Expected the columns {', '.join(schema.names)}" in caught.value.details
    for fact in (
        ", ".join([*schema.names[:10], "and 9 more. "]), "Nothing was written",
        "nyc_tlc/core/contract/yellow.py",
        "TLC_UNKNOWN_COLUMNS=keep",
    ):  # fmt: skip
        assert fact in expected


@pytest.mark.parametrize(("mine", "others"), list(permutations(SERVICES.values(), 2)), ids=str)
def test_no_services_file_fits_another_service(mine, others):
    month = Month(2024, 1)
    problems = _problems(Partition(mine, month), published_schema(Partition(others, month)))
    assert any("is unknown" in problem for problem in problems)
    assert any("is missing" in problem for problem in problems)


def test_sixty_problems_are_told_as_ten():
    spoiled = pa.schema([(f"column_{number}", pa.string()) for number in range(60)])
    with pytest.raises(ContractError) as caught:
        bind(YELLOW_2024, spoiled)
    told, details = str(caught.value), caught.value.details
    assert "column column_9 (string) is unknown; and 69 more. Expected" in told
    assert len(told) < 1_200
    assert all(f"column column_{number} (string) is unknown" in details for number in range(60))


_NO_JSON = "cannot be kept as JSON"


@pytest.mark.parametrize(
    ("names_and_kinds", "complaint"),
    [
        ([("surge", pa.list_(pa.float64()))], _NO_JSON),
        ([("surge", pa.struct([("a", pa.binary())]))], _NO_JSON),
        ([("surge", pa.timestamp("us", "America/New_York"))], _NO_JSON),
        ([("surge", pa.month_day_nano_interval())], _NO_JSON),
        ([("surge", pa.binary(4_097))], _NO_JSON),
        ([("sur\0ge", pa.float64())], _NO_JSON),
        ([("surge", pa.float64()), ("surge", pa.string())], "(double) appears more than once"),
        # It would be taken for lines that a CSV reader could not read.
        ([("irregular_row", pa.string())], "column irregular_row (string) is unknown"),
    ],
    ids=ascii_id,
)
def test_an_unknown_column_that_cannot_be_kept_stops_the_month(names_and_kinds, complaint):
    problems = _problems(GREEN_2024, pa.schema(names_and_kinds), keep_unknown=True)
    assert complaint in problems[0]
    # Nor does keeping what is unknown make up for what is missing.
    assert "column VendorID (int32) is missing" in problems


@in_both_forms
def test_unknown_columns_can_be_kept(form):
    partition = named("green 2014-01")
    schema = published_schema(partition, form).append(pa.field("surge", pa.string()))
    assert _problems(partition, schema, form) == ["column surge (string) is unknown"]
    bindings = bind(partition, schema, source_format=form, keep_unknown=True)
    assert "surge" not in str(_sources(bindings))
    assert bindings.unknown == ("surge",)


_LAST_WITH_COORDINATES = {
    (YELLOW.name, PARQUET): Month(2010, 12),
    (YELLOW.name, CSV): Month(2016, 6),
    (GREEN.name, CSV): Month(2016, 6),
}


@in_both_forms
@of_every_service
def test_every_months_file_binds_with_every_column_found_and_the_stray_index_in_two_only(
    service, form
):
    with_coordinates = _LAST_WITH_COORDINATES.get((service.name, form), Month(1, 1))
    for month in service.first_month_in(form).through(LAST):
        partition = Partition(service, month)
        schema = published_schema(partition, form)
        names = set(schema.names) - {INDEX.name}
        bindings = bind(partition, schema, source_format=form)
        assert {name for found in _sources(bindings).values() for name in found} == names, month
        assert bindings.unknown == ()
        # Physical types of Parquet say nothing of a CSV: 2010-04 begins no vintage of those.
        assert bindings.vintage == service.contract.vintage_of(month, form), month
        assert bindings.locates_by_coordinates == (month <= with_coordinates), month
        stray = service is YELLOW and form is PARQUET and str(month) in ("2010-02", "2010-03")
        assert (INDEX.name in schema.names) == stray
        if not stray:
            refused = _problems(partition, schema.append(INDEX), form)
            assert refused == [f"column {INDEX.name} (int64) is unknown"], month


def test_the_stray_index_may_be_of_any_type_or_absent_but_not_doubled_or_past_json():
    """A row in quarantine is kept with all that was published of it."""
    partition = named("yellow 2010-03")
    schema = published_schema(partition)
    at = schema.get_field_index(INDEX.name)
    assert _problems(partition, schema.remove(at)) == []
    assert _problems(partition, schema.set(at, pa.field(INDEX.name, pa.string()))) == []
    nested = schema.set(at, pa.field(INDEX.name, pa.list_(pa.int64())))
    assert "cannot be kept as JSON" in _problems(partition, nested)[0]
    assert "appears more than once" in _problems(partition, schema.append(INDEX))[0]


def test_a_file_with_both_is_read_by_its_zones():
    schema = published_schema(YELLOW_2024).append(pa.field("pickup_longitude", pa.float64()))
    assert not bind(YELLOW_2024, schema).locates_by_coordinates


@of_every_service
def test_numbers_as_text_are_welcome_in_yellow_2009_and_2010_only(service):
    for vintage in service.contract.vintages:
        partition = Partition(service, vintage.first)
        as_text = service is YELLOW and vintage.first < Month(2011, 1)
        for spelling in vintage.published:
            column = service.contract.by_spelling[spelling]
            for kind in (pa.string(), pa.large_string()):
                problems = _problems(partition, _with_type(partition, column.name, kind))
                if column.type is ColumnType.TEXT or as_text:
                    assert problems == [], vintage.first
                else:
                    told = f"column {spelling} is {kind}, which cannot become {column.type.value}"
                    assert problems == [told], vintage.first


@pytest.mark.parametrize("month", ["2009-06", "2010-01", "2010-02", "2010-12"])
@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float32(), pa.float64()], ids=str)
def test_the_flag_of_2009_and_2010_may_be_a_number(kind, month):
    partition = Partition(YELLOW, Month.parse(month))
    schema = _with_type(partition, "store_and_fwd_flag", kind)
    assert "store_and_fwd_flag" in _sources(bind(partition, schema))


@of_every_service
def test_a_csv_may_have_the_columns_of_any_parquet_vintage(service):
    for vintage in service.contract.vintages:
        schema = _texts(",".join(vintage.published))
        bindings = bind(Partition(service, vintage.first), schema, source_format=CSV)
        assert len(_sources(bindings)) == len(schema), vintage.first
        assert bindings.unknown == ()
        own = service.contract.vintage_of(vintage.first, CSV)
        fits_own = set(own.published) <= set(schema.names)
        assert bindings.vintage.first == (own if fits_own else vintage).first


def test_a_csv_that_lacks_a_column_is_told_what_a_csv_of_the_month_has():
    partition = named("yellow 2019-06")
    schema = published_schema(partition, CSV)
    short = schema.remove(schema.get_field_index("payment_type"))
    expected = (
        r"published csv file does not fit .* vintage 2019-01: column payment_type \(string\) is "
        rf"missing\. Expected the columns {', '.join(schema.names[:10])}, and 8 more\. .*"
        r"declare it in nyc_tlc/core/contract/yellow\.py \(TLC_UNKNOWN_COLUMNS=keep loads"
    )
    with pytest.raises(ContractError, match=expected):
        bind(partition, short, source_format=CSV)


def test_a_csv_does_not_pass_for_parquet():
    problems = _problems(YELLOW_2024, _texts(",".join(published_schema(YELLOW_2024).names)))
    assert problems[0] == "column VendorID is string, which cannot become smallint"
    of_2012 = named("yellow 2012-01")
    problems = _problems(of_2012, published_schema(of_2012, CSV))
    assert "column PULocationID (int64) is missing" in problems
    assert "column payment_type is string, which cannot become smallint" in problems


def test_the_two_bases_of_fhv_2018_are_one_column_the_filled_one_first():
    schema = published_schema(FHV_2018, CSV)
    for fields in (schema, pa.schema(list(schema)[::-1])):
        sources = _sources(bind(FHV_2018, fields, source_format=CSV))
        assert sources["dispatching_base_num"] == (
            "Dispatching_base_number",
            "Dispatching_base_num",
        )


@pytest.mark.parametrize(
    ("month", "form", "doubled"),
    [
        ("2017-06", CSV, "Dispatching_base_number"),
        ("2019-01", CSV, "Dispatching_base_number"),
        ("2018-06", PARQUET, "Dispatching_base_number"),
        ("2018-06", CSV, "Dispatching_base_num"),
    ],
)
def test_two_bases_are_no_column_of_another_year_nor_one_twice(month, form, doubled):
    partition = Partition(FHV, Month.parse(month))
    schema = published_schema(partition, form).append(pa.field(doubled, pa.string()))
    (problem,) = _problems(partition, schema, form)
    assert "are all dispatching_base_num" in problem
