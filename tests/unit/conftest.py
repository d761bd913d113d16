"""Six ordinary trips as TLC publishes them, for a test to spoil one value at a time."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, settings

from embedded.samples.months import published_schema
from embedded.samples.polygons import write_zone_polygons
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.rows.conform import ConformedBatch, conform
from nyc_tlc.core.rows.judge import Judge, Judged, Neighbourhood
from nyc_tlc.core.zones.polygons import ZonePolygons, parse_zone_polygons

settings.register_profile("unit", max_examples=60, deadline=None, derandomize=True)
settings.register_profile(  # of `make mutation`, which asks only whether a test fails
    "mutation",
    settings.get_profile("unit"),
    max_examples=15,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unit"))

_ORDINARY = {
    "vendor_id": (1, 2, 1, 2, 6, 2),
    "passenger_count": (1, 2, 1, 1, 4, 1),
    "trip_distance": (1.5, 0.8, 3.14, 12.0, 7.25, 2.0),
    "rate_code_id": (1, 1, 1, 2, 1, 5),
    "store_and_fwd_flag": ("N", "N", "Y", "N", "N", "N"),
    "pu_location_id": (161, 236, 237, 132, 74, 75),
    "do_location_id": (236, 237, 161, 230, 75, 74),
    "payment_type": (1, 2, 1, 1, 2, 1),
    "fare_amount": (10.0, 7.2, 17.7, 70.0, 31.0, 11.4),
    "extra": (0.0, 1.0, 2.5, 0.0, 5.0, 0.0),
    "mta_tax": (0.5,),
    "tip_amount": (2.0, 0.0, 4.2, 15.0, 0.0, 2.75),
    "tolls_amount": (0.0, 0.0, 0.0, 6.94, 0.0, 0.0),
    "ehail_fee": (None,),
    "improvement_surcharge": (1.0,),
    "total_amount": (13.5, 9.7, 25.9, 93.44, 37.5, 15.65),
    "trip_type": (1, 1, 1, 2, 1, 1),
    "congestion_surcharge": (2.5, 0.0, 2.5, 2.5, 0.0, 2.5),
    "airport_fee": (0.0, 0.0, 0.0, 1.75, 0.0, 0.0),
    "cbd_congestion_fee": (0.75, 0.75, 0.0, 0.0, 0.75, 0.0),
    "request_source": (None, "HV0003", None, None, None, "HV0005"),
    "dispatching_base_num": ("B02764", "B02872", "B02764", "B03404", "B00477", "B02764"),
    "affiliated_base_number": ("B02764", None, "B00477", "B03404", "B00477", "B02682"),
    "originating_base_num": ("B02764", "B02872", None, None, "B02764", "B02764"),
    "sr_flag": (None, None, 1, None, None, None),
    "hvfhs_license_num": ("HV0003", "HV0003", "HV0004", "HV0005", "HV0002", "HV0003"),
    "trip_time": (660,),
    "base_passenger_fare": (12.4, 9.18, 22.05, 61.7, 30.0, 14.2),
    "bcf": (0.34, 0.25, 0.61, 1.89, 0.83, 0.39),
    "sales_tax": (1.1, 0.81, 1.96, 5.48, 2.66, 1.26),
    "driver_pay": (10.2, 7.4, 18.9, 48.3, 25.11, 11.6),
    "shared_request_flag": ("N", "N", "Y", "N", "N", "N"),
    "shared_match_flag": ("N", "N", "Y", "N", "N", "N"),
    "access_a_ride_flag": (" ", "N", " ", "N", "N", " "),
    "wav_request_flag": ("N", "N", "N", "Y", "N", "N"),
    "wav_match_flag": ("N", "N", "N", "Y", "Y", "N"),
    "pickup_longitude": (-73.97,),
    "pickup_latitude": (40.75,),
    "dropoff_longitude": (-73.96,),
    "dropoff_latitude": (40.76,),
    "source_row": (0, 1, 2, 3, 4, 5),
}
"""Every quantity of every service; ``_published`` takes those that the service has."""

Published = Callable[..., pa.RecordBatch]
Judging = Callable[..., Judged]


def _published(
    partition: Partition,
    types: Mapping[str, pa.DataType] | None = None,
    source_format: SourceFormat = SourceFormat.PARQUET,
    **columns: Sequence[Any],
) -> pa.RecordBatch:
    """Rows as TLC publishes them; ``columns`` and ``types`` go by canonical names."""
    rows = max(map(len, columns.values()), default=6)
    noon = partition.month.start + timedelta(days=14, hours=12)
    values: dict[str, Sequence[Any]] = {
        **_ORDINARY,
        "pickup_datetime": [noon + timedelta(minutes=7 * i) for i in range(rows)],
        "dropoff_datetime": [noon + timedelta(minutes=7 * i + 11) for i in range(rows)],
        "request_datetime": [noon + timedelta(minutes=7 * i - 5) for i in range(rows)],
        "on_scene_datetime": [noon + timedelta(minutes=7 * i - 1) for i in range(rows)],
        **columns,
    }
    arrays = {}
    for field in published_schema(partition, source_format):
        column = partition.service.contract.by_spelling.get(field.name)
        name = column.name if column else "source_row"  # a stray index
        kind = (types or {}).get(name, field.type)
        cells = [_cell(value, kind) for value in islice(cycle(values[name]), rows)]
        arrays[field.name] = pa.nulls(rows) if pa.types.is_null(kind) else pa.array(cells, kind)
    return pa.RecordBatch.from_pydict(arrays)


def _cell(value: Any, kind: pa.DataType) -> Any:
    """A value in the vintage's type: yellow 2009 has flags as numbers."""
    if isinstance(value, str) and pa.types.is_floating(kind):
        return {"N": 0.0, "Y": 1.0}[value]
    return str(value) if value is not None and pa.types.is_string(kind) else value


