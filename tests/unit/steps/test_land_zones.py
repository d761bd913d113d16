"""The zones' names and polygons on their way into the lake, and out of it again."""

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from embedded.samples.polygons import write_zone_polygons
from embedded.samples.zones import write_zone_lookup
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.adapters.source.folder import FolderSource
from nyc_tlc.core.checksum import sha256_of_file
from nyc_tlc.core.errors import (
    ConfigurationError,
    ContractError,
    ReconciliationError,
    SourceError,
)
from nyc_tlc.core.zones.polygons import ZonePolygons
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.steps import land_zones as step

LANDING = "raw/taxi_zones/sample.json"


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    monkeypatch.setattr(step, "_parsed", {})


@pytest.fixture
def published(tmp_path):
    (tmp_path / "cdn" / "misc").mkdir(parents=True)
    path = tmp_path / "cdn" / "misc" / "taxi_zones.zip"
    write_zone_polygons(path)
    return path


@pytest.fixture
def ports(tmp_path, published):
    return Ports(
        source=FolderSource(tmp_path / "cdn"),
        lake=FolderLake(tmp_path / "lake"),
        warehouse=Mock(),
        ledger=Mock(),
        work_dir=tmp_path / "work",
    )


@pytest.fixture
def elsewhere(tmp_path):
    """A source that has no polygons, as the mirror of the CSV files."""
    (tmp_path / "mirror").mkdir()
    return FolderSource(tmp_path / "mirror")


def _landed(ports: Ports) -> tuple[ZonePolygons, str]:
    return step.landed_zone_polygons(ports, is_sample=True)


