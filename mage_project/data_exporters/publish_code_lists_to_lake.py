"""Replace the code lists in the lake's reference/."""

from nyc_tlc.jobs.zones import CodeLists

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def publish_code_lists_to_lake(*_, **__):
    return CodeLists.open().publish_to_lake()
