"""The words in which a contract is written: columns, code lists, vintages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ContractError
from nyc_tlc.core.month import Month


class ColumnType(Enum):
    """The canonical types, as narrow as the data allows (numeric costs 1.5 times the load).

    Trips have neither BIGINT nor NUMERIC: they are of sums.
    """

    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    DOUBLE = "double"
    TIMESTAMP = "timestamp"
    DATE = "date"
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class CodeList:
    """The values of an enumerated column and what they mean.

    Attributes:
        name: Name of the list, and of its dimension table.
        meanings: Code to meaning. A value outside is flagged ``unknown_code``, never refused.
        source: Where the list was read, and when.
        spellings: Other texts by which files give a code, case and outer spaces aside. Where
            codes are numbers, a text that is neither is quarantined as ``code_unmapped``.
    """

    name: str
    meanings: Mapping[int | str, str]
    source: str
    spellings: Mapping[str, int | str] = field(default_factory=dict)

    @cached_property
    def by_folded_spelling(self) -> Mapping[str, int | str]:
        return {spelling.strip().upper(): code for spelling, code in self.spellings.items()}


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes:
        name: TLC's name in snake_case; one quantity has one name in every service.
        meaning: One sentence for the data dictionary.
        published_as: Every spelling TLC has used for it in this service.
        unit: Unit of measure, where there is one. Datetimes are New York wall clock.
        codes: The values of an enumerated column.
        required: A trip without it is quarantined; every other column may be null.
        is_base_number: Bases type their licence numbers (B02512) in any case and with stray
            spaces: it is trimmed and put in upper case.
    """

    name: str
    type: ColumnType
    meaning: str
    published_as: tuple[str, ...] = ()
    unit: str | None = None
    codes: CodeList | None = None
    required: bool = False
    is_base_number: bool = False

    def spelled(self, *names: str) -> Column:
        """This column under the names by which one service publishes it."""
        return replace(self, published_as=names)


@dataclass(frozen=True)
class Vintage:
    """A span of months in which TLC publishes the same columns with the same physical types.

    Attributes:
        first: First month of the span; it ends where the next vintage begins.
        published: Column name to Arrow type, in published order. ``null`` is how an
            all-null column is written (physical INT32, logical Null).
        ignored: Published columns that carry no trip data (a stray pandas index).
    """

    first: Month
    published: Mapping[str, str]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """What every trip of one service looks like in every store.

    Attributes:
        version: Raised when the canonical shape or a rule changes; a month loaded under
            another version is loaded again.
        vintages: Of the Parquet files, ascending by first month.
        csv_vintages: Of the CSV files, where every column is text.
    """

    service: str
    version: int
    columns: tuple[Column, ...]
    vintages: tuple[Vintage, ...]
    csv_vintages: tuple[Vintage, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def by_spelling(self) -> Mapping[str, Column]:
        """Published spelling to canonical column."""
        return {name: column for column in self.columns for name in column.published_as}

    def vintage_of(
        self, month: Month, source_format: SourceFormat = SourceFormat.PARQUET
    ) -> Vintage:
        """The vintage in force in ``month``.

        Raises:
            ContractError: the month is before the first vintage that the contract knows.
        """
        vintages = self.csv_vintages if source_format is SourceFormat.CSV else self.vintages
        known = [vintage for vintage in vintages if vintage.first <= month]
        if not known:
            raise ContractError(
                f"{self.service} {month}: the contract begins with {vintages[0].first}. "
                f"Nothing was written. Choose a later month, or declare the older vintage in "
                f"nyc_tlc/core/contract/{self.service}.py."
            )
        return known[-1]
