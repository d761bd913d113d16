"""Views that spare a reader the joins: each service with names, and all services in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import errors as pg
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case
from psycopg2.sql import SQL, Composable, Identifier, Literal

from nyc_tlc.core.contract.model import Column, Contract
from nyc_tlc.core.errors import ConfigurationError

_ALL_SERVICES = "trips"


@dataclass(frozen=True)
class _Dimension:
    """The table that names the values of a column.

    Attributes:
        names: Columns of the table and what they are called in the view.
    """

    table: str
    key: str
    names: Mapping[str, str]


def render(schema: str, contracts: Sequence[Contract]) -> Mapping[str, Composable]:
    """Name and query of each view."""
    named = {f"{contract.service}_named": _named(schema, contract) for contract in contracts}
    return {**named, _ALL_SERVICES: _all_services(schema, contracts)}


def replace(cursor: Cursor, schema: str, views: Mapping[str, Composable]) -> None:
    """Create or replace the views. What they query must be there.

    Raises:
        ConfigurationError: others' views keep one of ours from getting other columns.
    """
    for name, query in views.items():
        view = Identifier(schema, name)
        cursor.execute("SAVEPOINT view")
        try:
            # Keeps what was granted, and what depends on the view.
            cursor.execute(SQL("CREATE OR REPLACE VIEW {} AS {}").format(view, query))
        except pg.InvalidTableDefinition:
            # It has other columns than before, not just more of them at the end.
            cursor.execute("ROLLBACK TO SAVEPOINT view")
            _drop(cursor, view)
            cursor.execute(SQL("CREATE VIEW {} AS {}").format(view, query))


def _drop(cursor: Cursor, view: Identifier) -> None:
    try:
        cursor.execute(SQL("DROP VIEW {}").format(view))
    except pg.DependentObjectsStillExist as error:
        raise ConfigurationError(
            f"the view {view.as_string(cursor)} must change its columns, but something of yours "
            f"is built on it: {error.diag.message_detail}. The views stay as they were. Drop what "
            "is named, run the pipeline tlc_zones again, and create it anew."
        ) from error


def _named(schema: str, contract: Contract) -> Composable:
    """Every column, followed by its name where a dimension has one.

    The joins are outer joins to a primary key: they keep every trip, once, and the planner leaves
    out those whose names a query does not ask for.
    """
    columns: list[Composable] = []
    joins: list[Composable] = []
    for column in contract.columns:
        columns.append(Identifier("trip", column.name))
        dimension = _dimension(column)
        if dimension is None:
            continue
        alias = f"{column.name}_of"
        columns += [
            SQL("{} AS {}").format(Identifier(alias, name), Identifier(called))
            for name, called in dimension.names.items()
        ]
        joins.append(
            SQL("LEFT JOIN {} AS {} ON {} = {}").format(
                Identifier(schema, dimension.table),
                Identifier(alias),
                Identifier(alias, dimension.key),
                Identifier("trip", column.name),
            )
        )
    return SQL("SELECT {} FROM {} AS trip {}").format(
        SQL(", ").join(columns), Identifier(schema, contract.service), SQL(" ").join(joins)
    )


def _dimension(column: Column) -> _Dimension | None:
    place, is_zone, _ = column.name.partition("_location_id")
    if is_zone:
        names = {name: f"{place}_{name}" for name in ("borough", "zone")}
        return _Dimension("taxi_zone", "location_id", names)
    if column.codes is None or column.name.endswith("_flag"):
        return None
    return _Dimension(column.codes.name, "code", {"meaning": f"{column.codes.name}_name"})


def _all_services(schema: str, contracts: Sequence[Contract]) -> Composable:
    """The columns that all services share, in the order of the first."""
    shared = [
        Identifier(column.name)
        for column in contracts[0].columns
        if all(column.name in contract.by_name for contract in contracts)
    ]
    return SQL(" UNION ALL ").join(
        SQL("SELECT {}::text AS service, {} FROM {}").format(
            Literal(contract.service),
            SQL(", ").join(shared),
            Identifier(schema, contract.service),
        )
        for contract in contracts
    )
