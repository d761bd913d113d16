"""Parquet files: complete and within bounds before a row is decoded, then read batch by batch."""

import errno
import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files import parquet_file
from nyc_tlc.core.files.file_kind import SAMPLE_KEY
from nyc_tlc.core.files.published_file import count_rows, is_sample, open_published

ROWS = 300
NEXT = r"[Tt]he month stays as it was\. Check what the source serves[,.]"
"""How every refusal ends: what was left untouched, and the next step."""
TABLE = pa.table({"number": pa.array(range(ROWS)), "text": [str(i) for i in range(ROWS)]})


def _written(table: pa.Table = TABLE, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _count(content: bytes, folder: Path) -> int:
    path = folder / "x.parquet"
    path.write_bytes(content)
    return count_rows(path, "the file")


def _read(content: bytes | io.BytesIO) -> pa.Table:
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    with open_published(source, "the file", SourceFormat.PARQUET) as file:
        return pa.Table.from_batches(file.batches, file.schema)


@pytest.mark.parametrize("group_rows", [100, ROWS])
def test_rows_are_counted_and_read_in_batches(group_rows, tmp_path, monkeypatch):
    content = _written(row_group_size=group_rows)
    monkeypatch.setattr(parquet_file, "BATCH_ROWS", 64)
    assert _count(content, tmp_path) == ROWS
    assert _count(_written(TABLE.slice(0, 1)), tmp_path) == 1
    with open_published(io.BytesIO(content), "the file", SourceFormat.PARQUET) as file:
        batches = list(file.batches)
    assert pa.Table.from_batches(batches).equals(TABLE)
    assert max(batch.num_rows for batch in batches) == 64


@pytest.mark.parametrize(
    ("metadata", "generated"), [(None, False), ({"other": "x"}, False), ({SAMPLE_KEY: "x"}, True)]
)
def test_a_sample_says_so_itself(metadata, generated):
    table = TABLE.replace_schema_metadata(metadata)
    content = io.BytesIO(_written(table, store_schema=metadata is not None))
    with open_published(content, "the file", SourceFormat.PARQUET) as file:
        assert file.is_sample is generated
    assert is_sample(content, "the file", SourceFormat.PARQUET) is generated


def test_only_the_row_groups_and_columns_asked_for_are_read():
    content = io.BytesIO(_written(row_group_size=100))
    with parquet_file.open_parquet(content, "the file") as file:
        batches = list(parquet_file.read_batches(file, "x", row_groups=[1], columns=["number"]))
    assert pa.Table.from_batches(batches).equals(TABLE.select(["number"]).slice(100, 100))


WHOLE = _written()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", r"found nothing \(0 bytes"),
        (b"PAR", r"found an unknown kind of file \(3 bytes"),
        (
            WHOLE[:-1],
            rf"Parquet cut short \({len(WHOLE) - 1:,} bytes, .*{re.escape(repr(WHOLE[:24]))}",
        ),
        (b"x" + WHOLE[1:], "an unknown kind of file"),
        (b"<html>" + b" " * 60 + b"PAR1", "found XML or HTML"),
        (b"PAR1", "cannot be read as Parquet"),
        (b"PAR1" + b"\xff" * 16 + b"\x10\0\0\0PAR1", "cannot be read as Parquet"),
        (_written(TABLE.slice(0, 0)), "holds no rows"),
    ],
)
def test_what_is_not_a_complete_month_is_refused(content, found, tmp_path):
    with pytest.raises(SourceError, match=f"(?s)^the file .*{found}.*{NEXT}"):
        _count(content, tmp_path)


_FOOTER = int.from_bytes(WHOLE[-8:-4], "little")
_GROUP = pq.ParquetFile(io.BytesIO(WHOLE)).metadata.row_group(0)


