"""Write the inputs that fuzzing begins with: `python -m qa.fuzz.seeds`.

Small and deterministic, made by the generators of the sample months. The fuzzer's own finds stand
beside them under their SHA-1.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embedded.samples.csv_months import write_csv_month
from embedded.samples.months import published_batches, published_schema, write_month
from embedded.samples.polygons import write_zone_polygons
from embedded.samples.zones import write_zone_lookup
from nyc_tlc.core.catalog.counts import Counts
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.lake.records import (
    Conformed,
    Landing,
    Manifest,
    StoredObject,
    Superseded,
    WarehouseJob,
    WarehouseLoad,
    render_record,
)
from qa.fuzz import answers
from qa.fuzz.targets import CORPUS
from qa.fuzz.trips_file import PARTITIONS
from qa.fuzz.zone_polygons import SEPARATOR

_ROWS = 4
_AT = datetime(2026, 11, 25, 1, 2, 3, 4, UTC)
_WALL_CLOCK = _AT.replace(tzinfo=None)


def main() -> None:
    for target, written in seeds().items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in written.items():
            (folder / f"seed-{name}").write_bytes(data)


def seeds() -> Mapping[str, Mapping[str, bytes]]:
    """By target and name."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        return {
            "parquet_file": dict(_parquet(folder)),
            "csv_file": dict(_csv(folder)),
            "lake_records": _records(),
            "lake_paths": _paths(),
            "http_source": _HTTP,
            "gcs_answers": _GCS,
            "months": _MONTHS,
            "zone_polygons": _polygons(folder),
            "zone_lookup": _lookup(folder),
        }


def _parquet(folder: Path) -> Iterator[tuple[str, bytes]]:
    tables = {}
    for partition in PARTITIONS:
        path = write_month(partition, _ROWS, folder)
        yield path.stem, path.read_bytes()
        tables[partition] = pq.read_table(path)
    table = tables[PARTITIONS[0]].replace_schema_metadata(None)
    yield "uncompressed", _written(table, compression="none")
    yield "pages-of-version-2", _written(table, compression="snappy", data_page_version="2.0")
    yield "a-group-for-each-row", _written(table.select([0, 1]), row_group_size=1)
    yield "plain", _written(table, compression="none", use_dictionary=False, store_schema=False)
    more: dict[str, list[object]] = {
        "a text": ["x", None, "", "é"],
        "a boolean": [True, None, False, True],
        "bytes": [b"\0", b"", None, b"\xff"],
        "decimals": [Decimal("1.5"), None, None, None],
        "days": [date(2020, 2, 1), None, None, None],
    }
    yield "unknown-columns", _written(_with(table, more), compression="none")
    nested: dict[str, list[object]] = {"a list": [[1], [], None, [2, None]]}
    yield "a-nested-column", _written(_with(table.select([0, 1]), nested), compression="none")
    yield "no-rows", _written(table.slice(0, 0).select([0]))
    yield "two-columns", _written(table.select([0, 1]), compression="none", store_schema=False)


def _with(table: pa.Table, columns: Mapping[str, list[object]]) -> pa.Table:
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    return table


