"""Replace the table mage.green_taxi in Postgres."""

from mage_ai.io.config import ConfigFileLoader
from mage_ai.io.postgres import Postgres
from mage_ai.settings.repo import get_repo_path

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def green_taxi_to_postgres(trips, **_):
    config = ConfigFileLoader(f"{get_repo_path()}/io_config.yaml", "dev")
    with Postgres.with_config(config) as postgres:
        postgres.export(
            trips, "mage", "green_taxi", if_exists="replace", drop_table_on_replace=True
        )
