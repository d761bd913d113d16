"""The commit record of a month: nothing but what was written is believed.

qa/fuzz holds of any bytes that a record which is read comes back as it is, and that others are
refused.
"""

import json
from datetime import datetime
from typing import Any

import pytest

from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.lake.records import (
    Conformed,
    Landing,
    Manifest,
    Superseded,
    parse_record,
    render_record,
)
from tests.unit.records import COUNTS, LANDING, MANIFEST, stored

PATH = "manifests/service=green/year=2024/month=01.json"
SECRET = "hunter2-from-a-stolen-object"

_MANIFEST = MANIFEST.model_copy(update={
    "landing": LANDING.model_copy(update={"etag": None}),
    "counts": COUNTS.model_copy(update={
        "first_pickup": datetime(2023, 12, 31, 23, 59, 59, 1),  # noqa: DTZ001 - wall clock
    }),
    "objects": (stored("trips/part-0.parquet", generation=2**60),),
    "superseded": (Superseded(sha256="0", raw="raw/0.parquet", contract="green/0"),),
    "published_at": datetime.fromisoformat("2024-03-26T01:02:03.000004+00:00"),
})  # fmt: skip


def test_a_record_is_json_that_people_can_read_and_is_read_as_its_own_kind():
    text = render_record(_MANIFEST).decode()
    document = json.loads(text)
    assert text.count("\n") > 20
    assert document["landing"]["etag"] is None
    assert document["counts"]["first_pickup"] == "2023-12-31T23:59:59.000001"
    assert document["published_at"] == "2024-03-26T01:02:03.000004Z"
    assert document["objects"][0]["generation"] == 2**60
    assert parse_record(Manifest, text.encode(), PATH) == _MANIFEST
    with pytest.raises(SourceError, match="is not a landing record"):
        parse_record(Landing, text.encode(), PATH)


@pytest.mark.parametrize("later", [{"zone_polygons": "17b2" * 16, "warning": "odd"}, {}])
def test_a_manifest_from_before_coordinates_and_warnings_is_read(later):
    document = json.loads(render_record(_MANIFEST))
    assert (document.pop("zone_polygons"), document.pop("warning")) == ("", "")
    read = parse_record(Manifest, json.dumps({**document, **later}).encode(), PATH)
    assert read == _MANIFEST.model_copy(update=later)


def test_what_conform_wrote_before_coordinates_is_read():
    made = _MANIFEST.model_dump(include=set(Conformed.model_fields) - {"zone_polygons"})
    conformed = Conformed(**made, staged=())
    older = conformed.model_dump_json(exclude={"zone_polygons"}).encode()
    assert parse_record(Conformed, older, PATH) == conformed


def _spoiled(**changes: Any) -> bytes:
    document = json.loads(render_record(_MANIFEST))
    return json.dumps({**document, **changes}).encode()


@pytest.mark.parametrize(
    ("hostile", "where"),
    [
        (b"", "document"),
        (b"{", "document"),
        (b"null", "document"),
        (b"[]", "document"),
        (json.dumps(SECRET).encode(), "document"),
        (b"<Error><Code>AccessDenied</Code><Key>hunter2-from-a-stolen-object</Key></Error>",
         "document"),
        (b"\xff\xfe\x00hunter2-from-a-stolen-object", "document"),
        (render_record(_MANIFEST)[:-40], "document"),
        (b"[" * 100_000, "document"),
        (b"{}", "service"),
        (_spoiled(service=None), "service"),
        (_spoiled(run=[SECRET]), "run"),
        (_spoiled(published_at=SECRET), "published_at"),
        (_spoiled(landing=SECRET), "landing"),
        (_spoiled(objects=[{"path": SECRET}]), "objects.0.bytes"),
        (_spoiled(surprise=SECRET), "surprise"),
        (_spoiled(zone_polygons=[SECRET]), "zone_polygons"),
        (_spoiled(counts={"published": SECRET}), "counts.published"),
        (_spoiled(objects=[{"path": "p", "bytes": 1.5, "generation": 1, "crc32c": ""}]),
         "objects.0.bytes"),
    ],
)  # fmt: skip
def test_a_hostile_object_is_a_source_error_that_repeats_nothing_of_it(hostile, where):
    with pytest.raises(SourceError) as caught:
        parse_record(Manifest, hostile, PATH)
    message = str(caught.value)
    assert f"lake object {PATH} is not a manifest record ({where}: " in message
    assert SECRET not in message
    for pydantic in ("input_value", "pydantic", "validation error", "https://errors"):
        assert pydantic not in message
    assert "Nothing was changed. Delete that object and run the month again" in message


def test_a_record_longer_than_a_megabyte_is_not_parsed():
    most = 1 << 20
    told = {most: "document: Invalid JSON: EOF", most + 1: "1,048,577 bytes, expected 1,048,576 at"}
    for length, found in told.items():
        with pytest.raises(SourceError, match=rf"landing record \({found}"):
            parse_record(Landing, b" " * length, PATH)


@pytest.mark.parametrize(
    "path", ["", "/raw/a", "raw/", "raw//a", "../a", "raw/../a", "raw/./a", "raw/a\n", "raw\\a"]
)
def test_a_record_that_names_an_object_outside_the_lake_is_refused(path):
    record = {"sha256": "", "raw": path, "contract": ""}
    with pytest.raises(SourceError, match=r"\(raw: Value error, expected a path inside the lake\)"):
        parse_record(Superseded, json.dumps(record).encode(), PATH)
    inside = json.dumps({**record, "raw": "raw/..a/b.c"}).encode()
    assert parse_record(Superseded, inside, PATH).raw == "raw/..a/b.c"


def test_versions_that_take_turns_are_each_superseded_once_the_newest_first():
    manifest = _MANIFEST.model_copy(update={"superseded": ()})
    contents = ["a", "b", "c", "a", "b", "b", "a"]
    for content in contents:
        landing = _MANIFEST.landing.model_copy(
            update={"sha256": content, "raw": f"raw/{content}.parquet"}
        )
        manifest = manifest.model_copy(
            update={"superseded": manifest.superseded_by(landing), "landing": landing}
        )
    found = [(version.sha256, version.raw) for version in manifest.superseded]
    first = (_MANIFEST.landing.sha256, _MANIFEST.landing.raw)
    assert found == [("b", "raw/b.parquet"), ("c", "raw/c.parquet"), first]
