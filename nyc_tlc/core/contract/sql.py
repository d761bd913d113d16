"""SQL in the dialects of the warehouses, written by sqlglot."""

from enum import StrEnum

from sqlglot import exp


class Dialect(StrEnum):
    """A warehouse's SQL, by sqlglot's name."""

    POSTGRES = "postgres"
    BIGQUERY = "bigquery"


def table(*names: str) -> exp.Table:
    """A table: schema and name, or project, dataset and name."""
    *catalog, schema, name = (exp.to_identifier(part, quoted=True) for part in names)
    return exp.Table(this=name, db=schema, catalog=catalog[0] if catalog else None)
