"""What load hands to the warehouse: the filled columns of a staged file, by row group."""

import pyarrow as pa
import pyarrow.parquet as pq

from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.core.contract.schemas import arrow_schema
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.steps.load import _row_groups
from tests.ports.months import SampleMonth

MONTH = SampleMonth(rows=7, values={"vendor_id": [None] * 6 + [2]})


def test_groups_without_rows_and_columns_without_values_are_left_out(tmp_path):
    schema = arrow_schema(GREEN.contract)
    nothing = pa.RecordBatch.from_pylist([], schema)
    with pq.ParquetWriter(tmp_path / "staged", schema) as writer:
        for batch in (nothing, *MONTH.table().to_batches(max_chunksize=3), nothing):
            writer.write_batch(batch)
            writer.write_batch(nothing)
    lake = FolderLake(tmp_path)
    with pq.ParquetFile(tmp_path / "staged") as file:
        trips = _row_groups(MONTH.partition, "staged", file, lake)
    assert trips.schema.names == [
        "vendor_id", "pickup_datetime", "total_amount", "source_row", "quality_flags",
    ]  # fmt: skip
    assert trips.first_rows == [0, 3, 6]
    table = MONTH.table().select(trips.schema.names)
    assert pa.Table.from_batches(trips.read(range(3))) == table
    assert pa.Table.from_batches(trips.read(range(1, 2))) == table.slice(3, 3)
