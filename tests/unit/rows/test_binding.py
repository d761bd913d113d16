"""Which published columns are taken for which canonical ones, and which files are refused."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedded.samples.months import published_schema
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.model import ColumnType
from nyc_tlc.core.contract.service import FHV, FHVHV, GREEN, SERVICES, YELLOW, Service
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.binding import Bindings, bind
from nyc_tlc.core.rows.conform import ConformedBatch

YELLOW_2024 = Partition(YELLOW, Month(2024, 1))
GREEN_2024 = Partition(GREEN, Month(2024, 1))
LAST = Month(2026, 8)
INDEX = pa.field("__index_level_0__", pa.int64())
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=str)
FORMATS = pytest.mark.parametrize("source_format", SourceFormat, ids=str)

Published = Callable[..., pa.RecordBatch]
Conforming = Callable[..., ConformedBatch]


def _text(header: str) -> pa.Schema:
    """The columns of a CSV, by its header."""
    return pa.schema([(name.strip(' "'), pa.string()) for name in header.split(",")])


def _renamed(batch: pa.RecordBatch, old: str, new: str) -> pa.RecordBatch:
    return batch.rename_columns([new if name == old else name for name in batch.schema.names])


def _spelling(partition: Partition, schema: pa.Schema, name: str) -> str:
    """How a file calls a canonical column."""
    by_spelling = partition.service.contract.by_spelling
    known = (each for each in schema.names if each in by_spelling)
    return next(spelling for spelling in known if by_spelling[spelling].name == name)


def _with_type(partition: Partition, name: str, kind: pa.DataType) -> pa.Schema:
    """The published schema, but for the type of one canonical column."""
    schema = published_schema(partition)
    spelling = _spelling(partition, schema, name)
    return schema.set(schema.get_field_index(spelling), pa.field(spelling, kind))


def _sources(bindings: Bindings) -> dict[str, tuple[str, ...]]:
    """The published names of each canonical column that the file has."""
    return {b.column.name: b.published for b in bindings.columns if b.published}


@pytest.mark.parametrize(
    ("name", "kind", "complaint"),
    [
        ("pickup_datetime", pa.timestamp("us", "UTC"),
         "column tpep_pickup_datetime is timestamp[us, tz=UTC], which cannot become timestamp"),
        ("pickup_datetime", pa.string(),
         "column tpep_pickup_datetime is string, which cannot become timestamp"),
        ("dropoff_datetime", pa.int64(),
         "column tpep_dropoff_datetime is int64, which cannot become timestamp"),
        ("pickup_datetime", pa.null(),
         "column tpep_pickup_datetime is null, which cannot become timestamp"),
        ("vendor_id", pa.string(), "column VendorID is string, which cannot become smallint"),
        ("pu_location_id", pa.large_string(),
         "column PULocationID is large_string, which cannot become smallint"),
        ("passenger_count", pa.bool_(),
         "column passenger_count is bool, which cannot become smallint"),
        ("fare_amount", pa.string(), "column fare_amount is string, which cannot become double"),
        ("store_and_fwd_flag", pa.int64(),
         "column store_and_fwd_flag is int64, which cannot become text"),
    ],
)  # fmt: skip
def test_a_type_that_cannot_be_cast_stops_the_partition(
    name: str, kind: pa.DataType, complaint: str, published: Published
) -> None:
    schema = published(YELLOW_2024).schema
    spelling = next(
        field.name for field in schema if YELLOW.contract.by_spelling[field.name].name == name
    )
    changed = schema.set(schema.get_field_index(spelling), pa.field(spelling, kind))
    with pytest.raises(ContractError) as caught:
        bind(YELLOW_2024, changed)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_an_all_null_nullable_column_is_welcome_in_every_type(
    service: Service, published: Published
) -> None:
    partition = Partition(service, Month(2024, 1))
    schema = published(partition).schema
    for i, field in enumerate(schema):
        if not service.contract.by_spelling[field.name].required:
            bind(partition, schema.set(i, pa.field(field.name, pa.null())))


def test_an_unknown_column_stops_the_partition(published: Published) -> None:
    schema = published(YELLOW_2024).schema.append(pa.field("__index_level_0__", pa.int64()))
    with pytest.raises(ContractError, match=r"column __index_level_0__ \(int64\) is unknown"):
        bind(YELLOW_2024, schema)


def test_spelling_is_exact(published: Published) -> None:
    batch = _renamed(published(YELLOW_2024), "VendorID", "vendorid")
    with pytest.raises(ContractError) as caught:
        bind(YELLOW_2024, batch.schema)
    assert "column vendorid (int32) is unknown" in str(caught.value)
    assert "column VendorID (int32) is missing" in str(caught.value)


def test_the_other_services_file_does_not_fit(published: Published) -> None:
    with pytest.raises(ContractError) as caught:
        bind(YELLOW_2024, published(GREEN_2024).schema)
    for complaint in (
        "column lpep_pickup_datetime (timestamp[us]) is unknown",
        "column ehail_fee (double) is unknown",
        "column tpep_pickup_datetime (timestamp[us]) is missing",
        "column Airport_fee (double) is missing",
    ):
        assert complaint in str(caught.value)


@pytest.mark.parametrize(("mine", "others"), list(permutations(SERVICES.values(), 2)), ids=str)
def test_no_services_file_fits_another_service(
    mine: Service, others: Service, published: Published
) -> None:
    month = Month(2024, 1)
    with pytest.raises(ContractError, match=rf"does not fit the {mine} contract"):
        bind(Partition(mine, month), published(Partition(others, month)).schema)


def test_an_older_spelling_is_the_same_column(published: Published, conformed: Conforming) -> None:
    batch = published(YELLOW_2024)
    older = _renamed(batch, "Airport_fee", "airport_fee")
    assert conformed(YELLOW_2024, older).trips == conformed(YELLOW_2024, batch).trips


def test_both_spellings_at_once_stop_the_partition(published: Published) -> None:
    schema = published(YELLOW_2024).schema.append(pa.field("airport_fee", pa.float64()))
    with pytest.raises(ContractError, match="columns Airport_fee, airport_fee are all airport_fee"):
        bind(YELLOW_2024, schema)


def test_one_name_twice_stops_the_partition(published: Published) -> None:
    schema = published(YELLOW_2024).schema.append(pa.field("extra", pa.float64()))
    with pytest.raises(ContractError, match="columns extra, extra are all extra"):
        bind(YELLOW_2024, schema)


def test_every_problem_is_told_at_once(published: Published) -> None:
    schema = published(YELLOW_2024).schema
    spoiled = schema.remove(schema.get_field_index("mta_tax"))
    spoiled = spoiled.set(0, pa.field("VendorID", pa.string()))
    spoiled = spoiled.append(pa.field("surprise", pa.float64()))
    spoiled = spoiled.append(pa.field("airport_fee", pa.float64()))
    with pytest.raises(ContractError) as caught:
        bind(YELLOW_2024, spoiled)
    message = str(caught.value)
    for told in (
        "yellow 2024-01: the published parquet file does not fit the yellow contract",
        "vintage 2023-02",
        "column surprise (double) is unknown",
        "column mta_tax (double) is missing",
        "column VendorID is string, which cannot become smallint",
        "columns Airport_fee, airport_fee are all airport_fee",
        "Nothing was written",
        "nyc_tlc/core/contract/yellow.py",
    ):
        assert told in message


def test_an_unknown_column_that_is_there_twice_cannot_be_kept() -> None:
    doubled = pa.schema([("surge", pa.float64()), ("surge", pa.string())])
    with pytest.raises(ContractError, match=r"column surge \(string\) is there more than once"):
        bind(Partition(GREEN, Month(2024, 1)), doubled, keep_unknown=True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("surge", pa.list_(pa.float64())),
        ("surge", pa.struct([("a", pa.binary())])),
        ("surge", pa.timestamp("us", "America/New_York")),
        ("surge", pa.month_day_nano_interval()),
        ("surge", pa.binary(4_097)),
        ("sur\0ge", pa.float64()),
    ],
)
def test_an_unknown_column_that_json_cannot_hold_cannot_be_kept(
    name: str, kind: pa.DataType
) -> None:
    schema = pa.schema([(name, kind)])
    with pytest.raises(ContractError, match="cannot be kept as JSON"):
        bind(Partition(GREEN, Month(2024, 1)), schema, keep_unknown=True)


def test_an_ignored_column_that_json_cannot_hold_stops_the_month() -> None:
    """A row in quarantine is kept with all that was published of it."""
    partition, name = Partition(YELLOW, Month(2010, 2)), "__index_level_0__"
    schema = published_schema(partition)
    spoiled = schema.set(schema.get_field_index(name), pa.field(name, pa.list_(pa.int64())))
    with pytest.raises(ContractError, match=f"column {name} .* cannot be kept as JSON"):
        bind(partition, spoiled)
    with pytest.raises(ContractError, match=f"column {name} .* is there more than once"):
        bind(partition, schema.append(pa.field(name, pa.int64())))


def test_a_missing_column_stops_the_month_even_where_unknown_ones_are_kept() -> None:
    partition = Partition(GREEN, Month(2024, 1))
    with pytest.raises(ContractError, match=r"column VendorID \(int32\) is missing"):
        bind(partition, pa.schema([("surge", pa.float64())]), keep_unknown=True)


@FORMATS
@EVERY
def test_every_months_file_binds_with_every_column_found(
    service: Service, source_format: SourceFormat
) -> None:
    for month in service.first_month_in(source_format).through(LAST):
        partition = Partition(service, month)
        schema = published_schema(partition, source_format)
        bindings = bind(partition, schema, source_format=source_format)
        found = [name for names in _sources(bindings).values() for name in names]
        assert sorted(found) == sorted(set(schema.names) - {INDEX.name}), month
        zoned = {"pu_location_id", "pickup_longitude"} & _sources(bindings).keys()
        assert bindings.locates_by_coordinates == (zoned == {"pickup_longitude"}), month


@pytest.mark.parametrize(
    ("service", "source_format", "months"),
    [
        (YELLOW, SourceFormat.PARQUET, ("2009-01", "2010-12")),
        (YELLOW, SourceFormat.CSV, ("2009-01", "2016-06")),
        (GREEN, SourceFormat.PARQUET, None),
        (GREEN, SourceFormat.CSV, ("2013-08", "2016-06")),
        (FHV, SourceFormat.PARQUET, None),
        (FHV, SourceFormat.CSV, None),
        (FHVHV, SourceFormat.PARQUET, None),
        (FHVHV, SourceFormat.CSV, None),
    ],
    ids=str,
)
def test_which_months_locate_by_coordinates(
    service: Service, source_format: SourceFormat, months: tuple[str, str] | None
) -> None:
    found = [
        month
        for month in service.first_month_in(source_format).through(LAST)
        if bind(
            Partition(service, month),
            published_schema(Partition(service, month), source_format),
            source_format=source_format,
        ).locates_by_coordinates
    ]
    expected = Month.parse(months[0]).through(Month.parse(months[1])) if months else ()
    assert found == list(expected)


def test_a_file_with_both_is_read_by_its_zones(published: Published) -> None:
    schema = published(YELLOW_2024).schema.append(pa.field("pickup_longitude", pa.float64()))
    assert not bind(YELLOW_2024, schema).locates_by_coordinates


def _text_columns(partition: Partition) -> dict[tuple[str, str], bool]:
    """Per canonical column that is no text: whether it may be published as text of either size."""
    contract = partition.service.contract
    accepted = {}
    for spelling in contract.vintage_of(partition.month).published:
        column = contract.by_spelling[spelling]
        if column.type is ColumnType.TEXT:
            continue
        for kind in (pa.string(), pa.large_string()):
            told = f"column {spelling} is {kind}, which cannot become {column.type.value}"
            refusal = _refusal(partition, _with_type(partition, column.name, kind))
            assert refusal == "" or told in refusal
            accepted[column.name, str(kind)] = not refusal
    return accepted


def _refusal(partition: Partition, schema: pa.Schema) -> str:
    try:
        bind(partition, schema)
    except ContractError as error:
        return str(error)
    return ""


@EVERY
def test_numbers_as_text_are_welcome_in_yellow_2009_and_2010_only(service: Service) -> None:
    for vintage in service.contract.vintages:
        as_text = service is YELLOW and vintage.first < Month(2011, 1)
        accepted = _text_columns(Partition(service, vintage.first))
        assert accepted == dict.fromkeys(accepted, as_text), vintage.first


@pytest.mark.parametrize("month", ["2009-06", "2010-01", "2010-02", "2010-03", "2010-12"])
@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.null()],
    ids=str,
)
@pytest.mark.parametrize(
    "name", ["rate_code_id", "store_and_fwd_flag", "vendor_id", "payment_type", "mta_tax"]
)
def test_codes_and_fees_of_2009_and_2010_may_be_text_integer_double_or_null(
    name: str, kind: pa.DataType, month: str
) -> None:
    partition = Partition(YELLOW, Month.parse(month))
    assert name in _sources(bind(partition, _with_type(partition, name, kind)))


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.bool_(), pa.date32()], ids=str)
@pytest.mark.parametrize("month", ["2009-01", "2010-02", "2011-01", "2024-01"])
def test_a_datetime_is_never_a_number_or_a_date(month: str, kind: pa.DataType) -> None:
    partition = Partition(YELLOW, Month.parse(month))
    with pytest.raises(ContractError, match=r"which cannot become timestamp"):
        bind(partition, _with_type(partition, "pickup_datetime", kind))


@pytest.mark.parametrize(
    ("partition", "name"),
    [
        (Partition(YELLOW, Month(2011, 1)), "store_and_fwd_flag"),
        (Partition(YELLOW, Month(2026, 6)), "request_source"),
        (Partition(GREEN, Month(2014, 1)), "store_and_fwd_flag"),
        (Partition(FHV, Month(2015, 1)), "dispatching_base_num"),
        (Partition(FHVHV, Month(2024, 1)), "wav_match_flag"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64()], ids=str)
def test_a_text_is_no_number_since_2011(partition: Partition, name: str, kind: pa.DataType) -> None:
    with pytest.raises(ContractError, match=rf"is {kind}, which cannot become text"):
        bind(partition, _with_type(partition, name, kind))


def test_the_stray_index_is_ignored_in_its_two_months_and_unknown_in_all_others() -> None:
    for service in SERVICES.values():
        for month in service.first_month.through(LAST):
            partition = Partition(service, month)
            schema = published_schema(partition)
            if service is YELLOW and str(month) in ("2010-02", "2010-03"):
                assert schema.names[-1] == INDEX.name
                assert INDEX.name not in str(_sources(bind(partition, schema)))
                bind(partition, schema.remove(len(schema) - 1))
                continue
            with pytest.raises(ContractError, match=r"column __index_level_0__ \(int64\) is unk"):
                bind(partition, schema.append(INDEX))


def test_the_stray_index_is_of_any_type(published: Published) -> None:
    partition = Partition(YELLOW, Month(2010, 3))
    schema = published_schema(partition)
    bind(partition, schema.set(len(schema) - 1, pa.field(INDEX.name, pa.string())))


@EVERY
def test_every_csv_header_of_tlc_binds_with_every_column_found(
    service: Service, shared_tlc: Path
) -> None:
    lines = (shared_tlc / "csv_headers" / f"{service}.tsv").read_text("utf-8").splitlines()
    bound = 0
    for line in lines:
        name, _, header = line.partition("\t")
        if not header:
            continue
        partition = Partition(service, Month.parse(name[-11:-4]))
        assert name == f"{partition.file_stem}.csv"
        schema = _text(header)
        bindings = bind(partition, schema, source_format=SourceFormat.CSV)
        found = [each for names in _sources(bindings).values() for each in names]
        assert sorted(found) == sorted(schema.names), name
        bound += 1
    assert bound == {"yellow": 138, "green": 83, "fhv": 66, "fhvhv": 16}[service.name]


@EVERY
def test_a_csv_with_the_columns_of_the_parquet_file_binds(
    service: Service, shared_tlc: Path
) -> None:
    """TLC's own samples of 2020-04 are such."""
    partition = Partition(service, Month(2020, 4))
    sample = shared_tlc / "samples" / f"{service}_tripdatasample_2020-04.csv"
    with sample.open(encoding="utf-8") as file:
        schema = _text(file.readline().rstrip("\r\n"))
    assert schema.names == published_schema(partition).names
    bindings = bind(partition, schema, source_format=SourceFormat.CSV)
    assert len(_sources(bindings)) == len(schema)