def _as_own(path: Path) -> None:
    """The same file without the column that says that it is a sample."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data.replace(b"sample\0", b"length\0"))


def test_polygons_are_landed_by_content_with_a_record(ports, published):
    sha256 = sha256_of_file(published)
    content = published.read_bytes()
    landing = step.land_zone_polygons(ports)
    assert landing.raw == f"raw/taxi_zones/{sha256}.zip"
    assert (landing.sha256, landing.rows, landing.bytes) == (sha256, 263, len(content))
    assert json.loads(_read(ports, LANDING))["raw"] == landing.raw
    assert _read(ports, landing.raw) == content
    assert not any(path.is_dir() for path in ports.work_dir.iterdir())


def _read(ports: Ports, path: str) -> bytes:
    record = ports.lake.read(path)
    assert record is not None
    return record[0]


def test_the_lookup_is_landed_by_content(ports, published):
    lookup = published.with_name("taxi_zone_lookup.csv")
    with pytest.raises(SourceError, match=r"zone lookup is missing: .* Check TLC_SOURCE_URL"):
        step.land_zone_lookup(ports)
    lookup.write_bytes(b"<Error/>")
    with pytest.raises(ContractError, match="is not the taxi zone lookup"):
        step.land_zone_lookup(ports)
    assert not list(ports.lake.list("raw/"))
    write_zone_lookup(lookup)
    landing = step.land_zone_lookup(ports)
    assert landing.raw == f"raw/taxi_zone/{sha256_of_file(lookup)}.csv"
    assert (landing.rows, landing.bytes) == (265, lookup.stat().st_size)
    assert _read(ports, landing.raw) == lookup.read_bytes()
    assert step.read_zone_lookup(landing.raw, ports.lake).num_rows == 265
    ports.lake.delete(landing.raw)
    with pytest.raises(ReconciliationError, match=r"is gone from the lake\. Run"):
        step.read_zone_lookup(landing.raw, ports.lake)
    assert not any(path.is_dir() for path in ports.work_dir.iterdir())


@pytest.mark.parametrize(
    ("land", "name"),
    [(step.land_zone_polygons, "taxi_zones.zip"), (step.land_zone_lookup, "taxi_zone_lookup.csv")],
)
def test_a_file_larger_than_any_of_zones_is_not_read(land, name, ports, published):
    with published.with_name(name).open("ab") as file:
        file.truncate(33 << 20)
    with pytest.raises(SourceError, match="34,603,008 bytes, expected at most 8,388,608"):
        land(ports)
    assert not list(ports.lake.list(""))
    assert not list(ports.work_dir.rglob("taxi_*"))


def test_unchanged_polygons_are_not_landed_again_and_a_revision_keeps_them(ports, published):
    first = step.land_zone_polygons(ports)
    before = ports.lake.stat(first.raw), ports.lake.stat(LANDING)
    assert step.land_zone_polygons(ports) == first
    assert (ports.lake.stat(first.raw), ports.lake.stat(LANDING)) == before
    published.write_bytes(published.read_bytes() + b"\0")
    second = step.land_zone_polygons(ports)
    assert second.sha256 != first.sha256
    assert ports.lake.stat(first.raw) is not None
    assert _landed(ports)[1] == second.sha256


def test_landed_polygons_serve_a_source_that_has_none(ports, elsewhere):
    landing = step.land_zone_polygons(ports)
    mirror = replace(ports, source=elsewhere)
    assert step.land_zone_polygons(mirror) == landing
    polygons, sha256 = _landed(mirror)
    assert sha256 == landing.sha256
    assert len(polygons.polygons) == 263


def test_no_polygons_anywhere_says_where_to_get_them(ports, elsewhere):
    mirror = replace(ports, source=elsewhere)
    for attempt in (step.land_zone_polygons, _landed):
        with pytest.raises(SourceError, match="tlc_zones once with TLC_SOURCE_URL set to TLC's"):
            attempt(mirror)


def test_first_use_lands_and_later_ones_do_not_ask_the_source(ports):
    polygons, sha256 = _landed(ports)
    assert ports.lake.stat(f"raw/taxi_zones/{sha256}.zip") is not None
    source = Mock()
    assert _landed(replace(ports, source=source)) == (polygons, sha256)
    source.fetch.assert_not_called()


def test_a_process_parses_them_once_however_many_workers_ask(ports, monkeypatch):
    step.land_zone_polygons(ports)
    parse = Mock(wraps=step.parse_zone_polygons)
    monkeypatch.setattr(step, "parse_zone_polygons", parse)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _landed(ports), range(16)))
    assert parse.call_count == 1
    assert all(answer[0] is answers[0][0] for answer in answers)


def test_what_is_not_the_polygons_is_not_landed(ports, published):
    landing = step.land_zone_polygons(ports)
    published.write_bytes(b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(ContractError, match="is not the taxi zones' polygons"):
        step.land_zone_polygons(ports)
    assert [stored.path for stored in ports.lake.list("raw/")] == sorted([landing.raw, LANDING])
    assert not list(ports.work_dir.rglob("*.zip"))


def test_months_of_either_kind_get_their_own_zones(ports, published):
    """Sample zones landed by a demo are never those of a real month, nor the reverse."""
    samples = step.land_zone_polygons(ports)
    with pytest.raises(ConfigurationError, match="TLC's own and the zones of the source are samp"):
        step.landed_zone_polygons(ports)
    _as_own(published)
    own, sha256 = step.landed_zone_polygons(ports)
    assert (own.is_sample, sha256 == samples.sha256) == (False, False)
    assert _landed(ports)[1] == samples.sha256
    assert step.land_zone_polygons(ports).sha256 == sha256

    write_zone_polygons(published)  # a demo later: the stores keep TLC's own
    assert step.land_zone_polygons(ports).sha256 == sha256
    assert step.landed_zone_polygons(ports)[1] == sha256


def test_a_sample_month_gets_no_real_zones(ports, published):
    _as_own(published)
    with pytest.raises(ConfigurationError, match="a sample and the zones of the source are TLC's"):
        _landed(ports)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [Path.unlink, _cut], ids=["gone", "cut"])
def test_lost_polygons_are_landed_again(damage, ports, tmp_path):
    landing = step.land_zone_polygons(ports)
    damage(tmp_path / "lake" / landing.raw)
    assert _landed(ports)[1] == landing.sha256
    assert sha256_of_file(tmp_path / "lake" / landing.raw) == landing.sha256


def test_changed_bytes_of_the_same_length_are_refused(ports, tmp_path):
    landing = step.land_zone_polygons(ports)
    path = tmp_path / "lake" / landing.raw
    path.write_bytes(bytes(landing.bytes))
    with pytest.raises(ReconciliationError, match=r"are damaged: .*Delete that object"):
        _landed(ports)
    path.unlink()
    assert _landed(ports)[1] == landing.sha256
    path.unlink()
    with pytest.raises(ReconciliationError, match="found nothing"):
        step.read_zone_polygons(landing.raw, ports.lake)
