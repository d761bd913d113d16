"""Replace the code lists in the lake's reference/."""

from mage_project.run_variables import require_readable
from nyc_tlc.jobs.zones import CodeLists

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def publish_code_lists_to_lake(*_, **kwargs):
    require_readable(kwargs)
    return CodeLists.open().publish_to_lake()