@EVERY
def test_a_csv_may_have_the_columns_of_any_parquet_vintage(service: Service) -> None:
    for vintage in service.contract.vintages:
        partition = Partition(service, vintage.first)
        schema = pa.schema([(name, pa.string()) for name in vintage.published])
        bindings = bind(partition, schema, source_format=SourceFormat.CSV)
        assert len(_sources(bindings)) == len(schema), vintage.first
        assert bindings.unknown == ()
        own = service.contract.vintage_of(partition.month, SourceFormat.CSV)
        fits_own = set(own.published) <= set(schema.names)
        assert bindings.vintage.first == (own if fits_own else vintage).first


def test_a_csv_that_lacks_a_column_is_told_what_a_csv_of_the_month_has() -> None:
    partition = Partition(YELLOW, Month(2019, 6))
    schema = published_schema(partition, SourceFormat.CSV)
    short = schema.remove(schema.get_field_index("payment_type"))
    with pytest.raises(ContractError) as caught:
        bind(partition, short, source_format=SourceFormat.CSV)
    message = str(caught.value)
    assert "yellow 2019-06: the published csv file does not fit the yellow contract" in message
    assert "vintage 2019-01: column payment_type (string) is missing. Expected" in message
    assert f"Expected the columns {', '.join(schema.names)}. Nothing was written" in message


