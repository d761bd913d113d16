"""Views that spare a reader the joins: each service with names, and all services in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nyc_tlc.core.contract.model import Column, Contract

_ALL_SERVICES = "trips"


@dataclass(frozen=True)
class Names:
    """How a database writes names.

    Attributes:
        quoted: A column or an alias.
        table: A table or view of ours, with where it is.
    """

    quoted: Callable[[str], str]
    table: Callable[[str], str]


@dataclass(frozen=True)
class _Dimension:
    """The table that names the values of a column.

    Attributes:
        names: Columns of the table and what they are called in the view.
    """

    table: str
    key: str
    names: Mapping[str, str]


def view_queries(contracts: Sequence[Contract], names: Names) -> Mapping[str, str]:
    """Name and query of each view."""
    named = {f"{contract.service}_named": _named(contract, names) for contract in contracts}
    return {**named, _ALL_SERVICES: _all_services(contracts, names)}


def _named(contract: Contract, names: Names) -> str:
    """Every column, followed by its name where a dimension has one.

    The joins are outer joins to a key: they keep every trip, once, and a planner that knows the
    key leaves out those whose names a query does not ask for.
    """
    columns: list[str] = []
    joins: list[str] = []
    for column in contract.columns:
        trip_column = f"{names.quoted('trip')}.{names.quoted(column.name)}"
        columns.append(trip_column)
        dimension = _dimension(column)
        if dimension is None:
            continue
        alias = names.quoted(f"{column.name}_of")
        columns += [
            f"{alias}.{names.quoted(name)} AS {names.quoted(called)}"
            for name, called in dimension.names.items()
        ]
        joins.append(
            f"LEFT JOIN {names.table(dimension.table)} AS {alias} "
            f"ON {alias}.{names.quoted(dimension.key)} = {trip_column}"
        )
    trips = f"{names.table(contract.service)} AS {names.quoted('trip')}"
    return f"SELECT {', '.join(columns)} FROM {trips} {' '.join(joins)}"


def _dimension(column: Column) -> _Dimension | None:
    place, is_zone, _ = column.name.partition("_location_id")
    if is_zone:
        names = {name: f"{place}_{name}" for name in ("borough", "zone")}
        return _Dimension("taxi_zone", "location_id", names)
    if column.codes is None or column.name.endswith("_flag"):
        return None
    return _Dimension(column.codes.name, "code", {"meaning": f"{column.codes.name}_name"})


def _all_services(contracts: Sequence[Contract], names: Names) -> str:
    """The columns that all services share, in the order of the first."""
    shared = ", ".join(
        names.quoted(column.name)
        for column in contracts[0].columns
        if all(column.name in contract.by_name for contract in contracts)
    )
    return " UNION ALL ".join(
        f"SELECT '{contract.service}' AS service, {shared} FROM {names.table(contract.service)}"
        for contract in contracts
    )