def _conformed(
    partition: Partition,
    batch: pa.RecordBatch,
    first_row: int = 0,
    source_format: SourceFormat = SourceFormat.PARQUET,
    polygons: ZonePolygons | None = None,
) -> ConformedBatch:
    named = [name for name in batch.schema.names if name != IRREGULAR_ROW]
    bindings = bind(partition, batch.select(named).schema, source_format=source_format)
    return conform(batch, bindings, partition=partition, first_row=first_row, polygons=polygons)


@pytest.fixture(scope="session")
def published() -> Published:
    return _published


@pytest.fixture(scope="session")
def conformed() -> Callable[..., ConformedBatch]:
    return _conformed


@pytest.fixture(scope="session")
def judged() -> Judging:
    """Publish, conform and judge rows in one go."""

    def judge(
        partition: Partition,
        *,
        source_format: SourceFormat = SourceFormat.PARQUET,
        polygons: ZonePolygons | None = None,
        irregular: Sequence[str | None] | None = None,
        **columns: Any,
    ) -> Judged:
        batch = _published(partition, source_format=source_format, **columns)
        if irregular is not None:
            lines = pa.array(irregular, pa.string())
            batch = batch.slice(0, len(lines)).append_column(IRREGULAR_ROW, lines)
        done = _conformed(partition, batch, source_format=source_format, polygons=polygons)
        return Judge(partition).judge(Neighbourhood(None, done, None))

    return judge


@pytest.fixture(scope="session")
def polygons(tmp_path_factory: pytest.TempPathFactory) -> ZonePolygons:
    """The zones of the sample months."""
    path = tmp_path_factory.mktemp("zones") / "taxi_zones.zip"
    write_zone_polygons(path)
    return parse_zone_polygons(path.read_bytes())


@pytest.fixture(scope="session")
def shared_tlc() -> Path:
    """Real TLC files, which are not part of the project."""
    stated = os.environ.get("TLC_SHARED")
    folder = Path(stated) if stated else Path(__file__).parents[3] / "shared" / "tlc"
    if not folder.is_dir():
        pytest.skip(f"no real TLC files in {folder}; set TLC_SHARED to where they are")
    return folder
