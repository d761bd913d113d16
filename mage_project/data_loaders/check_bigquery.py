"""Prove BigQuery with SELECT 1 and the place of its bucket, if it is configured."""

from mage_project.run_variables import require_readable
from nyc_tlc.jobs.connections import check_bigquery as check

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader


@data_loader
def check_bigquery(**kwargs):
    require_readable(kwargs)
    answer = check()
    print(answer)
    return {"bigquery": answer}
