"""Rows of a table as the DataFrame that travels between Mage's blocks, and back."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

import pandas as pd

from nyc_tlc.core.errors import ReconciliationError

Row = TypeVar("Row")


def to_frame(kind: type[Row], rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a DataFrame whose types survive Mage's way through Parquet.

    An enumeration becomes its text, a mapping becomes JSON; no rows give every column.
    """
    hints = get_type_hints(kind)
    records = [{name: _cell(getattr(row, name)) for name in hints} for row in rows]
    frame = pd.DataFrame(records, columns=list(hints))
    return frame.astype({name: "str" for name, hint in hints.items() if _is_text(hint)})


def to_rows(kind: type[Row], frame: pd.DataFrame) -> list[Row]:
    """The rows of :func:`to_frame`.

    Raises:
        ReconciliationError: the table is empty: Mage hands over an empty one when it could not
            read a block's output.
    """
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
