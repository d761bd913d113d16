"""Prove BigQuery with SELECT 1 and the place of its bucket, if it is configured."""

from nyc_tlc.jobs.connections import check_bigquery as check

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader


@data_loader
def check_bigquery(**_):
    answer = check()
    print(answer)
    return {"bigquery": answer}
