"""The views in Postgres, replaced under what depends on them."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg2 import errors as pg
from psycopg2.sql import SQL, Identifier

from nyc_tlc.adapters.postgres.connection import Cursor
from nyc_tlc.core.errors import ConfigurationError


def replace(cursor: Cursor, queries: Mapping[str, str]) -> None:
    """Create or replace the views. What they query must be there.

    Raises:
        ConfigurationError: others' views keep one of ours from getting other columns.
    """
    for name, query in queries.items():
        view = SQL("VIEW {} AS {}").format(Identifier(name), SQL(query))
        cursor.execute("SAVEPOINT view")
        try:
            # Keeps what was granted, and what depends on the view.
            cursor.execute(SQL("CREATE OR REPLACE {}").format(view))
        except pg.InvalidTableDefinition:
            # It has other columns than before, not just more of them at the end.
            cursor.execute("ROLLBACK TO SAVEPOINT view")
            _drop(cursor, name)
            cursor.execute(SQL("CREATE {}").format(view))


def _drop(cursor: Cursor, name: str) -> None:
    try:
        cursor.execute(SQL("DROP VIEW {}").format(Identifier(name)))
    except pg.DependentObjectsStillExist as error:
        raise ConfigurationError(
            f"the view {name} must change its columns, but something of yours is built on it: "
            f"{error.diag.message_detail}. The views stay as they were. Drop what is named, run "
            "the pipeline tlc_zones again, and create it again."
        ) from error
