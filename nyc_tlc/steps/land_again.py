"""Land a month again for its repair: what ``raw/`` has of it, or else what the source has."""

from __future__ import annotations

import hashlib

from nyc_tlc.core.manifest_table import ManifestRow
from nyc_tlc.core.publication import Publication
from nyc_tlc.ports import Lake, Ports
from nyc_tlc.steps.land import land, landed, landed_before

_CHUNK = 1 << 20


def land_again(row: ManifestRow, ports: Ports, publication: Publication) -> ManifestRow:
    """The version landed last, if its bytes in ``raw/`` are whole; else fetch the month.

    So a repair does not bring a revision along, and works where the source is out of reach.

    Raises:
        NotPublishedYet: raw/ is damaged and the source does not have the month yet.
        SourceError: raw/ is damaged and the source does not have the month any more.
    """
    landing = landed(row.partition, ports.lake)
    if landing is None or sha256_of(landing.raw, ports.lake) != landing.sha256:
        return land(row, ports, publication)
    return landed_before(row, ports.lake)


def sha256_of(path: str, lake: Lake) -> str:
    """Of the bytes that an object has now."""
    digest = hashlib.sha256()
    with lake.open(path) as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
