"""A text longer than any of TLC's is refused before its rows repeat it, whatever it comes as."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import SourceError
from nyc_tlc.core.files.published_file import open_published


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x" * 5_000] * 3),
        pa.array([b"x" * 5_000] * 3),
        pa.array(["x" * 5_000] * 3, pa.large_string()),
        pa.array(["x" * 5_000] * 3).dictionary_encode(),
        pa.array([b"x" * 5_000] * 3).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_a_text_of_5_kb_is_refused(column: pa.Array) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"surge": column}), file)
    with (
        pytest.raises(SourceError, match="a value of surge has 5,000 bytes"),
        open_published(file, "x.parquet", SourceFormat.PARQUET) as published,
    ):
        list(published.batches)
