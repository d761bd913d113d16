"""Stage a month for :mod:`qa.benchmarks.programs.load`, and encode its rows for the floor.

It is not reconciled, which would clear what is staged.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pgpq
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb

from mage_project.frames import to_frame
from nyc_tlc.core.runs.run_table import RunRow
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.settings import Settings
from qa.benchmarks.programs.generate import chosen

_ARROW = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "timestamp without time zone": pa.timestamp("us"),
    "date": pa.date32(),
    "text": pa.string(),
    "jsonb": pa.string(),
}
_BATCH = 16_384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--months", required=True)
    parser.add_argument("--table", type=Path, required=True, help="where its run table goes")
    parser.add_argument("--encoded", type=Path, help="where the binary COPY of its rows goes")
    options = parser.parse_args()
    trips = Trips.open()
    conformed = trips.conform(trips.land(chosen(options.service, options.months), force=True))
    to_frame(RunRow, conformed).to_parquet(options.table)
    published = trips.publish_to_lake(conformed)
    loaded = trips.load_to_postgres(conformed)
    if errors := [row.error for row in (*published, *loaded) if row.error]:
        raise SystemExit(" ".join(errors))
    columns: list[str] = []
    if options.encoded:
        columns = _encode(options.service, options.encoded)
    print(json.dumps({"rows": sum(row.accepted for row in loaded), "columns": columns}))


def _encode(service: str, target: Path) -> list[str]:
    """Write the lake's rows in the types of the Postgres table; returns their columns."""
    settings = Settings.load()
    (source,) = (Path(settings.lake_url) / "trips" / f"service={service}").rglob("*.parquet")
    types = _column_types(settings, service)
    with pq.ParquetFile(source) as file, target.open("wb") as encoded:
        schema = pa.schema([(name, _ARROW[types[name]]) for name in file.schema_arrow.names])
        jsonb = {name for name in schema.names if types[name] == "jsonb"}
        for buffer in _buffers(file, schema, jsonb):
            encoded.write(buffer)
    return list(schema.names)


def _buffers(file: pq.ParquetFile, schema: pa.Schema, jsonb: set[str]) -> Iterator[bytes]:
    infer = pgpq.ArrowToPostgresBinaryEncoder.infer_encoder
    builders = {
        field.name: StringEncoderBuilder.new_with_output(field, Jsonb())
        if field.name in jsonb
        else infer(field)
        for field in schema
    }
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, builders)
    yield encoder.write_header()
    for batch in file.iter_batches(_BATCH):
        yield encoder.write_batch(batch.cast(schema))
    yield encoder.finish()


def _column_types(settings: Settings, service: str) -> dict[str, str]:
    with (
        closing(
            psycopg2.connect(
                host=settings.postgres_host,
                port=settings.postgres_port,
                dbname=settings.postgres_dbname,
                user=settings.postgres_user,
                password=settings.postgres_password.get_secret_value(),
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s",
            [settings.postgres_schema, service],
        )
        return dict(cursor.fetchall())


if __name__ == "__main__":
    main()
