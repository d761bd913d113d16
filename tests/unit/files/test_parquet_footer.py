"""What a Parquet footer says of its row groups, as pyarrow says it, and without its crashes."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded.samples.months import write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, SERVICES, Service
from nyc_tlc.core.files.parquet_footer import ColumnChunk, RowGroup, parse_row_groups
from nyc_tlc.core.month import Month


def _footer(file: bytes) -> bytes:
    size = int.from_bytes(file[-8:-4], "little")
    return file[-8 - size : -8]


def _require_as_pyarrow_says(file: bytes) -> None:
    metadata = pq.ParquetFile(io.BytesIO(file)).metadata
    expected = [
        (
            group.num_rows,
            [
                (chunk.path_in_schema, chunk.num_values, chunk.total_uncompressed_size)
                for chunk in map(group.column, range(metadata.num_columns))
            ],
        )
        for group in map(metadata.row_group, range(metadata.num_row_groups))
    ]
    found = parse_row_groups(_footer(file))
    assert [
        (group.rows, [(c.name, c.values, c.uncompressed) for c in group.columns]) for group in found
    ] == expected


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_sample_month_is_described_as_pyarrow_describes_it(
    service: Service, tmp_path: Path
) -> None:
    month = write_month(Partition(service, Month(2024, 1)), 50, tmp_path)
    _require_as_pyarrow_says(month.read_bytes())


def test_real_months_are_described_as_pyarrow_describes_them(shared_tlc: Path) -> None:
    months = sorted((shared_tlc / "green").glob("*.parquet"))
    assert months
    for month in months:
        _require_as_pyarrow_says(month.read_bytes())


@given(
    rows=st.integers(0, 40),
    group_rows=st.integers(1, 20),
    options=st.fixed_dictionaries(
        {
            "compression": st.sampled_from(["none", "snappy", "zstd"]),
            "use_dictionary": st.booleans(),
            "write_statistics": st.booleans(),
            "store_schema": st.booleans(),
            "write_page_index": st.booleans(),
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "version": st.sampled_from(["1.0", "2.6"]),
        }
    ),
)
def test_files_of_every_make_are_described(
    rows: int, group_rows: int, options: dict[str, object]
) -> None:
    table = pa.table(
        {
            "number": pa.array(range(rows), pa.int64()),
            "text": pa.array([f"{i % 3}" for i in range(rows)]),
            "nested": pa.array([{"list": [i, None]} for i in range(rows)],
                               pa.struct([("list", pa.list_(pa.int32()))])),
        }
    )  # fmt: skip
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=group_rows, **options)
    _require_as_pyarrow_says(file.getvalue())


@pytest.fixture(scope="module")
def footer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    partition = Partition(GREEN, Month(2024, 1))
    return _footer(write_month(partition, 4, tmp_path_factory.mktemp("month")).read_bytes())


@given(st.binary(max_size=60), st.integers(0, 1 << 16), st.integers(0, 1 << 16))
def test_damage_is_told_by_one_kind_of_error(
    footer: bytes, octets: bytes, at: int, cut: int
) -> None:
    at %= len(footer)
    damaged = footer[:at] + octets + footer[at + len(octets) :]
    for hostile in (octets, damaged, footer[: cut % len(footer)]):
        try:
            parse_row_groups(hostile)
        except ValueError as error:
            assert len(str(error)) < 100  # noqa: PT017 - or it is read


@pytest.mark.parametrize(
    ("hostile", "found"),
    [
        (b"", "too early"),
        (b"\x49\xfc\xff\xff\xff\x0f", "too early"),  # a list of four thousand million structs
        (b"\x4c" * 5_000, "levels deep"),
        (b"\x49" + b"\x19" * 5_000, "levels deep"),
        (b"\x46" + b"\xff" * 20, "64 bits"),
        (b"\x4e\x00", "unknown type 14"),
        (b"\x49\x15\x02\x00", "another form"),  # row groups that are numbers
    ],
)
def test_what_is_no_footer_is_said(hostile: bytes, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        parse_row_groups(hostile)


def test_a_footer_without_row_groups_has_none() -> None:
    assert parse_row_groups(b"\x00") == ()


_GROUPS = bytes.fromhex("1c 19 1c 3c 39 28 01 78 01 79 26 0e 16 2a 00 00 26 05 00")
"""A list of one group of -3 rows, which has the column x.y of 7 values and 21 bytes."""
_EXPECTED = (RowGroup(-3, (ColumnChunk("x.y", 7, 21),)),)


@pytest.mark.parametrize(
    "fields",
    [
        "11 39",  # true
        "12 39",  # false
        "13 ff 39",
        "14 80 01 39",  # an integer of two bytes
        "17 00 11 22 33 44 55 66 77 39",  # a double
        "18 02 61 62 39",
        "19 21 01 02 39",  # two booleans
        "1a 22 02 01 39",  # a set of them
        "19 f3 0f" + "aa" * 15 + "39",  # a list whose length does not fit its first byte
        "1b 00 39",  # an empty map
        "1b 02 85 01 61 80 01 01 62 02 39",  # a map of texts to numbers
        "1b 01 58 02 02 61 62 39",  # and of numbers to texts
        "1b 02 1c 01 15 0e 00 02 15 0e 00 39",  # and of booleans to structs
        "1c 15 0e 00 39",
        "05 02 0e 39",  # a field with its number written out
        "05 c8 01 0e 09 08",  # both so, the second less than the first
        "f3 00 09 08",
    ],
)
def test_row_groups_are_found_behind_whatever_stands_before_them(fields: str) -> None:
    assert parse_row_groups(bytes.fromhex(fields) + _GROUPS + b"\x00") == _EXPECTED


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("1c 36 0e 00", RowGroup(7, ())),  # no columns
        ("1c 19 1c 3c 56 0e 16 2a 00 00 26 0e 00", RowGroup(7, (ColumnChunk("", 7, 21),))),
        ("1c 19 1c 3c 35 02 26 0e 16 2a 00 00 26 0e 00", RowGroup(7, (ColumnChunk("", 7, 21),))),
        ("1c 19 1c 3c 39 18 01 ff 26 0e 16 2a 00 00 26 0e 00",
         RowGroup(7, (ColumnChunk("\ufffd", 7, 21),))),
    ],
)  # fmt: skip
def test_what_a_row_group_lacks_is_empty(groups: str, expected: RowGroup) -> None:
    assert parse_row_groups(bytes.fromhex("49" + groups + "00")) == (expected,)


@pytest.mark.parametrize(
    ("octet", "deepest"),
    [(b"\x1c", 32), (b"\x19", 34)],  # structs in structs; lists in a list, the last of them empty
)
def test_values_may_nest_32_deep(octet: bytes, deepest: int) -> None:
    assert parse_row_groups(octet * deepest + bytes(40)) == ()
    with pytest.raises(ValueError, match=r"^the footer is more than 32 levels deep$"):
        parse_row_groups(octet * (deepest + 1) + bytes(40))


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (b"\x15", "the footer ends too early"),
        (b"\x49\x15\x02\x00", "the footer has another form than Parquet's"),
        (b"\x49\x1c\x00\x00", "the footer has another form than Parquet's"),  # no rows
        (b"\x46" + b"\xff" * 10, "the footer has a number of more than 64 bits"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(hostile: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        parse_row_groups(hostile)
