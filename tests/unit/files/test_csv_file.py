"""CSV files: every line accounted for, regular or not, and nothing of other rows shifted by it."""

import csv
import errno
import gzip
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nyc_tlc.core.contract.source_format import IRREGULAR_ROW
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files import csv_file, csv_rows, text_lines
from nyc_tlc.core.files.csv_file import count_rows, open_csv, read_batches
from nyc_tlc.core.files.parquet_file import BATCH_ROWS
from nyc_tlc.core.files.text_lines import count_lines, cut_at_line_ends

GREEN = {"2020-10": 95_120, "2020-11": 88_605, "2020-12": 83_130}


def _batches(source: Any) -> list[pa.RecordBatch]:
    with open_csv(source, "the file") as file:
        return list(read_batches(file, "the file"))


def _rows(batches: Sequence[pa.RecordBatch], width: int) -> list[tuple[Any, ...]]:
    """The values of each row, and its line if it is irregular."""
    rows: list[tuple[Any, ...]] = []
    for batch in batches:
        columns = [column.to_pylist() for column in batch.columns]
        if len(columns) == width:
            columns.append([None] * batch.num_rows)
        rows += zip(*columns, strict=True)
    return rows


def _read(text: str | bytes) -> list[tuple[Any, ...]]:
    """Rows of a text whose header has three names."""
    data = text.encode() if isinstance(text, str) else text
    rows = _rows(_batches(io.BytesIO(data)), 3)
    assert len(rows) == count_lines([data]) - 1
    return rows


def _file(folder: Path, content: bytes, name: str = "yellow_tripdata_2009-01.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    return path


ROW = ("1", "x", None, None)


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c\r\n1,x,\r\n1,x,\r\n", "a,b,c\n1,x,\n1,x,\n", "a,b,c\n\r\n1,x,\r\n1,x,\r\n",
        "a,b,c\r\n1,x,,,\r\n1,x,,,\r\n", "a,b,c\r\n1,x,,,\r\n1,x,\r\n", "a,b,c\r\n1,x,\r\n1,x,,,",
        "a, b, c\n\r\n1,x,\r\n1,x,\r\n", "a,b,c \n1,x,\n1,x,\n", "a,b,c\n1,x,\n1,x,",
        "\n\r\na,b,c\n\n1,x,\n\n\r\n\r\n1,x,\n\n", "\ufeffa,b,c\n1,x,\n1,x,\r",
        '"a","b","c"\r\n"1","x",""\r\n1,x,', '\ufeff"a", "b" ,c\n1,x,\n1,x,',
    ],
)  # fmt: skip
def test_every_layout_that_tlc_used_reads_as_regular_rows(text: str) -> None:
    with open_csv(io.BytesIO(text.encode()), "the file") as file:
        assert file.schema == pa.schema([(name, pa.string()) for name in "abc"])
    (batch,) = _batches(io.BytesIO(text.encode()))
    assert batch.schema.names == ["a", "b", "c"]
    assert _read(text) == [ROW, ROW]


@pytest.mark.parametrize(
    "line",
    [
        b"1,x", b"1", b"  ", b"1,x,,9", b"1,x,y, ", b'1,"x,y', b'1,"x', b'1,x,"', b"1,x,\xff",
        b"1,\xed\xa0\x80,x", b"1,x\ry,z", b"\0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_an_irregular_line_is_kept_and_shifts_no_other_row(line: bytes, place: int) -> None:
    lines = [b"1,x,", b"1,x,", b"1,x,"]
    lines.insert(place, line)
    expected: list[tuple[Any, ...]] = [ROW, ROW, ROW]
    expected.insert(place, (None, None, None, line.decode(errors="backslashreplace")))
    for end in (b"\n", b"\r\n"):
        text = b"a,b,c" + end + end.join(lines)
        assert _read(text) == expected
        assert _read(text + end) == expected
        assert _read(text + end + end) == expected


def test_a_second_return_is_no_blank_line() -> None:
    assert _read("a,b,c\r\r\n\r\r\n1,x,\r\r\n") == [(None, None, None, "\r"), ROW]


def test_a_return_within_a_line_ends_no_row() -> None:
    text = "a,b,c\n1,x,\n\r\r\n1,x,\r1,x,\n1,x,\n"  # as many rows where it does
    irregular = [(None, None, None, "\r"), (None, None, None, "1,x,\r1,x,")]
    assert _read(text) == [ROW, *irregular, ROW]


def test_a_value_beyond_the_header_is_irregular_among_wide_rows() -> None:
    assert _read("a,b,c\n1,x,,,\n1,x,,,9\n1,x,,,\n") == [ROW, (None, None, None, "1,x,,,9"), ROW]


def test_only_the_header_loses_a_byte_order_mark() -> None:
    assert _read("\ufeffa,b,c\n\ufeff1,x,\n") == [("\ufeff1", "x", None, None)]


TOKENS = (b"x", b"1", b",", b",", b'"', b"\n", b"\r\n", b"\r", b" ", b"\0", b"\v", b"\xc2\x85",
          b"\xef\xbb\xbf", b"\xff", b"\\")  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(TOKENS), max_size=30).map(b"".join), st.integers(1, 3))
