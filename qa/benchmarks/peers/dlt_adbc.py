"""dlt: Arrow batches as Parquet, loaded through ADBC by several workers."""

import os
from collections.abc import Iterator

import dlt
import pyarrow as pa
import pyarrow.parquet as pq

os.environ |= {
    "DATA_WRITER__FILE_MAX_ITEMS": "250000",  # files enough for all workers
    "LOAD__WORKERS": "4",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}


def load(parquet: str, database: str, schema: str, table: str) -> None:
    @dlt.resource(name=table, write_disposition="replace")
    def trips() -> Iterator[pa.Table]:
        with pq.ParquetFile(parquet) as file:
            for batch in file.iter_batches(250_000):
                yield pa.Table.from_batches([batch])

    pipeline = dlt.pipeline(
        "peer", destination=dlt.destinations.postgres(database), dataset_name=schema
    )
    pipeline.run(trips(), loader_file_format="parquet").raise_on_failed_jobs()
