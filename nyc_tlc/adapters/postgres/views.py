"""The views in Postgres, replaced under what depends on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg2 import errors as pg
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case
from psycopg2.sql import SQL, Composable, Identifier

from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.view_queries import Names, view_queries
from nyc_tlc.core.errors import ConfigurationError


def render(schema: str, contracts: Sequence[Contract]) -> Mapping[str, Composable]:
    """Name and query of each view."""
    names = Names(_quoted, lambda table: f"{_quoted(schema)}.{_quoted(table)}")
    return {name: SQL(query) for name, query in view_queries(contracts, names).items()}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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
