"""Views that spare a reader the joins: each service with names, and all services in one."""

from collections.abc import Mapping, Sequence
from functools import reduce

from sqlglot import exp, parse_one

from nyc_tlc.core.contract.model import Column, Contract
from nyc_tlc.core.contract.sql import Dialect, table

_TRIP = "trip"


def view_queries(contracts: Sequence[Contract], dialect: Dialect, *where: str) -> Mapping[str, str]:
    """Name and query of each view, over tables in a schema, or in project and dataset."""
    queries = {f"{contract.service}_named": _named(contract, where) for contract in contracts}
    queries["trips"] = _all_services(contracts, where)
    if dialect is Dialect.BIGQUERY:
        queries["quarantine"] = _quarantine(contracts, where)
    return {name: query.sql(dialect, identify=True) for name, query in queries.items()}


def columns_of(query: str, dialect: Dialect) -> list[str]:
    """The names of the columns that a view of this query has."""
    parsed = parse_one(query, dialect=dialect)
    assert isinstance(parsed, exp.Query)  # noqa: S101 - we wrote it
    return list(parsed.named_selects)


def _named(contract: Contract, where: Sequence[str]) -> exp.Query:
    """Every column, followed by its name where a dimension has one.

    The joins are outer joins to a key: they keep every trip, once, and a planner that knows the
    key leaves out those whose names a query does not ask for.
    """
    query = exp.select().from_(exp.alias_(table(*where, contract.service), _TRIP))
    for column in contract.columns:
        of_trip = exp.column(column.name, _TRIP)
        query = query.select(of_trip)
        dimension, key, names = _dimension(column)
        if not names:
            continue
        alias = f"{column.name}_of"
        query = query.select(
            *(exp.alias_(exp.column(name, alias), called) for name, called in names.items())
        ).join(
            exp.alias_(table(*where, dimension), alias),
            on=exp.column(key, alias).eq(of_trip),
            join_type="left",
        )
    return query


def _dimension(column: Column) -> tuple[str, str, Mapping[str, str]]:
    """The table that names a column's values, its key, and its names with those of the view."""
    place, is_zone, _ = column.name.partition("_location_id")
    if is_zone:
        names = {name: f"{place}_{name}" for name in ("borough", "zone")}
        return "taxi_zone", "location_id", names
    if column.codes is None or column.name.endswith("_flag"):
        return "", "", {}
    return column.codes.name, "code", {"meaning": f"{column.codes.name}_name"}


def _all_services(contracts: Sequence[Contract], where: Sequence[str]) -> exp.Query:
    """The columns that all services share, in the order of the first."""
    shared = [
        column.name
        for column in contracts[0].columns
        if all(column.name in contract.by_name for contract in contracts)
    ]
    tables = {contract.service: table(*where, contract.service) for contract in contracts}
    return _united(tables, shared)


def _quarantine(contracts: Sequence[Contract], where: Sequence[str]) -> exp.Query:
    """The one table that it is in Postgres."""
    tables = {c.service: table(*where, f"quarantine_{c.service}") for c in contracts}
    return _united(tables, ["source_month", "source_row", "reason", "published"])


def _united(tables: Mapping[str, exp.Table], columns: Sequence[str]) -> exp.Query:
    """The rows of a table for each service, with the service's name."""
    selects: list[exp.Query] = [
        exp.select(exp.alias_(exp.Literal.string(service), "service"), *map(exp.column, columns))
        .from_(rows)
        for service, rows in tables.items()
    ]  # fmt: skip
    return reduce(lambda one, other: exp.union(one, other, distinct=False), selects)
