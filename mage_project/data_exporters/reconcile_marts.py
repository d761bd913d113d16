"""Prove that every mart has exactly the accepted trips of each month; fail the run if not."""

from nyc_tlc.jobs.marts import Marts

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter, test


@data_exporter
def reconcile_marts(in_postgres, in_bigquery, **_):
    return Marts.open().reconcile(in_postgres, in_bigquery)


@test
def test_every_month_is_built_or_accounted_for(table, **_):
    assert table["status"].isin(["built", "unchanged", "skipped"]).all()
