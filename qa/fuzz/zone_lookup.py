"""The published lookup of the taxi zones."""

from __future__ import annotations

from nyc_tlc.core.zones.lookup import SCHEMA, ZONES, parse_zones
from qa.fuzz.oracle import require


def read(data: bytes) -> None:
    zones = parse_zones(data)
    require(zones.schema.equals(SCHEMA), "another schema")
    require(zones.num_rows == ZONES, "another number of zones")
    require(not any(column.null_count for column in zones.columns), "a null")
