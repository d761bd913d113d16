"""Replace the taxi_zone dimension in BigQuery, if it is configured."""

from nyc_tlc.jobs.zones import Zones

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def load_zones_to_bigquery(landed, **_):
    return Zones.open().load_to_bigquery(landed)
