"""The first rows of a published file, for a person: the rest of it is not read."""

import gzip
import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files.parquet_file import open_parquet, read_head
from nyc_tlc.core.files.published_file import read_published_head

_LINE = b"2,2024-01-01 00:00:00,N,13.35,,,,,," + b"0.5," * 20 + b"\n"
_HEADER = b",".join(b"c%d" % n for n in range(_LINE.count(b",") + 1)) + b"\n"


class Counting(io.FileIO):
    """A file that counts the bytes that are read of it."""

    bytes_read = 0

    def readinto(self, buffer: memoryview) -> int:
        read = super().readinto(buffer)
        self.bytes_read += read
        return read

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        self.bytes_read += len(data)
        return data


def parquet(path: Path, rows: int) -> Path:
    """Rows that do not compress, a million to a group, as TLC writes them."""
    values = np.random.default_rng(0).random(rows)
    table = pa.table({f"c{n}": values for n in range(4)})
    pq.write_table(table, path, row_group_size=1 << 20, use_dictionary=False)
    return path


def head(path: Path, kind: SourceFormat, rows: int = 100) -> tuple[pa.Table, int]:
    with Counting(path) as file:
        return read_published_head(file, path.name, kind, rows), file.bytes_read


def test_a_longer_parquet_file_costs_no_more_bytes(tmp_path):
    short, of_short = head(parquet(tmp_path / "short.parquet", 1 << 20), SourceFormat.PARQUET)
    long, of_long = head(parquet(tmp_path / "long.parquet", 1 << 22), SourceFormat.PARQUET)
    assert short.equals(long.slice(0, 100))
    assert short.num_rows == 100
    # Of each column a page of a megabyte, and what is buffered behind it; the file has 128 MB.
    assert of_long <= of_short + 10_000 < 4 * (2 << 20)


def test_of_a_csv_file_no_more_is_read_than_a_batch_and_what_is_read_ahead(tmp_path):
    path = tmp_path / "month.csv"
    path.write_bytes(_HEADER + _LINE * (60 * 10**6 // len(_LINE)))
    rows, bytes_read = head(path, SourceFormat.CSV)
    assert rows.num_rows == 100
    assert rows.schema.names == _HEADER.decode().strip().split(",")
    assert bytes_read < 26 * 10**6


@pytest.mark.parametrize("text", [_HEADER + _LINE * 3, _HEADER], ids=["three rows", "none"])
def test_a_short_gzip_is_shown_as_far_as_it_goes(text, tmp_path):
    path = tmp_path / "month.csv.gz"
    path.write_bytes(gzip.compress(text))
    rows, _ = head(path, SourceFormat.CSV)
    assert rows.num_rows == text.count(b"\n") - 1
    assert rows.schema.names[0] == "c0"


def test_row_groups_without_rows_are_passed_over(tmp_path):
    schema = pa.schema([("a", pa.int32())])
    path = tmp_path / "quarantine.parquet"
    with pq.ParquetWriter(path, schema) as writer:
        for rows in ([], [1, 2], [], [3], [4, 5]):
            writer.write_table(pa.table({"a": pa.array(rows, pa.int32())}))
    for most, expected in ((1, [1]), (3, [1, 2, 3]), (4, [1, 2, 3, 4]), (9, [1, 2, 3, 4, 5])):
        source: BinaryIO
        with path.open("rb") as source, open_parquet(source, path.name) as file:
            assert read_head(file, path.name, most)["a"].to_pylist() == expected


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_a_text_that_would_fill_the_memory_is_refused_before_its_rows(use_dictionary, tmp_path):
    path = tmp_path / "bomb.parquet"
    bomb = pa.table({"a": ["x" * (1 << 20)] * 50})
    pq.write_table(bomb, path, compression="zstd", use_dictionary=use_dictionary)
    with pytest.raises(SourceError, match=r"^bomb.parquet .*1,048,576 bytes"):
        head(path, SourceFormat.PARQUET)
    pq.write_table(pa.table({"a": ["x", "x" * 5_000]}), path, row_group_size=1)
    assert head(path, SourceFormat.PARQUET, rows=1)[0].to_pydict() == {"a": ["x"]}
    path.write_bytes(b"a\n" + b"x" * 5_000)
    with pytest.raises(SourceError, match=r"^bomb.parquet .*5,000 bytes"):
        head(path, SourceFormat.CSV)