def test_the_quick_way_reads_what_the_slow_way_reads(lines: bytes, width: int) -> None:
    each = csv_rows._parse_each(lines, width)
    assert {len(column) for column in each} == {count_lines([lines])}
    assert csv_rows._parse_all(lines, width) in (None, each)


def test_values_are_left_as_published() -> None:
    assert _read('a,b,c\n 1 ,"x, ""y""",é\n"",NULL,nan\n.50,"a"b,c"d\n') == [
        (" 1 ", 'x, "y"', "é", None),
        (None, "NULL", "nan", None),
        (".50", "ab", 'c"d', None),
    ]


def test_two_columns_of_one_name_stay_two() -> None:
    (batch,) = _batches(io.BytesIO(b"a,b,a\n1,2,3\n"))
    assert batch.schema.names == ["a", "b", "a"]
    assert [column.to_pylist() for column in batch.columns] == [["1"], ["2"], ["3"]]


def test_only_a_batch_with_irregular_rows_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "BATCH_ROWS", 2)
    batches = _batches(io.BytesIO(b"a,b\n1,2\n3,4\n5\n6,7\n8,9\n"))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert [batch.schema.names[2:] for batch in batches] == [[], [IRREGULAR_ROW], []]


def test_batches_are_bounded_by_rows_and_by_bytes() -> None:
    full, rest = divmod(300_000, BATCH_ROWS)
    short = _batches(io.BytesIO(b"a\n" + b"1\n" * 300_000))
    assert [batch.num_rows for batch in short] == [BATCH_ROWS] * full + [rest]
    line = b"1," + b"x" * 997 + b"\n"
    assert max(batch.nbytes for batch in _batches(io.BytesIO(b"a,b\n" + line * 40_000))) < 18e6


CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n") | st.sampled_from('",  x1')
)
REGULAR = st.tuples(
    st.lists(CELLS, min_size=3, max_size=3),
    st.sampled_from([0, 0, 0, 2, 3]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
PLAIN = st.text(st.sampled_from('x1,.- "é'))
IRREGULAR = st.one_of(
    st.sampled_from([b"1,2", b"1", b" ", b"1,2,3,4", b'1,"2,3', b'"', b"1,2,\xff"]),
    PLAIN.map(lambda text: text.replace(",", "").encode() + b".,2"),  # too few
    PLAIN.map(lambda text: b"1,2,3,," + text.replace('"', "").encode() + b"."),  # too many
    PLAIN.map(lambda text: b'1,2,"' + text.replace('"', "").encode()),  # an open quote
    PLAIN.map(lambda text: b"1,2,3\xc3" + text.replace('"', "").encode()),  # not UTF-8
)
ENDS = st.sampled_from([b"\n", b"\r\n"])


def _line(cells: Sequence[str], surplus: int, quoting: Any) -> bytes:
    written = io.StringIO()
    csv.writer(written, quoting=quoting, lineterminator="").writerow([*cells, *[""] * surplus])
    return written.getvalue().encode()


@settings(max_examples=200)
@given(
    lines=st.lists(st.tuples(REGULAR | IRREGULAR | st.just(b""), ENDS), max_size=30),
    end=st.sampled_from([b"", b"\n", b"\r\n", b"\n\r\n"]),
    cut=st.tuples(st.integers(1, 100), st.integers(1, 10), st.integers(1, 5)),
    packed=st.booleans(),
)
def test_every_line_becomes_one_row_wherever_the_file_is_cut(
    lines: list[Any],
    end: bytes,
    cut: tuple[int, int, int],
    packed: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    chunk_bytes, batch_rows, pieces = cut
    texts = [(_line(*line) if isinstance(line, tuple) else line, end) for line, end in lines]
    content = b"a,b,c\r\n" + b"".join(line + end for line, end in texts).rstrip(b"\r\n") + end
    expected: list[tuple[Any, ...]] = []
    for (line, _), (kind, _) in zip(texts, lines, strict=True):
        if isinstance(kind, tuple):
            fields = next(csv.reader([line.decode()]))
            expected.append((*(value or None for value in fields[:3]), None))
        elif line:
            expected.append((None, None, None, line.decode(errors="backslashreplace")))
    name = "a.csv.gz" if packed else "a.csv"
    path = _file(tmp_path_factory.mktemp("csv"), content, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "CHUNK_BYTES", chunk_bytes)
        patch.setattr(csv_file, "BATCH_ROWS", batch_rows)
        patch.setattr(csv_file, "_PIECES", pieces)
        batches = _batches(path)
        if expected:
            assert count_rows(path, "the file") == len(expected)
    assert _rows(batches, 3) == expected
    assert all(0 < batch.num_rows <= batch_rows for batch in batches)


@given(
    text=st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"x", b" ", b","])).map(
        b"".join
    ),
    sizes=st.lists(st.integers(1, 5), min_size=1),
)
def test_lines_are_counted_and_cut_alike_wherever_the_chunks_end(
    text: bytes, sizes: list[int]
) -> None:
    chunks, rest = [], text
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    chunks = [chunk for chunk in (*chunks, rest) if chunk]
    expected = sum(bool(line.removesuffix(b"\r")) for line in text.split(b"\n"))
    assert count_lines(chunks) == expected
    pieces = list(cut_at_line_ends(chunks))
    assert b"".join(pieces) == text
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert sum(count_lines([piece]) for piece in pieces) == expected