def _written(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _csv(folder: Path) -> Iterator[tuple[str, bytes]]:
    for partition in PARTITIONS:
        schema = published_schema(partition, SourceFormat.CSV)
        batches = list(published_batches(partition, _ROWS, schema))
        for compressed in (False, True):
            path = write_csv_month(partition, batches, folder, compressed=compressed)
            yield path.name, path.read_bytes()
    yield "quotes", b'a,"b, c"\r\n1,"2"\r\n"3"" 4",\r\n"open,5\r\n'
    yield "blank-lines", b"\xef\xbb\xbfa,b\n\r\n\n1,2\r\n,,,\n \n"
    yield "gzip-of-two-members.gz", b"".join(gzip.compress(x, mtime=0) for x in (b"a\n1", b"\n2\n"))


def _records() -> Mapping[str, bytes]:
    stored = StoredObject(path="trips/part-0.parquet", bytes=1, generation=2**60, crc32c="AAAAAA==")
    counts = Counts(
        published=3, accepted=2, quarantined=1, by_reason={"pickup_missing": 1},
        by_flag={"zero_duration": 2}, first_pickup=_WALL_CLOCK, last_pickup=_WALL_CLOCK,
        by_day={"2026-11-25": 2},
    )  # fmt: skip
    landing = Landing(
        source_uri="https://192.0.2.1/x.parquet", etag='"v1"', last_modified=None, bytes=9,
        sha256="ab" * 32, rows=3, raw="raw/x.parquet",
    )  # fmt: skip
    month = {"service": "green", "month": "2020-02", "contract": "green/1"}
    conformed = Conformed(
        **month, vintage="2019-01", landing=landing, counts=counts, staged=(stored,)
    )
    manifest = Manifest(
        **month, vintage="2019-01", landing=landing, counts=counts, objects=(stored,),
        superseded=(Superseded(sha256="cd" * 32, raw="raw/y", contract="green/1"),),
        run="20261125T010203_1", published_at=_AT,
    )  # fmt: skip
    job = WarehouseJob(
        id="a", kind="load", rows=2, bytes_billed=0, slot_millis=5, ended_at=_AT,
    )  # fmt: skip
    load = WarehouseLoad(
        **month, warehouse="project.tlc", sha256="ab" * 32, objects=(stored,), jobs=(job,),
        run="20261125T010203_1", loaded_at=_AT,
    )  # fmt: skip
    records = {"landing": landing, "conformed": conformed, "manifest": manifest, "load": load}
    return {name: render_record(record) for name, record in records.items()}


def _paths() -> Mapping[str, bytes]:
    month = b"service=green/year=2020/month=02"
    return {
        "raw": b"raw/" + month + b"/abc.parquet",
        "manifest": b"manifests/" + month + b".json",
        "staged": b"staging/" + month + b"/0123456789abcdef_20261125T010203_1/trips.parquet",
        "stranger": b"trips/other/part-0.parquet",
    }


def _lookup(folder: Path) -> Mapping[str, bytes]:
    path = folder / "taxi_zone_lookup.csv"
    write_zone_lookup(path)
    whole = path.read_bytes()
    return {"whole": whole, "three-lines": b"".join(whole.splitlines(keepends=True)[:3])}


def _polygons(folder: Path) -> Mapping[str, bytes]:
    path = folder / "taxi_zones.zip"
    write_zone_polygons(path)
    with zipfile.ZipFile(path) as archive:
        shp, dbf, prj = (archive.read(f"taxi_zones.{suffix}") for suffix in ("shp", "dbf", "prj"))
    few = _few(shp, dbf, 3)
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive:
        for suffix, data in zip(("shp", "dbf", "prj"), (*few, prj), strict=True):
            archive.writestr(zipfile.ZipInfo(f"folder/taxi_zones.{suffix}"), data)
    return {
        "whole.zip": path.read_bytes(),
        "three-zones.zip": small.getvalue(),
        "three-zones": SEPARATOR.join((*few, prj)),
        "three-zones-without-prj": SEPARATOR.join(few),
    }


def _few(shp: bytes, dbf: bytes, zones: int) -> tuple[bytes, bytes]:
    """The first zones: of a square's record 136 bytes, of a table's row what its header says."""
    header, row = (int.from_bytes(dbf[at : at + 2], "little") for at in (8, 10))
    length = 100 + zones * 136
    return (
        shp[:24] + (length // 2).to_bytes(4, "big") + shp[28:length],
        dbf[:4] + zones.to_bytes(4, "little") + dbf[8 : header + zones * row] + b"\x1a",
    )


def _answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode() + body


def _in_turn(*given: bytes) -> bytes:
    return answers.SEPARATOR.join(given)


_ELSEWHERE = _answer("302 Found", "Location: http://198.51.100.1/x?y=1", "Content-Length: 0")
_WHOLE = _answer(
    "200 OK", 'ETag: "v1"', "Last-Modified: Wed, 25 Nov 2026 01:02:03 GMT", "Content-Length: 4",
    body=b"PAR1",
)  # fmt: skip
_HTTP = {
    "whole": _WHOLE,
    "rest": _answer(
        "206 Partial Content", 'ETag: "v1"', "Content-Range: bytes 12-15/16", "Content-Length: 4",
        body=b"PAR1",
    ),
    "not-modified": _answer("304 Not Modified", 'ETag: "known"'),
    "redirected": _in_turn(_ELSEWHERE, _WHOLE),
    "redirected-inside": _answer("301 Moved", "Location: http://169.254.169.254/"),
    "chunked": _answer(
        "200 OK", 'ETag: W/"v1"', "Transfer-Encoding: chunked", body=b"4\r\nPAR1\r\n0\r\n\r\n"
    ),
    "encoded": _answer("200 OK", "Content-Encoding: gzip", "Content-Length: 1", body=b"x"),
    "busy": _answer("503 Service Unavailable", "Retry-After: 120", "Content-Length: 0"),
    "busy-until": _answer(
        "429 Too Many Requests", "Retry-After: Wed, 25 Nov 2026 01:02:03 GMT", "Content-Length: 0"
    ),
    "absent": _answer("404 Not Found", "Content-Length: 0"),
    "range": _answer("416 Range Not Satisfiable", "Content-Range: bytes */4"),
}  # fmt: skip
_JSON = "Content-Type: application/json"
_OBJECT = (
    b'{"name": "manifests/service=green/year=2020/month=02.json", "size": "2", "crc32c": '
    b'"AAAAAA==", "generation": "5", "metageneration": "1", "id": "lake/x/5"}'
)


def _json(status: str, body: bytes, *headers: str) -> bytes:
    return _answer(status, _JSON, f"Content-Length: {len(body)}", *headers, body=body)


_GCS = {
    "read": _in_turn(
        _json("200 OK", _OBJECT),
        _answer(
            "200 OK", "Content-Length: 2", "X-Goog-Hash: crc32c=bZKAhQ==", "ETag: x", body=b"{}"
        ),
    ),
    "list": _json("200 OK", b'{"items": [' + _OBJECT + b'], "prefixes": ["a/"]}'),
    "copy": _in_turn(
        _json("200 OK", _OBJECT),
        _json("200 OK", b'{"done": true, "totalBytesRewritten": "2", "objectSize": "2", '
              b'"resource": ' + _OBJECT + b"}"),
    ),
    "absent": _json(
        "404 Not Found", b'{"error": {"message": "The specified bucket does not exist."}}'
    ),
    "refused": _json(
        "403 Forbidden",
        b'{"error": {"message": "a@b.gserviceaccount.com does not have storage.objects.get '
        b'access", "errors": [{"reason": "forbidden"}]}}',
    ),
    "changed": _json("412 Precondition Failed", b'{"error": {"message": "conditionNotMet"}}'),
    "busy": _json("429 Too Many Requests", b"{}", "Retry-After: 5"),
    "proxy": _answer("502 Bad Gateway", "Content-Length: 6", body=b"<html>"),
    "settings": _json(
        "200 OK",
        b'{"metageneration": "3", "softDeletePolicy": {"retentionDurationSeconds": "604800"}, '
        b'"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 3, '
        b'"matchesPrefix": ["staging/"]}}]}}',
    ),
}  # fmt: skip
_MONTHS = {
    "month": b"2024-01",
    "range": b"2023-11:2024-02",
    "year": b"2024",
    "latest": b"latest",
    "list": b"2024-01, 2024-02,2019",
    "services": b"green,yellow",
    "all": b"all",
}


if __name__ == "__main__":
    main()
