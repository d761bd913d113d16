"""CSV files: every line accounted for, regular or not, and no other row shifted by it."""

import csv
import errno
import gzip
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files import csv_file, csv_rows
from nyc_tlc.core.files.csv_file import open_csv, read_batches
from nyc_tlc.core.files.csv_rows import count_lines, cut_at_line_ends
from nyc_tlc.core.files.parquet_file import BATCH_ROWS
from nyc_tlc.core.files.published_file import count_rows, is_sample

Row = tuple[str | None, ...]
NEXT = r"[Tt]he month stays as it was\. Check what the source serves[,.]"
"""How every refusal ends: what was left untouched, and the next step."""


def _batches(source: Any) -> list[pa.RecordBatch]:
    with open_csv(source, "the file") as file:
        return list(read_batches(file, "the file"))


def _rows(batches: Sequence[pa.RecordBatch], width: int) -> list[Row]:
    """The values of each row, and its line if it is irregular."""
    rows: list[Row] = []
    for batch in batches:
        columns = [column.to_pylist() for column in batch.columns]
        if len(columns) == width:
            columns.append([None] * batch.num_rows)
        rows += zip(*columns, strict=True)
    return rows


def _read(text: str | bytes) -> list[Row]:
    """Rows of a text whose header has three names."""
    data = text.encode() if isinstance(text, str) else text
    rows = _rows(_batches(io.BytesIO(data)), 3)
    assert len(rows) == count_lines(data) - 1
    return rows


def _count(folder: Path, content: bytes, name: str) -> int:
    path = folder / name
    path.write_bytes(content)
    return count_rows(path, "the file")


ROW = ("1", "x", None, None)


def _irregular(line: str) -> Row:
    return (None, None, None, line)


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c\r\n1,x,\r\n1,x,\r\n", "a,b,c\n1,x,\n1,x,\n", "a,b,c\n\r\n1,x,\r\n1,x,\r\n",
        "a,b,c\r\n1,x,,,\r\n1,x,,,\r\n", "a,b,c\r\n1,x,,,\r\n1,x,\r\n", "a,b,c\r\n1,x,\r\n1,x,,,",
        "a, b, c\n\r\n1,x,\r\n1,x,\r\n", "a,b,c \n1,x,\n1,x,\n", "a,b,c\n1,x,\n1,x,",
        "\n\r\na,b,c\n\n1,x,\n\n\r\n\r\n1,x,\n\n", "a\r,b,c\n1,x,\n1,x,\n",
        "\ufeffa,b,c\n1,x,\n1,x,\r",
        '"a","b","c"\r\n"1","x",""\r\n1,x,', '\ufeff"a", "b" ,c\n1,x,\n1,x,',
    ],
)  # fmt: skip
def test_every_layout_that_tlc_used_is_read_as_regular_rows(text):
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
def test_an_irregular_line_is_kept_and_shifts_no_other_row(line, place):
    lines, expected = [b"1,x,"] * 3, [ROW] * 3
    lines.insert(place, line)
    expected.insert(place, _irregular(line.decode(errors="backslashreplace")))
    for end in (b"\n", b"\r\n"):
        text = b"a,b,c" + end + end.join(lines)
        for ends in (b"", end, end + end):
            assert _read(text + ends) == expected


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b,c\r\r\n\r\r\n1,x,\r\r\n", [_irregular("\r"), ROW]),
        # As many rows where a stray return ends a row.
        ("a,b,c\n1,x,\n\r\r\n1,x,\r1,x,\n1,x,\n",
         [ROW, _irregular("\r"), _irregular("1,x,\r1,x,"), ROW]),
        ("a,b,c\n1,x,,,\n1,x,,,9\n1,x,,,\n", [ROW, _irregular("1,x,,,9"), ROW]),
        ("\ufeffa,b,c\n\ufeff1,x,\n", [("\ufeff1", "x", None, None)]),
        ('a,b,c\n 1 ,"x, ""y""",é\n"",NULL,nan\n.50,"a"b,c"d\n',
         [(" 1 ", 'x, "y"', "é", None), (None, "NULL", "nan", None), (".50", "ab", 'c"d', None)]),
    ],
    ids=["two returns", "a return in a line", "wide rows", "byte-order mark", "quotes, spaces"],
)  # fmt: skip
def test_values_and_lines_are_left_as_published(text, rows):
    assert _read(text) == rows