@pytest.mark.parametrize("month", GREEN)
def test_real_months_read_as_other_readers_read_them(month: str, shared_tlc: Path) -> None:
    path = shared_tlc / "green" / f"green_tripdata_{month}.csv.gz"
    assert count_rows(path, path.name) == GREEN[month]
    read = pa.Table.from_batches(_batches(path))
    assert read.num_rows == GREEN[month]
    relation = duckdb.read_csv(str(path), header=True, all_varchar=True)
    assert read.equals(relation.to_arrow_table().cast(read.schema))
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    assert read.equals(pa.Table.from_pandas(frame, schema=read.schema, preserve_index=False))


def test_every_real_sample_reads_whole(shared_tlc: Path) -> None:
    paths = sorted((shared_tlc / "samples").glob("*.csv"))
    assert len(paths) == 11
    for path in paths:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
        batches = _batches(path)
        table = pa.Table.from_batches(batches)
        assert table.num_rows == count_rows(path, path.name) == len(frame), path.name
        assert table.column_names == list(frame.columns), path.name


ODD = {
    "<Error><Code>AccessDenied</Code></Error>": "XML or HTML",
    "\ufeff <html>": "XML or HTML",
    '{"error": true}': "JSON",
    "[]": "JSON",
    "version https://git-lfs.github.com/spec/v1\n": "a Git-LFS pointer",
    "PAR1\x15": "Parquet",
    "PK\x03\x04": "a ZIP archive",
}


@pytest.mark.parametrize(("text", "kind"), list(ODD.items()), ids=list(ODD.values()))
def test_what_is_not_csv_is_named(text: str, kind: str, tmp_path: Path) -> None:
    plain = _file(tmp_path, text.encode())
    with pytest.raises(SourceError, match=f"not a CSV file: found {kind}.*It was not landed"):
        count_rows(plain, "the file")
    packed = _file(tmp_path, text.encode(), "a.csv.gz")
    with pytest.raises(SourceError, match=f"not a CSV file: found gzip of {kind}"):
        count_rows(packed, "the file")
    unpacked = plain.rename(tmp_path / "b.csv.gz")
    with pytest.raises(SourceError, match=f"not a CSV file: found {kind}.*expected gzip of"):
        count_rows(unpacked, "the file")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "found nothing"), ("a.csv.gz", b"", "found gzip of nothing"),
        ("a.csv", gzip.compress(b"a,b\n1,2\n", mtime=0), "found gzip"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0), "found gzip of gzip"),
        ("a.csv", b"a,b,c\r\n", "holds no rows"), ("a.csv.gz", b"a,b,c\n\r\n\r\n", "holds no rows"),
        ("a.csv", b"\n", "holds no rows"),
    ],
)  # fmt: skip
def test_a_file_without_a_month_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=f"{message}.*the month stays as it was"):
        count_rows(_file(tmp_path, content, name), "the file")


