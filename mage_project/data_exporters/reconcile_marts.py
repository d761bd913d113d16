"""Prove that every mart has exactly the accepted trips of each month; fail the run if not."""

from mage_project.frames import to_frame, to_rows
from nyc_tlc.core.runs.mart_table import MartRow
from nyc_tlc.jobs.marts import Marts

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter, test


@data_exporter
def reconcile_marts(in_postgres, in_bigquery, **_):
    tables = (to_rows(MartRow, table) for table in (in_postgres, in_bigquery))
    return to_frame(MartRow, Marts.open().reconcile(*tables))


@test
def test_every_month_is_built_or_accounted_for(table, **_):
    assert table["status"].isin(["built", "unchanged", "skipped"]).all()
