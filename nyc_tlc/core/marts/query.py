"""A mart's query in the dialect of a warehouse.

The files are written in the dialect of Postgres; sqlglot writes the others from them.
"""

from functools import cache
from importlib import resources

import sqlglot
from sqlglot import exp

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.sql import Dialect, table
from nyc_tlc.core.marts.model import Mart

_WRITTEN_IN = "postgres"
_TRIPS = "service_trips"
"""By which a mart's query names the trips of one service in one month."""


def month_query(mart: Mart, partition: Partition, dialect: Dialect, *where: str) -> str:
    """The query that gives one month's rows of a mart, in the order of its columns.

    It reads the trips of no other month, in the schema, or project and dataset, ``where`` they are.
    """
    trips = _parsed(f"trips_{partition.service}.sql")
    for trip_table in trips.find_all(exp.Table):
        trip_table.replace(table(*where, trip_table.name))
    query = exp.expand(_parsed(f"{mart.name}.sql"), {_TRIPS: trips}, dialect=_WRITTEN_IN)
    month = exp.cast(exp.Literal.string(partition.month.start.date().isoformat()), "date")
    query = exp.replace_placeholders(query, source_month=month)
    return query.sql(dialect, pretty=True, comments=False, identify=True)


@cache
def _text(name: str) -> str:
    return resources.files("nyc_tlc.core.marts").joinpath("sql", name).read_text("utf-8")


def _parsed(name: str) -> exp.Query:
    query = sqlglot.parse_one(_text(name), read=_WRITTEN_IN)
    assert isinstance(query, exp.Query)  # noqa: S101 - `make check` parses every file
    return query
