"""The zone lookup in every spelling in which it is found, and what is not one."""

import hashlib
from collections import Counter

import pytest

from embedded.samples.zones import write_zone_lookup
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.zones.lookup import SCHEMA, ZONES, is_sample, parse_zones

HEADER = ["LocationID", "Borough", "Zone", "service_zone"]


def _cells() -> list[list[str]]:
    zones = [[str(i), "Queens", f"Zone {i}", "Boro Zone"] for i in range(1, 264)]
    return [*zones, ["264", "Unknown", "N/A", "N/A"], ["265", "N/A", "Outside of NYC", "N/A"]]


def _lookup(
    cells: list[list[str]], header: list[str] = HEADER, newline: str = "\r\n", quote: str = '"'
) -> bytes:
    lines = [",".join(f"{quote}{cell}{quote}" for cell in row) for row in [header, *cells]]
    return (newline.join(lines) + newline).encode()


def _rows(data: bytes) -> list[list[object]]:
    zones = parse_zones(data)
    assert zones.schema == SCHEMA
    return [list(row.values()) for row in zones.to_pylist()]


@pytest.mark.parametrize("newline", ["\r\n", "\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize("quote", ['"', ""], ids=["quoted", "bare"])
@pytest.mark.parametrize("spelling", ["LocationID", "locationid", "location_id", " LocationID "])
def test_every_spelling_of_the_lookup_is_the_same_table(spelling, quote, newline):
    data = _lookup(_cells(), [spelling, *HEADER[1:]], newline, quote)
    expected = [[int(row[0]), *row[1:]] for row in _cells()]
    assert _rows(data) == expected
    assert _rows(b"\xef\xbb\xbf" + data.removesuffix(newline.encode())) == expected


def test_columns_and_rows_may_come_in_any_order():
    backwards = [row[::-1] for row in _cells()[::-1]]
    assert _rows(_lookup(backwards, HEADER[::-1])) == _rows(_lookup(_cells()))


def test_every_cell_is_kept_as_the_text_that_it_is():
    cells = _cells()
    cells[0][3] = ""
    cells[1][1:] = ["NULL", "nan", "NA"]
    cells[55][2] = cells[56][2] = "Corona"
    cells[102][2] = "Governor's Island/Ellis Island/Liberty Island, café"
    found = _rows(_lookup(cells))
    assert [row[1:] for row in found] == [row[1:] for row in cells]
    assert found[264] == [265, "N/A", "Outside of NYC", "N/A"]
    assert not is_sample(parse_zones(_lookup(cells)))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (_lookup(_cells()[:-1]), "found 264 rows with 264 ids"),
        (_lookup(_cells()[1:]), "found 264 rows with 264 ids"),
        (_lookup([*_cells(), ["266", "a", "b", "c"]]), "found 266 rows with 266 ids"),
        (_lookup([*_cells(), _cells()[0]]), "found 266 rows with 265 ids"),
        (_lookup([*_cells()[:-1], _cells()[0]]), "found 265 rows with 264 ids"),
        (_lookup([["0", "a", "b", "c"], *_cells()[1:]]), "found 265 rows with 265 ids"),
        (_lookup([]), "found 0 rows"),
        (_lookup([["70000", "a", "b", "c"]]), "70000"),
        (_lookup([["1.5", "a", "b", "c"]]), "1.5"),
        (_lookup([["one", "a", "b", "c"]]), "one"),
        (_lookup([["", "a", "b", "c"]]), "int16"),
        (_lookup(_cells(), ["OBJECTID", *HEADER[1:]]), "found the columns objectid"),
        (_lookup([row[:3] for row in _cells()], HEADER[:3]), "found the columns location_id"),
        (_lookup(_cells(), ["LocationID", "location_id", "Zone", "Borough"]), "found the columns"),
        (_lookup([["1", "a", "b"]]), "Expected 4 columns, got 3"),
        (b'{"code": "dataset.missing", "error": true, "message": "Not found"}', "CSV"),
        (b'{"error": true}\n{"error": true}\n', "found"),
        (b"<Error><Code>AccessDenied</Code></Error>", "CSV"),
        (b"<Error>\n<Code>AccessDenied</Code>\n</Error>\n", "found the columns <error>"),
        (b"", "Empty CSV"),
        (b"\n", "Empty CSV"),
        (_lookup([["1", "a", "b", "c"]]) + b"2,\xff,b,c\r\n", ""),
        (b"PAR1\x15\x04\xff\xfe\n1\n", ""),
        (b"\xff\xfeLocationID\n1\n", ""),
        ("LocationID,Borough,Zone,sérvice\n1,1,1,1\n".encode("latin-1"), ""),
        (_lookup([["2024-02-22", "a", "b", "c"]]), ""),
        (_lookup([["12:30:00", "a", "b", "c"]]), ""),
        (_lookup([["true", "a", "b", "c"]]), ""),
        (_lookup([["2024-02-22 12:30:00", "a", "b", "c"]]), ""),
    ],
)
def test_what_is_not_the_lookup_is_refused_and_says_what_was_found(data, found):
    with pytest.raises(ContractError) as caught:
        parse_zones(data)
    message = str(caught.value)
    assert message.startswith("taxi_zone_lookup.csv is not the taxi zone lookup: ")
    assert found in message
    assert (
        "expected the columns LocationID, Borough, Zone, service_zone and the ids 1..265, each "
        "once. The zones stay as they were. Look at what the source serves." in message
    )
    assert len(message) < 600


def test_the_sample_lookup_has_the_ends_of_lines_of_the_real_one(tmp_path):
    write_zone_lookup(tmp_path / "zones.csv")
    data = (tmp_path / "zones.csv").read_bytes()
    assert data.count(b"\r\n") == ZONES + 1
    zones = parse_zones(data)
    assert zones["zone"].to_pylist()[131] == "JFK Airport"
    assert is_sample(zones)


def test_the_real_lookup(shared_tlc):
    data = (shared_tlc / "zones" / "taxi_zone_lookup.csv").read_bytes()
    assert hashlib.sha256(data).hexdigest().startswith("1a99e105092230f8")
    zones = parse_zones(data)
    assert zones["location_id"].to_pylist() == list(range(1, 266))
    assert Counter(zones["borough"].to_pylist()) == {
        "Queens": 69, "Manhattan": 69, "Brooklyn": 61, "Bronx": 43, "Staten Island": 20,
        "EWR": 1, "Unknown": 1, "N/A": 1,
    }  # fmt: skip
    assert Counter(zones["service_zone"].to_pylist()) == {
        "Boro Zone": 205, "Yellow Zone": 55, "Airports": 2, "N/A": 2, "EWR": 1,
    }  # fmt: skip
    assert zones["zone"].to_pylist()[131] == "JFK Airport"


def test_a_lookup_of_a_million_columns_is_not_read():
    with pytest.raises(ContractError, match="found 2,000,002 bytes"):
        parse_zones((b"," * 1_000_000 + b"\n") * 2)