def test_plain_text_under_a_name_of_gzip_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, b"a,b\n1,2\n").rename(tmp_path / "a.csv.gz")
    with pytest.raises(SourceError, match=r"found an unknown kind of file .*a,b.*expected gzip"):
        count_rows(path, "the file")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("green_tripdata_2019-09.lfs-pointer.csv.gz", "a Git-LFS pointer"),
        ("yellow_tripdata_2009-01.socrata-error-json.csv", "JSON"),
    ],
)
def test_real_damaged_files_are_refused(name: str, kind: str, shared_tlc: Path) -> None:
    with pytest.raises(SourceError, match=f"found {kind}"):
        count_rows(shared_tlc / "damaged" / name, name)


MONTH = b"a,b\r\n" + b"".join(b"%d,%d\r\n" % (i, i * i) for i in range(200_000))
PACKED = gzip.compress(MONTH, mtime=0)


def _with_wrong_byte(at: int) -> bytes:
    return PACKED[:at] + bytes([PACKED[at] ^ 0xFF]) + PACKED[at + 1 :]


DAMAGED = {
    "cut short": PACKED[: len(PACKED) // 2],
    "cut before its checksum": PACKED[:-8],
    "its last byte missing": PACKED[:-1],
    "a wrong checksum": _with_wrong_byte(len(PACKED) - 6),
    "a wrong length": _with_wrong_byte(len(PACKED) - 1),
    "a wrong byte within": _with_wrong_byte(len(PACKED) // 2),
    "a second member cut short": PACKED + PACKED[:1000],
    "something behind it": PACKED + b"something",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_gzip_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(DAMAGED[damage])
    with pytest.raises(SourceError, match=r"the file cannot be read to its end.*not landed"):
        count_rows(path, "the file")
    with pytest.raises(SourceError, match=r"the file cannot be read to its end.*stays as it was"):
        _batches(path)
    with pytest.raises(SourceError, match="cannot be read to its end"), path.open("rb") as stream:
        _batches(stream)


def test_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(PACKED + gzip.compress(b"") + gzip.compress(b"x,y") + gzip.compress(b"z\n"))
    assert count_rows(path, "the file") == 200_001
    assert _rows(_batches(path), 2)[-1] == ("x", "yz", None)


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "CHUNK_BYTES", 10)
    monkeypatch.setattr(text_lines, "LONGEST_LINE", 100)
    with pytest.raises(SourceError, match="a line of more than 100 bytes"):
        _batches(io.BytesIO(b"a,b\n1,2\n" + b"\0" * 200 + b"\n3,4\n"))


@pytest.mark.parametrize("text", [b"", b"\r\n\n", b"  \n1,2\n"])
def test_a_file_without_header_is_refused(text: bytes) -> None:
    with pytest.raises(SourceError, match="has no header"):
        _batches(io.BytesIO(text))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken disk"), ConnectionError("reset")])
@pytest.mark.parametrize("content", [MONTH, PACKED], ids=["plain", "gzip"])
def test_trouble_of_the_machine_is_not_the_files(error: OSError, content: bytes) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise error
            return super().read(size)

    with pytest.raises(type(error), match=str(error.args[-1])):
        _batches(Failing(content))


_PEAK = """
import sys
from pathlib import Path
from nyc_tlc.core.files.csv_file import open_csv, read_batches

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024

def rows(path):
    with open_csv(Path(path), "the file") as file:
        return sum(batch.num_rows for batch in read_batches(file, "the file"))

rows(sys.argv[1])
before = peak()
print(rows(sys.argv[2]), peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    line = b"2,2015-01-15 19:05:39,2015-01-15 19:23:42,1,1.59,-73.993896484375,40.750110626,1\r\n"
    header = gzip.compress(b"a,b,c,d,e,f,g,h\r\n")
    member = gzip.compress(line * 40_000, 1)
    small = tmp_path / "small.csv.gz"
    small.write_bytes(header + gzip.compress(line))
    large = tmp_path / "large.csv.gz"
    large.write_bytes(header + member * 100)
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(small), str(large)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 4_000_000
    assert 40_000 * len(line) * 100 > 300e6
    assert megabytes < 150
