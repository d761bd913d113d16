"""Land the taxi zones, names and polygons, and read the landed ones."""

import hashlib
import threading
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from nyc_tlc.core.errors import (
    ConfigurationError,
    ContractError,
    ReconciliationError,
    SourceError,
)
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Landing, render_record
from nyc_tlc.core.zones import lookup, polygons
from nyc_tlc.core.zones.lookup import parse_zones
from nyc_tlc.core.zones.polygons import ZonePolygons, parse_zone_polygons
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.source import Fetched, SourceFileAbsentError
from nyc_tlc.steps.land import landing_of
from nyc_tlc.steps.records import landed_at
from nyc_tlc.steps.staging import work_folder

T = TypeVar("T")

_LOOKUP, _POLYGONS = lake_paths.ZONE_LOOKUP_LANDING, lake_paths.ZONE_POLYGONS_LANDING
_parsed: dict[str, ZonePolygons] = {}
"""The polygons in use by the SHA-256 of their file: 0.4 s to make, for every month of a run."""
_turn = threading.Lock()


def land_zone_lookup(ports: Ports) -> Landing:
    """Bring the published lookup into ``raw/``, by content; one of TLC's own stays before a sample.

    Raises:
        SourceError: the source does not have it.
        ContractError: what it has is something else.
    """
    with work_folder(ports.work_dir, "land_zones") as folder:
        try:
            fetched = ports.source.fetch(f"misc/{lookup.FILE_NAME}", folder, unless_etag=None)
        except SourceFileAbsentError as error:
            raise SourceError(
                f"the taxi zone lookup is missing: {error}. The zones stay as they were. "
                "Check TLC_SOURCE_URL."
            ) from error
        assert fetched is not None  # noqa: S101 - asked for in any case
        landing = landing_of(fetched, lookup.ZONES, lake_paths.zone_lookup(fetched.sha256))
        zones = _store(fetched, parse_zones, landing, ports.lake)
        return _recorded(_LOOKUP, landing, ports.lake, is_sample=lookup.is_sample(zones))


def read_zone_lookup(path: str, lake: Lake) -> pa.Table:
    """The landed lookup.

    Raises:
        ReconciliationError: the object is gone.
    """
    record = lake.read(path)
    if record is None:
        raise ReconciliationError(f"{path} is gone from the lake. Run the pipeline again.")
    return parse_zones(record[0])


def land_zone_polygons(ports: Ports) -> Landing:
    """Bring the newest published polygons into ``raw/``, by content; TLC's own stay before samples.

    Where the source has none (the mirror of the CSV files), those landed before stay.

    Raises:
        SourceError: there are none either.
        ContractError: what the source has is something else.
    """
    with work_folder(ports.work_dir, "land_zone_polygons") as folder:
        samples = lake_paths.of_samples(_POLYGONS)
        known = landed_at(_POLYGONS, ports.lake) or landed_at(samples, ports.lake)
        try:
            fetched = ports.source.fetch(
                f"misc/{polygons.FILE_NAME}", folder, unless_etag=known.etag if known else None
            )
        except SourceFileAbsentError as error:
            if known is None:
                raise SourceError(
                    f"the taxi zones' polygons are missing: {error}, and none were landed before. "
                    "Nothing was changed. Run the pipeline tlc_zones once with TLC_SOURCE_URL set "
                    "to TLC's CDN: what it lands is used from then on, whichever the source."
                ) from error
            return known
        if fetched is None:
            assert known is not None  # noqa: S101 - "not modified" answers only a known version
            return known
        landing = landing_of(fetched, polygons.POLYGONS, lake_paths.zone_polygons(fetched.sha256))
        parsed = _store(fetched, parse_zone_polygons, landing, ports.lake)
        return _recorded(_POLYGONS, landing, ports.lake, is_sample=parsed.is_sample)


def landed_zone_polygons(ports: Ports, *, is_sample: bool = False) -> tuple[ZonePolygons, str]:
    """The polygons landed last and the SHA-256 of their file; landed now if none were before.

    TLC's own months never get the zones of samples.

    Raises:
        SourceError: neither the lake nor the source has them.
        ConfigurationError: the source has only those of the other kind.
        ContractError: what the source has is something else.
        ReconciliationError: the landed file is damaged.
    """
    with _turn:
        record = lake_paths.of_samples(_POLYGONS) if is_sample else _POLYGONS
        landing = landed_at(record, ports.lake)
        if landing is None:
            land_zone_polygons(ports)
            landing = landed_at(record, ports.lake)
        if landing is None:
            month, zones = ("a sample", "TLC's own") if is_sample else ("TLC's own", "samples")
            raise ConfigurationError(
                f"the month is {month} and the zones of the source are {zones}: they do not belong "
                "together. The month stays as it was. Check TLC_SOURCE_URL; for TLC's own zones "
                "run tlc_zones once with it empty."
            )
        if landing.sha256 not in _parsed:
            parsed = read_zone_polygons(landing.raw, ports.lake)
            _parsed.clear()
            _parsed[landing.sha256] = parsed
        return _parsed[landing.sha256], landing.sha256


def read_zone_polygons(path: str, lake: Lake) -> ZonePolygons:
    """Landed polygons.

    Raises:
        ReconciliationError: the object is gone, or is not what was landed under this name.
    """
    record = lake.read(path)
    sha256 = hashlib.sha256(record[0]).hexdigest() if record else ""
    if record is None or path != lake_paths.zone_polygons(sha256):
        found = f"other bytes (SHA-256 {sha256[:12]}…)" if record else "nothing"
        raise ReconciliationError(
            f"the landed zone polygons {path} are damaged: found {found}. Nothing was changed. "
            "Delete that object and run the pipeline tlc_zones: it lands them again."
        )
    return parse_zone_polygons(record[0])


def _store(fetched: Fetched, parse: Callable[[bytes], T], landing: Landing, lake: Lake) -> T:
    """Move a fetched file into ``raw/`` if it parses; delete it if it does not."""
    try:
        parsed = parse(fetched.path.read_bytes())
    except ContractError:
        fetched.path.unlink()
        raise
    lake.upload(fetched.path, landing.raw)
    return parsed


def _recorded(record: str, landing: Landing, lake: Lake, *, is_sample: bool) -> Landing:
    """Record what was landed; gives what the stores are to hold, which samples never replace."""
    path = lake_paths.of_samples(record) if is_sample else record
    lake.write(path, render_record(landing), if_generation=None)
    return landed_at(record, lake) or landing
