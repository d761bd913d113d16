"""Replace the code lists' dimension tables in Postgres."""

from mage_project.run_variables import require_readable
from nyc_tlc.jobs.zones import CodeLists

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def load_code_lists_to_postgres(*_, **kwargs):
    require_readable(kwargs)
    return CodeLists.open().load_to_postgres()
