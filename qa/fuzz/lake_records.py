"""JSON that is read back from the lake, which others can write too: every kind of record."""

from __future__ import annotations

from pathlib import PurePosixPath

from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.lake.records import (
    Conformed,
    Landing,
    Manifest,
    StoredObject,
    WarehouseLoad,
    parse_record,
    render_record,
)
from qa.fuzz.oracle import require

Record = Landing | Conformed | Manifest | WarehouseLoad
KINDS: tuple[type[Record], ...] = (Landing, Conformed, Manifest, WarehouseLoad)
_PATH = "manifests/record.json"


def read(data: bytes) -> None:
    refused = 0
    for kind in KINDS:
        try:
            record = parse_record(kind, data, _PATH)
        except SourceError:
            refused += 1
            if refused == len(KINDS):
                raise
            continue
        written = render_record(record)
        again = parse_record(kind, written, _PATH)
        require(again == record, f"a {kind.__name__} came back another")
        require(render_record(again) == written, f"a {kind.__name__} is written in two ways")
        for path in _paths(record):
            require(_is_inside(path), f"the path {path!r} leads out of the lake")


def _paths(record: Record) -> list[str]:
    objects: tuple[StoredObject, ...] = ()
    if isinstance(record, Manifest | WarehouseLoad):
        objects = record.objects
    if isinstance(record, Conformed):
        objects = record.staged
    landing = record if isinstance(record, Landing) else getattr(record, "landing", None)
    raw = [landing.raw] if isinstance(landing, Landing) else []
    return [*raw, *(stored.path for stored in objects)]


def _is_inside(path: str) -> bool:
    whole = PurePosixPath("/lake") / path
    return whole.is_relative_to("/lake/") and ".." not in whole.parts and str(whole) != "/lake"
