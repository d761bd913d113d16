"""High-volume for-hire vehicle trips: the app companies (Uber, Lyft, Via, Juno), since 2019-02.

Physical types: shared facts C.5 (Parquet footers, read November 2026). The CSV files of the same
months, as first published, have seven columns; only they have SR_Flag.
"""

from nyc_tlc.core.contract import columns as c
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.vintages import csv_vintages, months, parquet_vintages, with_nulls

COLUMNS = (
    c.HVFHS_LICENSE_NUM.spelled("hvfhs_license_num"),
    c.DISPATCHING_BASE_NUM.spelled("dispatching_base_num"),
    c.ORIGINATING_BASE_NUM.spelled("originating_base_num"),
    c.REQUEST_DATETIME.spelled("request_datetime"),
    c.ON_SCENE_DATETIME.spelled("on_scene_datetime"),
    c.PICKUP_DATETIME.spelled("pickup_datetime"),
    c.DROPOFF_DATETIME.spelled("dropoff_datetime"),
    c.PU_LOCATION_ID.spelled("PULocationID"),
    c.DO_LOCATION_ID.spelled("DOLocationID"),
    c.TRIP_DISTANCE.spelled("trip_miles"),
    c.TRIP_TIME.spelled("trip_time"),
    c.BASE_PASSENGER_FARE.spelled("base_passenger_fare"),
    c.TOLLS_AMOUNT.spelled("tolls"),
    c.BCF.spelled("bcf"),
    c.SALES_TAX.spelled("sales_tax"),
    c.CONGESTION_SURCHARGE.spelled("congestion_surcharge"),
    c.AIRPORT_FEE.spelled("airport_fee"),
    c.TIP_AMOUNT.spelled("tips"),
    c.DRIVER_PAY.spelled("driver_pay"),
    c.SHARED_REQUEST_FLAG.spelled("shared_request_flag"),
    c.SHARED_MATCH_FLAG.spelled("shared_match_flag"),
    c.ACCESS_A_RIDE_FLAG.spelled("access_a_ride_flag"),
    c.WAV_REQUEST_FLAG.spelled("wav_request_flag"),
    c.WAV_MATCH_FLAG.spelled("wav_match_flag"),
    c.CBD_CONGESTION_FEE.spelled("cbd_congestion_fee"),
    c.SR_FLAG.spelled("SR_Flag"),
    *c.LINEAGE,
)

_SINCE_2019_02 = parquet_vintages(
    "2019-02",
    "hvfhs_license_num string, dispatching_base_num string, originating_base_num string, "
    "request_datetime timestamp[us], on_scene_datetime timestamp[us], "
    "pickup_datetime timestamp[us], dropoff_datetime timestamp[us], PULocationID int64, "
    "DOLocationID int64, trip_miles double, trip_time int64, base_passenger_fare double, "
    "tolls double, bcf double, sales_tax double, congestion_surcharge double, "
    "airport_fee double, tips double, driver_pay double, shared_request_flag string, "
    "shared_match_flag string, access_a_ride_flag string, wav_request_flag string, "
    "wav_match_flag string",
    {
        "2023-02": "PULocationID int32, DOLocationID int32, hvfhs_license_num large_string, "
        "dispatching_base_num large_string, originating_base_num large_string, "
        "shared_request_flag large_string, shared_match_flag large_string, "
        "access_a_ride_flag large_string, wav_request_flag large_string, "
        "wav_match_flag large_string",
        "2025-01": "cbd_congestion_fee double",
    },
)
_NULL_MONTHS = {
    "airport_fee": months("2019-02:2019-06", "2020-04", "2020-10"),
    "wav_match_flag": months("2019-02:2019-03"),
}

CONTRACT = Contract(
    service="fhvhv",
    version=2,
    columns=COLUMNS,
    vintages=with_nulls(_SINCE_2019_02, _NULL_MONTHS),
    csv_vintages=csv_vintages(
        {
            "2019-02": "hvfhs_license_num,dispatching_base_num,pickup_datetime,dropoff_datetime,"
            "PULocationID,DOLocationID,SR_Flag"
        }
    ),
)
