"""Land the taxi zones' polygons, and give the landed ones to what looks up coordinates."""

from __future__ import annotations

import hashlib
import threading

from nyc_tlc.core.errors import ContractError, ReconciliationError, SourceError
from nyc_tlc.core.lake.records import Landing, parse_record, render_record
from nyc_tlc.core.limits import MOST_ZONE_BYTES
from nyc_tlc.core.zones.polygons import FILE_NAME, POLYGONS, ZonePolygons, parse_zone_polygons
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.source import Fetched, SourceFileAbsentError
from nyc_tlc.steps.land import landing_of
from nyc_tlc.steps.work_folder import work_folder

_FOLDER = "raw/taxi_zones"
_LANDING = f"{_FOLDER}/landing.json"
_parsed: dict[str, ZonePolygons] = {}
"""The polygons in use by the SHA-256 of their file: 0.4 s to make, for every month of a run."""
_turn = threading.Lock()


def landed_zone_polygons(ports: Ports) -> tuple[ZonePolygons, str]:
    """The polygons landed last and the SHA-256 of their file; landed now if none were before.

    Raises:
        SourceError: neither the lake nor the source has them.
        ContractError: what the source has is something else.
        ReconciliationError: the landed file is damaged.
    """
    with _turn:
        landing = _landed(ports.lake) or land_zone_polygons(ports)
        if landing.sha256 not in _parsed:
            polygons = read_zone_polygons(landing.raw, ports.lake)
            _parsed.clear()
            _parsed[landing.sha256] = polygons
        return _parsed[landing.sha256], landing.sha256


def land_zone_polygons(ports: Ports) -> Landing:
    """Bring the newest published polygons into ``raw/``, by content.

    Where the source has none (the mirror of the CSV files), those landed before stay.

    Raises:
        SourceError: there are none either.
        ContractError: what the source has is something else.
    """
    with work_folder(ports.work_dir, "land_zone_polygons") as folder:
        known = _landed(ports.lake)
        try:
            fetched = ports.source.fetch(
                f"misc/{FILE_NAME}", folder, unless_etag=known.etag if known else None
            )
        except SourceFileAbsentError as error:
            if known is None:
                raise _absent(error) from error
            return known
        landing = _store(fetched, ports.lake) if fetched else known
    assert landing is not None  # noqa: S101 - "not modified" answers only a known version
    return landing


def zone_file(fetched: Fetched) -> bytes:
    """What was fetched, read whole.

    Raises:
        ContractError: it is larger than any zone file; it is deleted.
    """
    if fetched.bytes > MOST_ZONE_BYTES:
        fetched.path.unlink()
        raise ContractError(
            f"{fetched.uri} is no zone file: {fetched.bytes:,} bytes, expected at most "
            f"{MOST_ZONE_BYTES:,}. The zones stay as they were. Look at what the source serves."
        )
    return fetched.path.read_bytes()


def read_zone_polygons(path: str, lake: Lake) -> ZonePolygons:
    """Landed polygons.

    Raises:
        ReconciliationError: the object is gone, or is not what was landed under this name.
    """
    record = lake.read(path)
    found = f"other bytes (SHA-256 {_sha256(record[0])[:12]}…)" if record else "nothing"
    if record is None or path != _raw(_sha256(record[0])):
        raise ReconciliationError(
            f"the landed zone polygons {path} are damaged: found {found}. Nothing was changed. "
            f"Delete {_LANDING} and run the pipeline tlc_zones; it lands them anew."
        )
    return parse_zone_polygons(record[0])


def _landed(lake: Lake) -> Landing | None:
    record = lake.read(_LANDING)
    if record is None:
        return None
    landing = parse_record(Landing, record[0], _LANDING)
    stored = lake.stat(landing.raw)
    return landing if stored is not None and stored.bytes == landing.bytes else None


def _store(fetched: Fetched, lake: Lake) -> Landing:
    data = zone_file(fetched)
    try:
        parse_zone_polygons(data)
    except ContractError:
        fetched.path.unlink()
        raise
    landing = landing_of(fetched, POLYGONS, _raw(fetched.sha256))
    lake.upload(fetched.path, landing.raw)
    lake.write(_LANDING, render_record(landing), if_generation=None)
    return landing


def _raw(sha256: str) -> str:
    return f"{_FOLDER}/{sha256}.zip"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _absent(error: SourceFileAbsentError) -> SourceError:
    return SourceError(
        f"the taxi zones' polygons are missing: {error}, and none were landed before. Nothing was "
        "changed. Run the pipeline tlc_zones once with TLC_SOURCE_URL set to TLC's CDN: what it "
        "lands is used from then on, whatever the source."
    )
