"""Green (boro) taxi trips.

Physical types: thirteen real files of 2020-10..2025-02, and for the rest the public footers
(shared facts C.5). Which columns flip in 2014-2018 is published only in part; the flips not
known here are all between types that conform accepts alike.
"""

from nyc_tlc.core.contract import columns as c
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.vintages import csv_vintages, months, parquet_vintages, with_nulls

COLUMNS = (
    c.VENDOR_ID.spelled("VendorID"),
    c.PICKUP_DATETIME.spelled("lpep_pickup_datetime"),
    c.DROPOFF_DATETIME.spelled("lpep_dropoff_datetime", "Lpep_dropoff_datetime"),
    c.STORE_AND_FWD_FLAG.spelled("store_and_fwd_flag", "Store_and_fwd_flag"),
    c.RATE_CODE_ID.spelled("RatecodeID", "RateCodeID"),
    c.PU_LOCATION_ID.spelled("PULocationID"),
    c.DO_LOCATION_ID.spelled("DOLocationID"),
    c.PASSENGER_COUNT.spelled("passenger_count", "Passenger_count"),
    c.TRIP_DISTANCE.spelled("trip_distance", "Trip_distance"),
    c.FARE_AMOUNT.spelled("fare_amount", "Fare_amount"),
    c.EXTRA.spelled("extra", "Extra"),
    c.MTA_TAX.spelled("mta_tax", "MTA_tax"),
    c.TIP_AMOUNT.spelled("tip_amount", "Tip_amount"),
    c.TOLLS_AMOUNT.spelled("tolls_amount", "Tolls_amount"),
    c.EHAIL_FEE.spelled("ehail_fee", "Ehail_fee"),
    c.IMPROVEMENT_SURCHARGE.spelled("improvement_surcharge"),
    c.TOTAL_AMOUNT.spelled("total_amount", "Total_amount"),
    c.PAYMENT_TYPE.spelled("payment_type", "Payment_type"),
    c.TRIP_TYPE.spelled("trip_type", "Trip_type"),
    c.CONGESTION_SURCHARGE.spelled("congestion_surcharge"),
    c.CBD_CONGESTION_FEE.spelled("cbd_congestion_fee"),
    c.REQUEST_SOURCE.spelled("request_source"),
    c.PICKUP_LONGITUDE.spelled("Pickup_longitude"),
    c.PICKUP_LATITUDE.spelled("Pickup_latitude"),
    c.DROPOFF_LONGITUDE.spelled("Dropoff_longitude"),
    c.DROPOFF_LATITUDE.spelled("Dropoff_latitude"),
    *c.LINEAGE,
)

_SINCE_2014 = parquet_vintages(
    "2014-01",
    "VendorID int64, lpep_pickup_datetime timestamp[us], lpep_dropoff_datetime timestamp[us], "
    "store_and_fwd_flag string, RatecodeID int64, PULocationID int64, DOLocationID int64, "
    "passenger_count int64, trip_distance double, fare_amount double, extra double, "
    "mta_tax double, tip_amount double, tolls_amount double, ehail_fee null, "
    "improvement_surcharge double, total_amount double, payment_type int64, trip_type double, "
    "congestion_surcharge null",
    {
        "2019-01": "RatecodeID double, passenger_count double, ehail_fee double, "
        "payment_type double, congestion_surcharge double",
        "2019-09": "ehail_fee null",
        "2023-02": "VendorID int32, store_and_fwd_flag large_string, RatecodeID int64, "
        "PULocationID int32, DOLocationID int32, passenger_count int64, ehail_fee double, "
        "payment_type int64, trip_type int64",
        "2025-01": "cbd_congestion_fee double",
        "2026-06": "request_source large_string",
    },
)

_COORDINATES_2013 = (
    "VendorID,lpep_pickup_datetime,Lpep_dropoff_datetime,Store_and_fwd_flag,RateCodeID,"
    "Pickup_longitude,Pickup_latitude,Dropoff_longitude,Dropoff_latitude,Passenger_count,"
    "Trip_distance,Fare_amount,Extra,MTA_tax,Tip_amount,Tolls_amount,Ehail_fee,Total_amount,"
    "Payment_type,Trip_type "
)
_ZONES_2016 = (
    "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,"
    "PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,"
    "tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type"
)

CONTRACT = Contract(
    service="green",
    version=2,
    columns=COLUMNS,
    vintages=with_nulls(_SINCE_2014, {"improvement_surcharge": months("2014-02")}),
    csv_vintages=csv_vintages(
        {
            "2013-08": _COORDINATES_2013,
            "2015-01": _COORDINATES_2013.replace("Ehail_fee", "Ehail_fee,improvement_surcharge"),
            "2016-07": _ZONES_2016,
            "2019-01": f"{_ZONES_2016},congestion_surcharge",
        }
    ),
)