TOKENS = (b"x", b"1", b",", b",", b'"', b"\n", b"\r\n", b"\r", b" ", b"\0", b"\v", b"\xc2\x85",
          b"\xef\xbb\xbf", b"\xff", b"\\")  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(TOKENS), max_size=30).map(b"".join), st.integers(1, 3))
def test_the_quick_way_reads_what_the_slow_way_reads(lines, width):
    each = csv_rows._parse_each(lines, width)
    assert {len(column) for column in each} == {count_lines(lines)}
    assert csv_rows._parse_all(lines, width) in (None, each)


@pytest.mark.parametrize(
    ("header", "names"), [(b"a,b,a", ["a", "b", "a"]), (b"a,\xff,c\r \r", ["a", r"\xff", "c"])]
)
def test_a_name_is_kept_be_it_there_twice_or_no_text(header, names):
    (batch,) = _batches(io.BytesIO(header + b"\n1,2,3\n"))
    assert batch.schema.names == names
    assert [column.to_pylist() for column in batch.columns] == [["1"], ["2"], ["3"]]


def test_only_a_batch_with_irregular_rows_has_the_column(monkeypatch):
    monkeypatch.setattr(csv_file, "BATCH_ROWS", 2)
    batches = _batches(io.BytesIO(b"a,b\n1,2\n3,4\n5\n6,7\n8,9\n"))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert [batch.schema.names[2:] for batch in batches] == [[], [IRREGULAR_ROW], []]


def test_batches_are_bounded_by_rows_and_by_bytes():
    full, rest = divmod(300_000, BATCH_ROWS)
    short = _batches(io.BytesIO(b"a\n" + b"1\n" * 300_000))
    assert sum(batch.num_rows for batch in short) == full * BATCH_ROWS + rest
    assert max(batch.num_rows for batch in short) <= BATCH_ROWS
    assert len(short) <= full + 2
    line = b"1," + b"x" * 997 + b"\n"
    assert max(batch.nbytes for batch in _batches(io.BytesIO(b"a,b\n" + line * 40_000))) < 18e6


@pytest.mark.parametrize(("rows", "batch_rows"), [(4, [12, 12, 8]), (5, [11, 10, 11])])
def test_small_pieces_are_gathered_to_full_batches(rows, batch_rows, monkeypatch):
    monkeypatch.setattr(csv_file, "CHUNK_BYTES", rows * len(b"1\n"))
    monkeypatch.setattr(csv_file, "BATCH_ROWS", 12)
    batches = _batches(io.BytesIO(b"1234567\n" + b"1\n" * 32))
    assert [batch.num_rows for batch in batches] == batch_rows


@pytest.mark.parametrize(
    ("start", "generated"),
    [(b"\n\r\n\n", True), (b"\n\r\n", False), (b"", False), (b"\x1f\x8b", False)],
)
def test_a_sample_says_so_itself(start, generated):
    text = start + b"a,b\n1,2\n" * 9
    for content in (text, gzip.compress(text)):
        source = io.BytesIO(content)
        assert is_sample(source, "the file", SourceFormat.CSV) is generated
        assert source.read() == content


CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n") | st.sampled_from('",  x1')
)
REGULAR = st.tuples(
    st.lists(CELLS, min_size=3, max_size=3),
    st.sampled_from([0, 0, 0, 2, 3]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
PLAIN = st.text(st.sampled_from("x1,.- é"))
IRREGULAR = st.one_of(
    st.sampled_from([b"1,2", b"1", b" ", b"1,2,3,4", b'1,"2,3', b'"', b"1,2,\xff"]),
    PLAIN.map(lambda text: text.replace(",", "").encode() + b".,2"),  # too few
    PLAIN.map(lambda text: b"1,2,3,," + text.encode() + b"."),  # too many
    PLAIN.map(lambda text: b'1,2,"' + text.encode()),  # an open quote
    PLAIN.map(lambda text: b"1,2,3\xc3" + text.encode()),  # not UTF-8
)


def _line(cells: Sequence[str], surplus: int, quoting: Any) -> bytes:
    written = io.StringIO()
    csv.writer(written, quoting=quoting, lineterminator="").writerow([*cells, *[""] * surplus])
    return written.getvalue().encode()


@settings(max_examples=200)
@given(
    lines=st.lists(
        st.tuples(REGULAR | IRREGULAR | st.just(b""), st.sampled_from([b"\n", b"\r\n"])),
        max_size=30,
    ),
    end=st.sampled_from([b"", b"\n", b"\r\n", b"\n\r\n"]),
    cut=st.tuples(st.integers(1, 100), st.integers(1, 10), st.integers(1, 5)),
    packed=st.booleans(),
)
def test_every_line_becomes_one_row_wherever_the_file_is_cut(
    lines, end, cut, packed, tmp_path_factory
):
    content, expected = b"a,b,c\r\n", []
    for kind, line_end in lines:
        line = _line(*kind) if isinstance(kind, tuple) else kind
        content += line + line_end
        if isinstance(kind, tuple):
            fields = next(csv.reader([line.decode()]))
            expected.append((*(value or None for value in fields[:3]), None))
        elif line:
            expected.append(_irregular(line.decode(errors="backslashreplace")))
    content = content.rstrip(b"\r\n") + end
    path = tmp_path_factory.mktemp("csv") / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    with pytest.MonkeyPatch.context() as patch:
        for name, size in zip(("CHUNK_BYTES", "BATCH_ROWS", "_PIECES"), cut, strict=True):
            patch.setattr(csv_file, name, size)
        batches = _batches(path)
        if expected:
            assert count_rows(path, "the file") == len(expected)
    assert _rows(batches, 3) == expected
    assert all(0 < batch.num_rows <= cut[1] for batch in batches)


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"x", b" ", b","])).map(b"".join),
    st.lists(st.integers(1, 5), min_size=1),
)
def test_lines_are_cut_at_their_ends_and_counted(text, sizes):
    chunks, rest = [], text
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    pieces = list(cut_at_line_ends(chunk for chunk in (*chunks, rest) if chunk))
    assert b"".join(pieces) == text
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    lines = sum(bool(line.removesuffix(b"\r")) for line in text.split(b"\n"))
    assert sum(map(count_lines, pieces)) == count_lines(text) == lines


def packed(content: bytes) -> bytes:
    """Without a time of day, which pytest-xdist's workers would put into the names of cases."""
    return gzip.compress(content, mtime=0)


GZIP = packed(b"a,b\n1,2\n")
REFUSED: list[tuple[str, bytes, str]] = [
    *[
        case
        for text, kind in [
            ("<Error><Code>AccessDenied</Code></Error>", "XML or HTML"),
            ("\ufeff <html>", "XML or HTML"), ('{"error": true}', "JSON"), ("[]", "JSON"),
            ("version https://git-lfs.github.com/spec/v1\n", "a Git-LFS pointer"),
            ("PAR1\x15", "Parquet"), ("PK\x03\x04", "a ZIP archive"),
        ]
        for case in [
            ("a.csv", text.encode(), f"found {kind}.*expected a header and rows"),
            ("a.csv.gz", packed(text.encode()), f"found gzip of {kind}.*of a header"),
            ("a.csv.gz", text.encode(), f"found {kind}.*expected gzip of a header"),
        ]
    ],
    ("a.csv", b"", r"found nothing \(0 bytes"), ("a.csv", b"{" + b"x" * 40, r"b'{x{23}'"),
    ("a.csv.gz", packed(b""), "of nothing"),
    ("a.csv", GZIP, "found gzip"), ("a.csv.gz", packed(GZIP), "found gzip of gzip"),
    ("a.csv.gz", b"a,b\n1,2\n", "found an unknown kind of file .*a,b.*expected gzip of"),
    ("a.csv", b"a,b,c\r\n", "holds no rows"), ("a.csv", b"\n", "holds no rows"),
    ("a.csv.gz", packed(b"a,b,c\n\r\n\r\n"), "holds no rows"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "found"), REFUSED)
