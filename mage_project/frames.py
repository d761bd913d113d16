"""Rows of a table as the DataFrame that travels between Mage's blocks, and back."""

import json
from collections.abc import Iterable
from dataclasses import fields
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionDtype

from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.runs.run_table import MonthRow

Row = TypeVar("Row", bound=MonthRow)
_NULLABLE: dict[pa.DataType, ExtensionDtype] = {
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype(),
    pa.float64(): pd.Float64Dtype(),
    **{
        pa.from_numpy_dtype(kind.type): kind
        for kind in (
            pd.Int8Dtype(), pd.Int16Dtype(), pd.Int32Dtype(), pd.Int64Dtype(),
            pd.UInt8Dtype(), pd.UInt16Dtype(), pd.UInt32Dtype(), pd.UInt64Dtype(),
        )
    },
}  # fmt: skip


def to_frame(kind: type[Row], rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a DataFrame whose types survive Mage's way through Parquet.

    An enumeration becomes its text, a mapping becomes JSON; no rows give every column.
    """
    hints, names = get_type_hints(kind), [field.name for field in fields(kind)]
    records = [{name: _cell(getattr(row, name)) for name in names} for row in rows]
    frame = pd.DataFrame(records, columns=names)
    return frame.astype({name: "str" for name in names if _is_text(hints[name])})


def shown(rows: pa.Table) -> pd.DataFrame:
    """Rows for a person to look at: a column with a null keeps its type, and the null."""
    frame: pd.DataFrame = rows.to_pandas(types_mapper=_NULLABLE.get)
    return frame


def run_table(outputs: pd.DataFrame | list[pd.DataFrame]) -> pd.DataFrame:
    """The run table of a block, which is the first of its outputs where it shows rows, too."""
    return outputs[0] if isinstance(outputs, list) else outputs


def to_rows(kind: type[Row], outputs: pd.DataFrame | list[pd.DataFrame]) -> list[Row]:
    """The rows of :func:`to_frame`, from what Mage hands over of the block before.

    Raises:
        ReconciliationError: the table is empty: Mage hands over an empty one when it could not
            read a block's output.
    """
    frame = run_table(outputs)
    if frame.empty:
        raise ReconciliationError(
            "the table from the block before is empty: Mage could not read its output. "
            "Nothing was changed by this step. Run the pipeline again."
        )
    hints = get_type_hints(kind)
    return [
        kind(**{str(name): _value(hints[str(name)], cell) for name, cell in record.items()})
        for record in frame.to_dict("records")
    ]


def _is_text(hint: Any) -> bool:
    return not isinstance(hint, type) or issubclass(hint, str)


def _cell(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    return json.dumps(value) if isinstance(value, dict) else value


def _value(hint: Any, cell: Any) -> Any:
    if not isinstance(hint, type):
        return json.loads(cell)
    return hint(cell) if issubclass(hint, StrEnum) else cell
