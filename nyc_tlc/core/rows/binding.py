"""Which published column becomes which canonical one, in one file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pt

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.columns import LINEAGE
from nyc_tlc.core.contract.model import Column, ColumnType, Contract, Vintage
from nyc_tlc.core.contract.source_format import IRREGULAR_ROW, SourceFormat
from nyc_tlc.core.errors import ContractError, listed, shorten
from nyc_tlc.core.rows.as_json import is_expressible


@dataclass(frozen=True)
class Binding:
    """Where a canonical column comes from in one published file.

    Attributes:
        published: The published names, the first that is filled wins: none when the vintage does
            not have the column, two for the dispatching base of fhv CSV files of 2018.
    """

    column: Column
    published: tuple[str, ...]


@dataclass(frozen=True)
class Bindings:
    """How one file is read.

    Attributes:
        columns: One per canonical column that can be published.
        vintage: What the file was read as.
        unknown: Published columns that the contract does not know, to be kept.
    """

    columns: tuple[Binding, ...]
    vintage: Vintage
    unknown: tuple[str, ...] = ()

    @property
    def locates_by_coordinates(self) -> bool:
        """Whether the file has coordinates where later ones have zones."""
        names = {binding.column.name for binding in self.columns if binding.published}
        return "pickup_longitude" in names and "pu_location_id" not in names


def bind(
    partition: Partition,
    published: pa.Schema,
    *,
    source_format: SourceFormat = SourceFormat.PARQUET,
    keep_unknown: bool = False,
) -> Bindings:
    """Match the columns of a published file with the contract.

    A CSV may also have the columns of the month's Parquet file (TLC's own samples of 2020-04 do).
    With ``keep_unknown``, columns that the contract does not know pass, for ``extra_columns``.

    Raises:
        ContractError: a column is unknown, missing, doubled or of a type that cannot be cast;
            the message lists the first of them, its details all.
    """
    contract = partition.service.contract
    vintage = _vintage(partition, published, source_format)
    found: dict[str, list[pa.Field]] = {}
    others = []
    for field in published:
        if field.name in contract.by_spelling and field.name not in vintage.ignored:
            found.setdefault(contract.by_spelling[field.name].name, []).append(field)
        else:
            others.append(field)
    problems = [
        *_problems_of_others(others, vintage, keep_unknown=keep_unknown),
        *(
            f"column {spelling} ({kind}) is missing"
            for spelling, kind in vintage.published.items()
            if contract.by_spelling[spelling].name not in found
        ),
        *(
            problem
            for name, fields in found.items()
            for problem in _problems(contract.by_name[name], fields, vintage, contract)
        ),
    ]
    if problems:
        raise ContractError(
            f"{partition}: the published {source_format} file does not fit the {contract.service} "
            f"contract, vintage {vintage.first}: {listed(problems, '; ')}. Expected the columns "
            f"{listed(tuple(vintage.published))}. Nothing was written; the month stays as it was. "
            f"If TLC changed its schema, declare it in nyc_tlc/core/contract/{contract.service}.py "
            "(TLC_UNKNOWN_COLUMNS=keep loads unknown columns meanwhile).",
            details=f"{'; '.join(problems)}. Expected the columns {', '.join(vintage.published)}",
        )
    bound = (
        Binding(column, tuple(name for name in column.published_as if name in published.names))
        for column in contract.columns
        if column not in LINEAGE
    )
    unknown = tuple(field.name for field in others if field.name not in vintage.ignored)
    return Bindings(tuple(bound), vintage, unknown)


def _problems_of_others(
    fields: Sequence[pa.Field], vintage: Vintage, *, keep_unknown: bool
) -> Iterator[str]:
    """Why columns of no contract cannot be kept as JSON.

    An ignored one, too, is in the JSON of a row in quarantine.
    """
    counts = Counter(field.name for field in fields)
    for field in fields:
        shown = f"column {shorten(field.name)} ({shorten(str(field.type))})"
        is_known = keep_unknown or field.name in vintage.ignored
        if not is_known or field.name == IRREGULAR_ROW:
            yield f"{shown} is unknown"
        elif counts[field.name] > 1:
            yield f"{shown} appears more than once"
        elif not is_expressible(field):
            yield f"{shown} cannot be kept as JSON"


def _vintage(partition: Partition, published: pa.Schema, source_format: SourceFormat) -> Vintage:
    """The vintage in force, or the Parquet one where a CSV has its columns instead."""
    contract = partition.service.contract
    own = contract.vintage_of(partition.month, source_format)
    names = set(published.names)
    if set(own.published) <= names or partition.month < partition.service.first_month:
        return own
    parquet = contract.vintage_of(partition.month)
    if source_format is SourceFormat.CSV and set(parquet.published) <= names:
        return Vintage(parquet.first, dict.fromkeys(parquet.published, "string"), parquet.ignored)
    return own


def _problems(
    column: Column, fields: Sequence[pa.Field], vintage: Vintage, contract: Contract
) -> list[str]:
    names = [field.name for field in fields]
    if len(names) > 1 and (
        len(set(names)) < len(names) or not set(names) <= set(vintage.published)
    ):
        return [f"columns {listed(names)} are all {column.name}"]
    as_text = _gives_numbers_as_text(vintage, contract)
    return [
        f"column {field.name} is {shorten(str(field.type))}, "
        f"which cannot become {column.type.value}"
        for field in fields
        if not _castable(field.type, column, as_text=as_text)
    ]


def _gives_numbers_as_text(vintage: Vintage, contract: Contract) -> bool:
    """True of yellow 2009 and 2010 and of every CSV: then any column may be text."""
    return any(
        kind == "string" and contract.by_spelling[name].type is not ColumnType.TEXT
        for name, kind in vintage.published.items()
    )


def _castable(published: pa.DataType, column: Column, *, as_text: bool) -> bool:
    if pt.is_null(published):
        return not column.required
    is_text = pt.is_string(published) or pt.is_large_string(published)
    is_number = pt.is_integer(published) or pt.is_floating(published)
    if column.type is ColumnType.TEXT:
        has_numbers = column.codes is not None and bool(column.codes.spellings)
        return is_text or (as_text and is_number and has_numbers)
    if is_text:
        return as_text
    if column.type is ColumnType.TIMESTAMP:
        return bool(pt.is_timestamp(published)) and published.tz is None
    return bool(is_number)
