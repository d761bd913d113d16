"""For-hire vehicle trips: black cars, liveries, and until January 2019 the app companies too.

Physical types: shared facts C.5 (Parquet footers, read November 2026). The names are the same in
every month; the types of zones and SR_Flag flip. The CSV files of 2018 have two columns for the
dispatching base, of which the second is empty as far as seen.
"""

from nyc_tlc.core.contract import columns as c
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.vintages import csv_vintages, parquet_vintages

COLUMNS = (
    c.DISPATCHING_BASE_NUM.spelled(
        "dispatching_base_num", "Dispatching_base_number", "Dispatching_base_num"
    ),
    c.PICKUP_DATETIME.spelled("pickup_datetime", "Pickup_DateTime", "Pickup_date"),
    c.DROPOFF_DATETIME.spelled("dropOff_datetime", "DropOff_datetime", "dropoff_datetime"),
    c.PU_LOCATION_ID.spelled("PUlocationID", "PULocationID", "locationID"),
    c.DO_LOCATION_ID.spelled("DOlocationID", "DOLocationID"),
    c.SR_FLAG.spelled("SR_Flag"),
    c.AFFILIATED_BASE_NUMBER.spelled("Affiliated_base_number"),
    *c.LINEAGE,
)

_NAMES_2017 = "Dispatching_base_num,Pickup_DateTime,DropOff_datetime,PUlocationID,DOlocationID"

CONTRACT = Contract(
    service="fhv",
    version=2,
    columns=COLUMNS,
    vintages=parquet_vintages(
        "2015-01",
        "dispatching_base_num string, pickup_datetime timestamp[us], "
        "dropOff_datetime timestamp[us], PUlocationID double, DOlocationID double, SR_Flag null, "
        "Affiliated_base_number string",
        {
            "2017-05": "SR_Flag double",
            "2019-03": "SR_Flag null",
            "2019-05": "PUlocationID int64, DOlocationID int64",
            "2019-07": "PUlocationID double, DOlocationID double",
            "2020-07": "DOlocationID int64",
            "2020-08": "DOlocationID double",
            "2023-02": "dispatching_base_num large_string, PUlocationID int64, "
            "DOlocationID int64, SR_Flag int64, Affiliated_base_number large_string",
        },
    ),
    csv_vintages=csv_vintages(
        {
            "2015-01": "Dispatching_base_num,Pickup_date,locationID",
            "2017-01": _NAMES_2017,
            "2017-07": f"{_NAMES_2017},SR_Flag",
            "2018-01": "Pickup_DateTime,DropOff_datetime,PUlocationID,DOlocationID,SR_Flag,"
            "Dispatching_base_number,Dispatching_base_num",
            "2019-01": "dispatching_base_num,pickup_datetime,dropoff_datetime,PULocationID,"
            "DOLocationID,SR_Flag",
        }
    ),
)
