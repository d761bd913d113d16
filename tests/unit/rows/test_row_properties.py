"""No value of any published row is lost without a reason, in any service and either form."""

import math
from typing import Any

import pyarrow as pa
import pyarrow.types as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded.samples.months import published_batches, published_schema
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.schemas import arrow_schema
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.rows.binding import bind
from nyc_tlc.core.rows.judge import Judge, Neighbourhood
from nyc_tlc.core.rows.rules import FLAGS, REASONS
from tests.partitions import named
from tests.unit.rows.batches import conformed

PARQUET, CSV = SourceFormat.PARQUET, SourceFormat.CSV
FORMS = [
    (named("yellow 2024-01"), PARQUET),
    (named("yellow 2009-03"), PARQUET),  # numbers as text, texts as numbers
    (named("yellow 2010-03"), CSV),
    (named("green 2019-01"), PARQUET),
    (named("green 2019-01"), CSV),
    (named("fhv 2018-06"), CSV),
    (named("fhvhv 2024-01"), PARQUET),
]
ROWS, FIRST = 4, 70
_NUMERALS = ["1", " 2 ", "1.0", "2.5", "-1", "1e3", "70000", "0x1", "nan", "inf", "1e400", "N", "y"]
_TIMES = ["2009-03-04 05:06:07", "2009-03-04 05:06:07.25", "2009-02-30 00:00:00", "9999-12-31"]
_TEXTS = st.sampled_from([*_NUMERALS, *_TIMES, "", " ", "CASH", "a\0b"]) | st.text(max_size=6)


def _values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Anything that a column of this type can hold, and what is near the edges more often."""
    if pt.is_null(kind):
        return st.none()
    if pt.is_floating(kind):
        odd = [0.0, 1.0, 1.5, -1.0, 265.0, 266.0, 32768.0, math.nan, math.inf]
        return st.sampled_from(odd) | st.floats(width=kind.bit_width)
    if pt.is_integer(kind):
        most = 2 ** (kind.bit_width - 1)
        return st.integers(-1, 300) | st.integers(-most, most - 1)
    if pt.is_timestamp(kind):
        return st.integers(-(2**63), 2**63 - 1)
    return _TEXTS


@st.composite
def _batches(draw: st.DrawFn, partition: Partition, source_format: SourceFormat) -> pa.RecordBatch:
    """Four rows of which some columns hold anything."""
    schema = published_schema(partition, source_format)
    (batch,) = published_batches(partition, ROWS, schema)
    names = [field.name for field in schema]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=5, unique=True)):
        kind = schema.field(name).type
        cells = st.lists(st.none() | _values(kind), min_size=ROWS, max_size=ROWS)
        stored = pa.int64() if pt.is_timestamp(kind) else kind
        values = pa.array(draw(cells), stored).cast(kind)
        batch = batch.set_column(names.index(name), schema.field(name), values)
    return batch


def _missing(value: Any, *, as_text: bool) -> bool:
    """Whether it says nothing: blank, or NaN for a text, as pandas writes a null."""
    if isinstance(value, str):
        return not value.strip(" \t\n\r\v\f")
    return value is None or (as_text and isinstance(value, float) and math.isnan(value))


@pytest.mark.parametrize(
    ("partition", "source_format"), FORMS, ids=[f"{p} {form}" for p, form in FORMS]
)
@settings(max_examples=25)
@given(data=st.data())
def test_no_value_is_lost_without_a_reason(partition, source_format, data):
    """qa/fuzz holds that each row goes one way, and in order."""
    batch = data.draw(_batches(partition, source_format))
    done = conformed(partition, batch, FIRST, source_format)
    assert done.trips.column("source_row").to_pylist() == list(range(FIRST, FIRST + ROWS))
    # As the same rows of a shorter batch; by their texts, because NaN is no NaN's equal.
    later = conformed(partition, batch.slice(1), FIRST + 1, source_format)
    assert str(later.trips.to_pylist()) == str(done.trips.to_pylist()[1:])
    judged = Judge(partition).judge(Neighbourhood(None, done, None))
    assert set(judged.reasons.to_pylist()) <= {rule.code for rule in REASONS}
    assert judged.accepted.schema == judged.rejected.schema
    assert judged.accepted.schema == arrow_schema(partition.service.contract)
    bits = judged.accepted.column("quality_flags").to_pylist()
    recount = [sum(value >> bit & 1 for value in bits) for bit in range(len(FLAGS))]
    assert judged.flags.tolist() == recount
    rejected = set(judged.rejected_rows.to_pylist())
    for binding in bind(partition, batch.schema, source_format=source_format).columns:
        became = done.trips.column(binding.column.name)
        for name in binding.published:
            for row, value in enumerate(batch.column(name)):
                published = value.value if pt.is_timestamp(value.type) else value.as_py()
                is_lost = not became[row].is_valid and not _missing(
                    published, as_text=pt.is_string(became.type)
                )
                assert not is_lost or row in rejected, (name, published)
