"""Write a Parquet file for each pick-up date into the lake's bucket."""

from mage_ai.io.config import ConfigFileLoader
from mage_ai.io.google_cloud_storage import GoogleCloudStorage
from mage_ai.settings.repo import get_repo_path

if "data_exporter" not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def green_taxi_to_lake(trips, **_):
    config = ConfigFileLoader(f"{get_repo_path()}/io_config.yaml", "dev")
    bucket, _, prefix = config["LAKE_URL"].removeprefix("gs://").partition("/")
    lake = GoogleCloudStorage.with_config(config)
    for date, of_date in trips.groupby("lpep_pickup_date"):
        key = f"course_green_taxi/lpep_pickup_date={date}/part-0.parquet"
        lake.export(of_date.drop(columns="lpep_pickup_date"), bucket, f"{prefix}/{key}".lstrip("/"))