def test_a_csv_does_not_pass_for_parquet() -> None:
    partition = Partition(YELLOW, Month(2024, 1))
    with pytest.raises(ContractError, match="column VendorID is string, which cannot become"):
        bind(partition, pa.schema([(n, pa.string()) for n in published_schema(partition).names]))
    of_2012 = Partition(YELLOW, Month(2012, 1))
    csv = published_schema(of_2012, SourceFormat.CSV)
    with pytest.raises(ContractError, match=r"column PULocationID .*payment_type is string"):
        bind(of_2012, csv)


@pytest.mark.parametrize("month", ["2018-08", "2019-08", "2020-03"])
def test_columns_that_somebody_renamed_are_refused_by_name(month: str, shared_tlc: Path) -> None:
    sample = shared_tlc / "samples" / f"yellow_tripdata_sample_{month}.csv"
    with sample.open(encoding="utf-8") as file:
        schema = _text(file.readline().rstrip("\r\n"))
    with pytest.raises(ContractError) as caught:
        bind(Partition(YELLOW, Month.parse(month)), schema, source_format=SourceFormat.CSV)
    message = str(caught.value)
    renamed = {
        "rate_code_id": "RatecodeID",
        "pickup_location_id": "PULocationID",
        "dropoff_location_id": "DOLocationID",
    }
    for name, spelling in renamed.items():
        assert f"column {name} (string) is unknown" in message
        assert f"column {spelling} (string) is missing" in message
    assert message.count("is unknown") == message.count("is missing") == 3


