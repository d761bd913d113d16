"""Every SQL file parses in the dialects it is for, and reads columns that are there.

`make check` runs these tests too.
"""

import pytest
import sqlglot
from sqlglot.errors import ErrorLevel
from sqlglot.optimizer.qualify import qualify

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.contract.sql import Dialect
from nyc_tlc.core.marts.declared import MARTS
from nyc_tlc.core.marts.query import month_query
from nyc_tlc.core.month import Month
from tests.repository import ROOT, shipped

FILES = shipped("*.sql")
WHERE = {Dialect.POSTGRES: ("tlc",), Dialect.BIGQUERY: ("some-project", "tlc")}
SOURCES = {
    service.name: {column.name: column.type.value for column in service.contract.columns}
    for service in SERVICES.values()
}


def parsed(text, dialect):
    """The one statement of a text; anything that the dialect has not is an error."""
    (statement,) = sqlglot.parse(text, read=dialect, error_level=ErrorLevel.RAISE)
    return statement


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_is_one_query_in_every_dialect(path):
    statement = parsed(path.read_text(), Dialect.POSTGRES)
    for dialect in Dialect:
        written = statement.sql(dialect, unsupported_level=ErrorLevel.RAISE)
        again = parsed(written, dialect)
        assert again.sql(dialect) == written


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_says_what_it_is_and_keeps_to_the_style(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith("-- ")
    assert all(len(line) <= 100 and line == line.rstrip() for line in lines)
    keywords = sqlglot.Dialect.get_or_raise(Dialect.POSTGRES).tokenizer_class.KEYWORDS
    words = [token.text for token in sqlglot.tokenize(path.read_text(), read=Dialect.POSTGRES)]
    assert [word for word in words if word.upper() in keywords and word != word.upper()] == []


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_query_reads_columns_of_the_contract_and_gives_those_of_the_mart(mart, service, dialect):
    text = month_query(mart, Partition(service, Month(2024, 2)), dialect, *WHERE[dialect])
    nested = {service.name: SOURCES[service.name]}
    for name in reversed(WHERE[dialect]):
        nested = {name: nested}
    query = qualify(parsed(text, dialect), schema=nested, dialect=dialect)
    assert query.named_selects == [column.name for column in mart.columns]
    assert [table.name for table in query.find_all(sqlglot.exp.Table)] == [service.name]
    assert "2024-02-01" in text


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_every_service_gives_marts_the_same_columns(service):
    names = [
        parsed((ROOT / f"nyc_tlc/core/marts/sql/trips_{name}.sql").read_text(), Dialect.POSTGRES)
        for name in (service.name, "yellow")
    ]
    assert names[0].named_selects == names[1].named_selects
