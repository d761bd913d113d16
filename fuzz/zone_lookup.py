"""The published lookup of the taxi zones."""

from __future__ import annotations

from fuzz.oracle import require
from nyc_tlc.core.zones import SCHEMA, ZONES, parse_zones


def read(data: bytes) -> None:
    zones = parse_zones(data)
    require(zones.schema.equals(SCHEMA), "another schema")
    require(zones.num_rows == ZONES, "another number of zones")
    require(not any(column.null_count for column in zones.columns), "a null")
