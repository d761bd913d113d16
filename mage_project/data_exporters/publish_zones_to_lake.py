"""Replace the taxi zones in the lake's reference/."""

from nyc_tlc.jobs.zones import Zones

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def publish_zones_to_lake(landed, **_):
    return Zones.open().publish_to_lake(landed)
