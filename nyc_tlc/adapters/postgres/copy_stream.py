"""Arrow batches as the bytes of a binary COPY."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import pgpq
import pyarrow as pa
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb

_ROWS_PER_BUFFER = 16_384
"""Some 2 MB of COPY data: large enough to cost nothing per call, small beside a batch."""


def copy_buffers(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, jsonb: frozenset[str] = frozenset()
) -> Iterator[bytes]:
    """Encode batches in the binary COPY format, header and trailer included.

    Args:
        schema: Of every batch.
        batches: Rows, in order.
        jsonb: Text columns whose target is ``jsonb``.
    """
    encoder = _encoder(schema, jsonb)
    yield encoder.write_header()
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS_PER_BUFFER):
            yield encoder.write_batch(batch.slice(start, _ROWS_PER_BUFFER))
    yield encoder.finish()


def _encoder(schema: pa.Schema, jsonb: frozenset[str]) -> pgpq.ArrowToPostgresBinaryEncoder:
    infer = pgpq.ArrowToPostgresBinaryEncoder.infer_encoder
    builders = {
        field.name: StringEncoderBuilder.new_with_output(field, Jsonb())
        if field.name in jsonb
        else infer(field)
        for field in schema
    }
    return pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, builders)


class BufferStream(io.RawIOBase):
    """A readable file over an iterator of buffers, as psycopg2's COPY wants one.

    Attributes:
        error: What the iterator raised, which psycopg2 turns into a text.
    """

    def __init__(self, buffers: Iterable[bytes]) -> None:
        super().__init__()
        self._buffers = iter(buffers)
        self._rest = memoryview(b"")
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        while not self._rest:
            try:
                buffer = next(self._buffers, None)
            except BaseException as error:
                self.error = error
                raise
            if buffer is None:
                return b""
            self._rest = memoryview(buffer)
        chunk, self._rest = self._rest[:size], self._rest[size:]
        return bytes(chunk)