@pytest.mark.parametrize(
    "service",
    [
        YELLOW,
        GREEN,
        FHV,
        FHVHV,
    ],
    ids=str,
)
def test_a_csv_with_its_own_header_is_read_as_its_csv_vintage(service: Service) -> None:
    """Physical types of Parquet say nothing of a CSV: 2010-05 begins no vintage with 2010-04."""
    for month in service.first_csv_month.through(Month(2021, 7)):
        partition = Partition(service, month)
        schema = published_schema(partition, SourceFormat.CSV)
        bindings = bind(partition, schema, source_format=SourceFormat.CSV)
        assert bindings.vintage == service.contract.vintage_of(month, SourceFormat.CSV), month


def test_a_file_saved_again_by_pandas_is_refused_for_its_index_and_its_text_ids(
    shared_tlc: Path,
) -> None:
    damaged = shared_tlc / "damaged" / "green_tripdata_2021-01.filtered.pandas.parquet"
    with pytest.raises(ContractError) as caught:
        bind(Partition(GREEN, Month(2021, 1)), pq.read_schema(damaged))
    for told in (
        "column __index_level_0__ (int64) is unknown",
        "column duration (double) is unknown",
        "column PULocationID is string, which cannot become smallint",
        "column DOLocationID is string, which cannot become smallint",
    ):
        assert told in str(caught.value)