@pytest.mark.parametrize(
    ("bounds", "options", "found"),
    [
        ({"MOST_COLUMNS": 2}, {}, "2 columns, expected at most 1"),
        ({"MOST_ROW_GROUPS": 3}, {"row_group_size": 100}, "3 row groups, expected at most 2"),
        ({"MOST_FOOTER_BYTES": _FOOTER}, {}, f"{_FOOTER:,} bytes of footer, expected at most"),
        (
            {"_PAGE": _GROUP.total_byte_size / 2, "MOST_BYTES_PER_ROW": 0},
            {},
            f"{_GROUP.total_byte_size:,} bytes in a row group of 300 rows",
        ),
        (
            {"MOST_BYTES_PER_ROW": _GROUP.total_byte_size / ROWS, "_PAGE": 0},
            {},
            f"{_GROUP.total_byte_size:,} bytes in a row group of 300 rows",
        ),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else None,
)
def test_a_file_may_reach_a_bound_and_not_exceed_it(bounds, options, found, tmp_path, monkeypatch):
    content = _written(**options)
    for name, most in bounds.items():
        monkeypatch.setattr(parquet_file, name, most)
    assert _count(content, tmp_path) == ROWS
    name, most = next(iter(bounds.items()))
    monkeypatch.setattr(parquet_file, name, most - 1)
    with pytest.raises(
        SourceError, match=f"^the file is not a valid trip file: {found}.*not landed; {NEXT}"
    ):
        _count(content, tmp_path)


def test_a_row_group_without_rows_may_have_no_bytes(tmp_path):
    path = tmp_path / "x.parquet"
    with pq.ParquetWriter(path, TABLE.schema, use_dictionary=False) as writer:
        writer.write_table(TABLE.slice(0, 0))
        writer.write_table(TABLE)
    assert pq.read_metadata(path).row_group(0).total_byte_size == 0
    assert count_rows(path, "the file") == ROWS


def _number(value: int) -> bytes:
    """A number up to 8,191, or down to its negative, as Thrift's compact protocol writes it."""
    zigzag = value << 1 if value >= 0 else -(value << 1) - 1
    return bytes([zigzag & 0x7F | 0x80, zigzag >> 7])


@pytest.mark.parametrize(
    ("stated", "false", "last", "found"),
    [
        (ROWS, 4_000, True, "contradicts itself: its footer says 300 rows.*have 4,000"),
        (ROWS, -ROWS, False, "contradicts itself.*-300"),
        (_GROUP.total_byte_size, -8_000, True, "-8,000 bytes in a row group"),
    ],
)
def test_a_footer_that_cannot_be_true_is_refused(stated, false, last, found, tmp_path):
    body, footer = WHOLE[: -8 - _FOOTER], WHOLE[-8 - _FOOTER :]
    parts = footer.rsplit(_number(stated), 1) if last else footer.split(_number(stated))
    assert len(parts) > 1
    with pytest.raises(SourceError, match=f"^the file .*{found}.*was not landed; {NEXT}"):
        _count(body + _number(false).join(parts), tmp_path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, _FOOTER), st.binary(min_size=1, max_size=20))
def test_a_damaged_footer_never_ends_the_process(tmp_path, at, octets):
    at += len(WHOLE) - 8 - _FOOTER
    damaged = (WHOLE[:at] + octets + WHOLE[at + len(octets) :])[:-8] + WHOLE[-8:]
    try:
        assert _count(damaged, tmp_path) > 0
    except SourceError as error:
        assert "as it was" in str(error)  # noqa: PT017 - or it is read


def test_a_damaged_page_is_refused():
    content = _written(compression="zstd")
    damaged = content[:40] + bytes(200) + content[240:]
    with pytest.raises(SourceError, match=f"^the file cannot be read as Parquet.*{NEXT}"):
        _read(damaged)


def test_names_that_are_not_utf_8_are_refused():
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        _read(_written(store_schema=False).replace(b"number", b"\xff\xfe\xfd\xfc\xfb\xfa"))


@pytest.mark.parametrize("failing_at", [1, 3])
def test_a_failure_of_the_machine_is_not_the_files(failing_at):
    class Failing(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            if self.reads >= failing_at:
                raise OSError(errno.EIO, "broken disk")
            return super().read(size)

    with pytest.raises(OSError, match="broken disk"):
        _read(Failing(WHOLE))


TEXTS = (
    pa.array(["x" * 5_000] * 3),
    pa.array([b"x" * 5_000] * 3),
    pa.array(["x" * 5_000] * 3, pa.large_string()),
    pa.array([b"x" * 5_000] * 3, pa.large_binary()),
    pa.array(["x" * 5_000] * 3).dictionary_encode(),
    pa.array([b"x" * 5_000] * 3).dictionary_encode(),
)


@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("column", TEXTS, ids=lambda column: str(column.type))
def test_a_text_longer_than_any_of_tlc_is_refused(column, use_dictionary):
    table = pa.table({"number": [1, 2, 3], "surge": column})
    with pytest.raises(
        SourceError, match=rf"^the file .*surge has 5,000 bytes, expected at most 4,096\. {NEXT}"
    ):
        _read(_written(table, use_dictionary=use_dictionary))


def test_texts_of_4_kb_are_read():
    table = pa.table({"a": ["x" * 4_096, None], "b": pa.array([None, None], pa.string())})
    assert _read(_written(table)).equals(table)


def test_a_long_text_in_a_later_row_group_is_found_before_a_row_is_decoded():
    content = io.BytesIO(_written(pa.table({"a": ["x", "x" * 5_000]}), row_group_size=1))
    with parquet_file.open_parquet(content, "the file") as file:
        parquet_file.require_short_texts(file, content, "the file", [0])
        with pytest.raises(SourceError, match=r"^the file is not .*: a value of a has 5,000 bytes"):
            parquet_file.require_short_texts(file, content, "the file")