def test_what_is_not_csv_is_named(name, content, found, tmp_path):
    with pytest.raises(SourceError, match=f"^the file .*{found}.*was not landed; {NEXT}"):
        _count(tmp_path, content, name)


MONTH = b"a,b\r\n" + b"".join(b"%d,%d\r\n" % (i, i * i) for i in range(200_000))
PACKED = packed(MONTH)


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


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_gzip_is_refused(content, tmp_path):
    with pytest.raises(
        SourceError, match=rf"^the file cannot be read to its end.*\. It was not landed; {NEXT}"
    ):
        _count(tmp_path, content, "a.csv.gz")
    for source in (tmp_path / "a.csv.gz", io.BytesIO(content)):
        with pytest.raises(SourceError, match=f"^the file cannot be read to its end.*{NEXT}"):
            _batches(source)


def test_gzip_of_several_members_is_one_file(tmp_path):
    members = PACKED + gzip.compress(b"") + gzip.compress(b"x,y") + gzip.compress(b"z\n")
    assert _count(tmp_path, members, "a.csv.gz") == 200_001
    assert _rows(_batches(tmp_path / "a.csv.gz"), 2)[-1] == ("x", "yz", None)


@pytest.mark.parametrize(
    ("bound", "most", "name", "content", "found"),
    [
        ("csv_rows.LONGEST_LINE", 100, "a.csv", b"a,b\n1,2\n" + b"\0" * 200 + b"\n3,4\n",
         "a line of more than 100 bytes"),
        ("csv_file.MOST_GZIP_RATIO", 2, "a.csv.gz", packed(b"a,b\n" + b"1,2\n" * 1_000),
         "more than [0-9]+ bytes of text, 2 per byte"),
    ],
)  # fmt: skip
def test_a_bound_is_refused_when_exceeded(
    bound, most, name, content, found, tmp_path,
    monkeypatch
):  # fmt: skip
    monkeypatch.setattr(csv_file, "CHUNK_BYTES", 10)
    assert _count(tmp_path, content, name) > 0
    monkeypatch.setattr(f"nyc_tlc.core.files.{bound}", most)
    with pytest.raises(SourceError, match=found):
        _count(tmp_path, content, name)


def test_a_text_may_be_as_long_as_its_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "CHUNK_BYTES", 12)
    monkeypatch.setattr(csv_file, "MOST_GZIP_RATIO", 0)
    assert _count(tmp_path, b"a,b\n1,2\n3,4\n", "a.csv") == 2


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"", "has no header"), (b"\r\n\n", "has no header"), (b"  \n1,2\n", "has no header"),
        (b"," * 199 + b"\n1\n", None), (b"," * 200 + b"\n1\n", "201 columns, expected at most 200"),
        (b"x" * 200_000 + b"\n1\n", "cannot be read to its end"),
    ],
)  # fmt: skip
def test_a_header_names_1_to_200_columns(header, found):
    if found is None:
        assert len(_batches(io.BytesIO(header))[0].schema) == 201  # with the irregular row
        return
    with pytest.raises(SourceError, match=f"^the file .*{found}.*{NEXT}"):
        _batches(io.BytesIO(header))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken disk"), ConnectionError("reset")])
@pytest.mark.parametrize("content", [MONTH, PACKED], ids=["plain", "gzip"])
def test_a_failure_of_the_machine_is_not_the_files(error, content):
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
def test_memory_does_not_grow_with_the_file(tmp_path):
    line = b"2,2015-01-15 19:05:39,2015-01-15 19:23:42,1,1.59,-73.993896484375,40.750110626,1\r\n"
    header = gzip.compress(b"a,b,c,d,e,f,g,h\r\n")
    small, large = tmp_path / "small.csv.gz", tmp_path / "large.csv.gz"
    small.write_bytes(header + gzip.compress(line))
    large.write_bytes(header + gzip.compress(line * 40_000, 1) * 100)
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, small, large], capture_output=True, text=True, check=True
    )
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 4_000_000
    assert megabytes < 150 < rows * len(line) >> 20