FHV_2018 = Partition(FHV, Month(2018, 6))


def test_the_two_bases_of_fhv_2018_are_one_column_the_filled_one_first() -> None:
    schema = published_schema(FHV_2018, SourceFormat.CSV)
    for fields in (schema, pa.schema(list(schema)[::-1])):
        sources = _sources(bind(FHV_2018, fields, source_format=SourceFormat.CSV))
        assert sources["dispatching_base_num"] == (
            "Dispatching_base_number",
            "Dispatching_base_num",
        )


@pytest.mark.parametrize(
    ("partition", "source_format"),
    [
        (Partition(FHV, Month(2017, 6)), SourceFormat.CSV),
        (Partition(FHV, Month(2019, 1)), SourceFormat.CSV),
        (Partition(FHV, Month(2018, 6)), SourceFormat.PARQUET),
    ],
    ids=str,
)
def test_two_bases_are_no_column_of_another_year(
    partition: Partition, source_format: SourceFormat
) -> None:
    schema = published_schema(partition, source_format)
    doubled = schema.append(pa.field("Dispatching_base_number", pa.string()))
    with pytest.raises(ContractError, match="are all dispatching_base_num"):
        bind(partition, doubled, source_format=source_format)


def test_a_column_that_is_there_twice_stops_fhv_2018_too() -> None:
    schema = published_schema(FHV_2018, SourceFormat.CSV)
    doubled = schema.append(pa.field("Dispatching_base_num", pa.string()))
    with pytest.raises(ContractError, match="are all dispatching_base_num"):
        bind(FHV_2018, doubled, source_format=SourceFormat.CSV)


