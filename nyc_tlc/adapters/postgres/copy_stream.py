"""Send Arrow batches by a binary COPY."""

import io
from collections.abc import Iterator
from contextlib import closing

import pgpq
import psycopg2
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb
from psycopg2.sql import SQL, Identifier

from nyc_tlc.adapters.postgres.connection import Cursor, sql
from nyc_tlc.core.prefetch import prefetch
from nyc_tlc.ports.warehouse import Batches

_ROWS_PER_BUFFER = 16_384
"""Some 2 MB of COPY data: large enough to cost nothing per call, small next to a batch."""


def copy(
    cursor: Cursor, table: str, rows: Batches, *, jsonb: frozenset[str], options: str = ""
) -> int:
    """Append rows to a table; returns how many. ``jsonb`` are text columns that become JSON."""
    columns = SQL(", ").join(map(Identifier, rows.schema.names))
    statement = sql("COPY {} ({}) FROM STDIN (FORMAT binary{})", table, columns, SQL(options))
    with closing(prefetch(_encoded(rows, jsonb))) as buffers:
        stream = _Stream(buffers)
        try:
            cursor.copy_expert(statement, stream)
        except psycopg2.Error:
            # A failure of the producer reaches us as a cancelled query.
            if stream.error is not None:
                raise stream.error from None
            raise
    return cursor.rowcount


def _encoded(rows: Batches, jsonb: frozenset[str]) -> Iterator[bytes]:
    """The rows in COPY's binary format, header and trailer included."""
    infer = pgpq.ArrowToPostgresBinaryEncoder.infer_encoder
    builders = {
        field.name: StringEncoderBuilder.new_with_output(field, Jsonb())
        if field.name in jsonb
        else infer(field)
        for field in rows.schema
    }
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(rows.schema, builders)
    yield encoder.write_header()
    for batch in rows.batches:
        for start in range(0, batch.num_rows, _ROWS_PER_BUFFER):
            yield encoder.write_batch(batch.slice(start, _ROWS_PER_BUFFER))
    yield encoder.finish()


class _Stream(io.RawIOBase):
    """A readable file over buffers, as psycopg2's COPY wants one.

    Attributes:
        error: What the iterator raised, which psycopg2 turns into a text.
    """

    def __init__(self, buffers: Iterator[bytes]) -> None:
        super().__init__()
        self._buffers = buffers
        self.error: BaseException | None = None

    def read(self, _size: int = -1, /) -> bytes:
        """The next buffer, however many bytes psycopg2 asks for: it sends what it gets."""
        try:
            return next(filter(None, self._buffers), b"")
        except BaseException as error:
            self.error = error
            raise
