"""Three months of green trips as TLC published them, in one DataFrame."""

import pandas as pd

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.published_files import PublishedFiles

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader

MONTHS = [Partition(GREEN, Month(2020, month)) for month in (10, 11, 12)]
DATES = ["lpep_pickup_datetime", "lpep_dropoff_datetime"]


@data_loader
def load_green_taxi(**_):
    with PublishedFiles.open().download(MONTHS) as files:
        trips = pd.concat([read(file) for file in files], ignore_index=True)
    return trips.astype({"ehail_fee": float})  # never filled, so nothing tells its type


def read(file):
    if file.suffix == ".parquet":
        return pd.read_parquet(file, dtype_backend="numpy_nullable")
    # In one piece: the first rows of a column may be empty, and tell no type.
    return pd.read_csv(file, parse_dates=DATES, dtype_backend="numpy_nullable", low_memory=False)