@EVERY
def test_every_column_of_a_csv_may_be_all_null(service: Service) -> None:
    """But for the pick-up, as in Parquet."""
    partition = Partition(service, Month(2020, 4))
    schema = published_schema(partition, SourceFormat.CSV)
    for i, field in enumerate(schema):
        nulled = schema.set(i, pa.field(field.name, pa.null()))
        if service.contract.by_spelling[field.name].required:
            with pytest.raises(ContractError, match="is null, which cannot become timestamp"):
                bind(partition, nulled, source_format=SourceFormat.CSV)
        else:
            bind(partition, nulled, source_format=SourceFormat.CSV)


def test_unknown_columns_of_a_csv_can_be_kept() -> None:
    partition = Partition(GREEN, Month(2013, 8))
    schema = published_schema(partition, SourceFormat.CSV).append(pa.field("surge", pa.string()))
    with pytest.raises(ContractError, match=r"column surge \(string\) is unknown"):
        bind(partition, schema, source_format=SourceFormat.CSV)
    bindings = bind(partition, schema, source_format=SourceFormat.CSV, keep_unknown=True)
    assert str(bindings.vintage.first) == "2013-08"
    assert "surge" not in str(_sources(bindings))
    assert bindings.unknown == ("surge",)


def test_a_column_with_the_name_of_our_own_is_never_kept() -> None:
    """It would be taken for lines that a CSV reader could not read."""
    with pytest.raises(ContractError, match=r"column irregular_row \(string\) is unknown"):
        bind(
            Partition(GREEN, Month(2024, 1)),
            pa.schema([("irregular_row", pa.string())]),
            keep_unknown=True,
        )
