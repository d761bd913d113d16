"""A run over the marts: what it builds, what it leaves, what it says of months that fail."""

from dataclasses import replace

import pytest

from nyc_tlc.adapters.postgres.marts import PostgresMarts
from nyc_tlc.adapters.postgres.warehouse import PostgresWarehouse
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.runs.mart_table import MartRow
from nyc_tlc.jobs.marts import Marts
from nyc_tlc.ports.marts import MartPorts
from tests.ports.months import SampleMonth, load, partition

MONTHS = [SampleMonth(partition(month), rows=4) for month in ("2024-01", "2024-02", "2024-03")]


@pytest.fixture
def marts(warehouse, database, schema, settings) -> Marts:
    return Marts(settings, MartPorts(warehouse, PostgresMarts(database, schema)))


@pytest.fixture
def loaded(warehouse) -> PostgresWarehouse:
    for month in MONTHS:
        load(warehouse, month)
        warehouse.mark_reconciled(month.entry)
    return warehouse


def reconciled(marts: Marts, in_postgres: list[MartRow]) -> list[str]:
    """Statuses at the end of a run that has no BigQuery: its row is the last."""
    *rows, in_bigquery = statuses(marts.reconcile(in_postgres, marts.build_in_bigquery(force=True)))
    assert in_bigquery == "skipped"
    return rows


def statuses(table: list[MartRow]) -> list[str]:
    return [row.status for row in table]


def test_only_months_that_changed_are_built(marts, loaded):
    first = marts.build_in_postgres(force=False)
    assert statuses(first) == ["built"] * 3
    assert reconciled(marts, first) == ["built"] * 3
    assert [row.trips for row in first] == [4, 4, 4]
    assert statuses(marts.build_in_postgres(force=False)) == ["unchanged"] * 3

    revised = SampleMonth(MONTHS[1].partition, rows=6, sha256="b" * 64)
    load(loaded, revised)
    loaded.mark_reconciled(revised.entry)
    again = marts.build_in_postgres(force=False)
    assert statuses(again) == ["unchanged", "built", "unchanged"]
    assert [row.trips for row in again] == [4, 6, 4]
    assert statuses(marts.build_in_postgres(force=True)) == ["built"] * 3


def test_month_that_is_not_proved_is_skipped_with_a_note(marts, loaded, query):
    load(loaded, SampleMonth(MONTHS[0].partition, sha256="b" * 64))
    table = marts.build_in_postgres(force=False)
    assert statuses(table) == ["skipped", "built", "built"]
    assert "run tlc_trips for it" in table[0].note
    assert query("SELECT sum(trips) FROM daily_zone_trips") == [(8,)]


def test_month_that_fails_fails_alone_and_ends_the_run(marts, loaded, query):
    query("DELETE FROM green_2024_02 WHERE source_row = 3")
    table = marts.build_in_postgres(force=False)
    assert statuses(table) == ["built", "failed", "built"]
    with pytest.raises(PipelineError, match=r"(?s)1 of 3 .*green 2024-02: .*expected its 4 acc"):
        reconciled(marts, table)


@pytest.mark.usefixtures("loaded")
def test_mart_that_somebody_else_wrote_to_is_found_and_repaired(marts, query):
    table = marts.build_in_postgres(force=False)
    query("DELETE FROM daily_zone_trips WHERE source_month = '2024-03-01'")
    with pytest.raises(PipelineError, match=r"2024-03: daily_zone_trips in Postgres has 0 trips"):
        reconciled(marts, table)
    repaired = marts.build_in_postgres(force=False)
    assert statuses(repaired) == ["unchanged", "unchanged", "built"]
    assert reconciled(marts, repaired) == ["unchanged", "unchanged", "built"]


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (Marts.build_in_postgres, "no month yet"),
        (Marts.build_in_bigquery, "BIGQUERY_DATASET is not set"),
    ],
    ids=["without months", "without BigQuery"],
)
def test_where_there_is_nothing_to_build_the_run_says_why(marts, build, why):
    table = build(marts, force=False)
    assert statuses(table) == ["skipped"]
    assert why in table[0].note
    assert reconciled(marts, marts.build_in_postgres(force=False)) == ["skipped"]


def test_a_store_that_fails_keeps_no_other_from_being_built(marts, loaded, database, schema, query):
    """Two stores in one run: the second, in its own schema, has none of the trips."""
    other = PostgresMarts(database, f"{schema}_other")
    both = Marts(marts._settings, replace(marts._ports, bigquery=other))
    try:
        first, second = both.build_in_postgres(force=False), both.build_in_bigquery(force=False)
        assert (statuses(first), statuses(second)) == (["built"] * 3, ["failed"] * 3)
        with pytest.raises(PipelineError, match="3 of 6 partitions failed"):
            both.reconcile(first, second)
    finally:
        query(f"DROP SCHEMA {schema}_other CASCADE")
