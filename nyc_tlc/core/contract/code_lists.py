"""The code lists of every contract, as dimension tables."""

from collections.abc import Mapping

import pyarrow as pa

from nyc_tlc.core.contract.model import CodeList
from nyc_tlc.core.contract.service import SERVICES


def code_lists() -> Mapping[str, CodeList]:
    """Every list that a column of any service refers to, by name, ascending."""
    lists = {
        column.codes.name: column.codes
        for service in SERVICES.values()
        for column in service.contract.columns
        if column.codes is not None
    }
    return dict(sorted(lists.items()))


def code_table(codes: CodeList) -> pa.Table:
    """Columns ``code`` (of the type of the columns that refer to it) and ``meaning``."""
    kind = pa.int16() if isinstance(next(iter(codes.meanings)), int) else pa.string()
    schema = pa.schema(
        [
            pa.field("code", kind, nullable=False),
            pa.field("meaning", pa.string(), nullable=False),
        ]
    )
    return pa.table([list(codes.meanings.keys()), list(codes.meanings.values())], schema=schema)
