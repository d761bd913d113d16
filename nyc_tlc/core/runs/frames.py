"""Tables that travel between Mage's blocks: one row per record, with types that survive it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import pandas as pd

from nyc_tlc.core.errors import ReconciliationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def frame_of(
    kind: type[DataclassInstance], rows: Iterable[DataclassInstance], *, enumeration: str
) -> pd.DataFrame:
    """Rows as a DataFrame whose types survive Mage's way through Parquet.

    Args:
        kind: The class of the rows: plain values, but for one enumeration.
        rows: In their order; none gives a table of no rows with every column.
        enumeration: The column that is one; it becomes text.
    """
    columns = [field.name for field in fields(kind)]
    frame = pd.DataFrame([asdict(row) for row in rows], columns=columns)
    return frame.astype({enumeration: "str"})


def records_of(frame: pd.DataFrame, what: str) -> list[dict[str, Any]]:
    """The records of :func:`frame_of`.

    Raises:
        ReconciliationError: the table is empty: Mage hands over an empty one when it could not
            read a block's output.
    """
    if frame.empty:
        raise ReconciliationError(
            f"the {what} from the block before is empty: Mage could not read its output. "
            "Nothing was changed by this step. Run the pipeline again."
        )
    records: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]
    return records
