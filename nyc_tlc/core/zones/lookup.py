"""The taxi zone lookup: 265 zones by which every trip's places are named."""

import io

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.limits import MOST_LOOKUP_BYTES

FILE_NAME = "taxi_zone_lookup.csv"
ZONES = 265
"""Location ids run 1..265; 264 is unknown, 265 outside the city (lookup of 2024-02-22)."""
SCHEMA = pa.schema(
    [
        pa.field("location_id", pa.int16(), nullable=False),
        pa.field("borough", pa.string(), nullable=False),
        pa.field("zone", pa.string(), nullable=False),
        pa.field("service_zone", pa.string(), nullable=False),
    ]
)
SAMPLE_SERVICE_ZONE = "Sample"
"""What the service zone of every generated zone is."""
_SPELLINGS = {"locationid": "location_id"}


def parse_zones(data: bytes) -> pa.Table:
    """Read the published lookup, in any of its spellings.

    ``N/A`` is text here (zone 265 has the borough ``N/A``), as is an empty cell: nothing is
    ever null.

    Raises:
        ContractError: the columns or the ids are not those of a zone lookup.
    """
    if len(data) > MOST_LOOKUP_BYTES:  # of columns alone: each costs the reader 3 KB
        raise _refused(f"found {len(data):,} bytes")
    try:
        options = csv.ConvertOptions(null_values=[])
        table = csv.read_csv(io.BytesIO(data), convert_options=options)
        lowered = [name.strip().lower() for name in table.column_names]
        table = table.rename_columns([_SPELLINGS.get(name, name) for name in lowered])
        if sorted(table.column_names) != sorted(SCHEMA.names):
            raise _refused(f"found the columns {', '.join(table.column_names)[:200]}")
        zones = table.select(SCHEMA.names).cast(SCHEMA).sort_by("location_id").combine_chunks()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _refused(str(error).splitlines()[0]) from error
    if zones["location_id"].to_pylist() != list(range(1, ZONES + 1)):
        ids = pc.unique(zones["location_id"])
        raise _refused(f"found {zones.num_rows} rows with {len(ids)} ids")
    return zones


def is_sample(zones: pa.Table) -> bool:
    """Whether the zones were generated, instead of published by TLC."""
    return SAMPLE_SERVICE_ZONE in zones["service_zone"].to_pylist()


def _refused(found: str) -> ContractError:
    return ContractError(
        f"{FILE_NAME} is not the taxi zone lookup: {found}; expected the columns LocationID, "
        f"Borough, Zone, service_zone and the ids 1..{ZONES}, each once. The zones stay as they "
        "were. Look at what the source serves."
    )
