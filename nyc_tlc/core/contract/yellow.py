"""Yellow (medallion) taxi trips.

Physical types: Parquet footers of 2009-01..2024-08 and the files of 2025-01..2026-08
(shared facts C.5, read November 2026). CSV headers: the first line of every monthly file of
2009-01..2020-06 (read November 2026); the mirror goes on unchanged to 2021-07.
"""

from dataclasses import replace

from nyc_tlc.core.contract import columns as c
from nyc_tlc.core.contract.model import Contract
from nyc_tlc.core.contract.vintages import csv_vintages, months, parquet_vintages, with_nulls

COLUMNS = (
    c.VENDOR_ID.spelled("VendorID", "vendor_id", "vendor_name"),
    c.PICKUP_DATETIME.spelled("tpep_pickup_datetime", "pickup_datetime", "Trip_Pickup_DateTime"),
    c.DROPOFF_DATETIME.spelled(
        "tpep_dropoff_datetime", "dropoff_datetime", "Trip_Dropoff_DateTime"
    ),
    c.PASSENGER_COUNT.spelled("passenger_count", "Passenger_Count"),
    c.TRIP_DISTANCE.spelled("trip_distance", "Trip_Distance"),
    c.RATE_CODE_ID.spelled("RatecodeID", "RateCodeID", "rate_code", "Rate_Code"),
    c.STORE_AND_FWD_FLAG.spelled("store_and_fwd_flag", "store_and_forward"),
    c.PU_LOCATION_ID.spelled("PULocationID"),
    c.DO_LOCATION_ID.spelled("DOLocationID"),
    c.PAYMENT_TYPE.spelled("payment_type", "Payment_Type"),
    c.FARE_AMOUNT.spelled("fare_amount", "Fare_Amt"),
    c.EXTRA.spelled("extra", "surcharge"),
    c.MTA_TAX.spelled("mta_tax"),
    c.TIP_AMOUNT.spelled("tip_amount", "Tip_Amt"),
    c.TOLLS_AMOUNT.spelled("tolls_amount", "Tolls_Amt"),
    c.IMPROVEMENT_SURCHARGE.spelled("improvement_surcharge"),
    c.TOTAL_AMOUNT.spelled("total_amount", "Total_Amt"),
    c.CONGESTION_SURCHARGE.spelled("congestion_surcharge"),
    c.AIRPORT_FEE.spelled("airport_fee", "Airport_fee"),
    c.CBD_CONGESTION_FEE.spelled("cbd_congestion_fee"),
    c.REQUEST_SOURCE.spelled("request_source"),
    c.PICKUP_LONGITUDE.spelled("pickup_longitude", "Start_Lon"),
    c.PICKUP_LATITUDE.spelled("pickup_latitude", "Start_Lat"),
    c.DROPOFF_LONGITUDE.spelled("dropoff_longitude", "End_Lon"),
    c.DROPOFF_LATITUDE.spelled("dropoff_latitude", "End_Lat"),
    *c.LINEAGE,
)

_2009 = parquet_vintages(
    "2009-01",
    "vendor_name string, Trip_Pickup_DateTime string, Trip_Dropoff_DateTime string, "
    "Passenger_Count int64, Trip_Distance double, Start_Lon double, Start_Lat double, "
    "Rate_Code double, store_and_forward double, End_Lon double, End_Lat double, "
    "Payment_Type string, Fare_Amt double, surcharge double, mta_tax double, Tip_Amt double, "
    "Tolls_Amt double, Total_Amt double",
)
_JANUARY_2010, _FEBRUARY_2010, _APRIL_2010 = parquet_vintages(
    "2010-01",
    "vendor_id string, pickup_datetime string, dropoff_datetime string, passenger_count int64, "
    "trip_distance double, pickup_longitude double, pickup_latitude double, rate_code string, "
    "store_and_fwd_flag string, dropoff_longitude double, dropoff_latitude double, "
    "payment_type string, fare_amount double, surcharge double, mta_tax double, "
    "tip_amount double, tolls_amount double, total_amount double",
    {"2010-02": "rate_code int64", "2010-04": "rate_code string"},
)
_2010 = (_JANUARY_2010, replace(_FEBRUARY_2010, ignored=("__index_level_0__",)), _APRIL_2010)
"""TLC repaired rows with extra commas in February and March, and published its index with them."""
_SINCE_2011 = parquet_vintages(
    "2011-01",
    "VendorID int64, tpep_pickup_datetime timestamp[us], tpep_dropoff_datetime timestamp[us], "
    "passenger_count int64, trip_distance double, RatecodeID int64, store_and_fwd_flag string, "
    "PULocationID int64, DOLocationID int64, payment_type int64, fare_amount double, "
    "extra double, mta_tax double, tip_amount double, tolls_amount double, "
    "improvement_surcharge double, total_amount double, congestion_surcharge double, "
    "airport_fee double",
    {
        "2018-07": "passenger_count double, RatecodeID double",
        "2023-02": "VendorID int32, PULocationID int32, DOLocationID int32, "
        "passenger_count int64, RatecodeID int64, store_and_fwd_flag large_string, "
        "airport_fee absent, Airport_fee double",
        "2025-01": "cbd_congestion_fee double",
        "2026-06": "request_source large_string",
    },
)

_UNTIL_2023_01 = months("2011-01:2023-01")
_NULL_MONTHS = {
    "airport_fee": _UNTIL_2023_01
    - months("2011-01", "2018-01", "2020-08:2020-09", "2020-11:2023-01"),
    "congestion_surcharge": _UNTIL_2023_01
    - months("2011-01", "2011-03", "2012-12", "2013-05", "2014-01", "2018-01", "2018-06")
    - months("2018-09", "2018-11", "2019-01:2023-01"),
    "improvement_surcharge": months("2014-08"),
}

_COORDINATES_2015 = (
    "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,"
    "pickup_longitude,pickup_latitude,RateCodeID,store_and_fwd_flag,dropoff_longitude,"
    "dropoff_latitude,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,"
    "improvement_surcharge,total_amount"
)
_ZONES_2016 = (
    "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,"
    "store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,"
    "tip_amount,tolls_amount,improvement_surcharge,total_amount"
)

CONTRACT = Contract(
    service="yellow",
    version=2,
    columns=COLUMNS,
    vintages=with_nulls((*_2009, *_2010, *_SINCE_2011), _NULL_MONTHS),
    csv_vintages=csv_vintages(
        {
            "2009-01": ",".join(_2009[0].published),
            "2010-01": ",".join(_JANUARY_2010.published),
            "2015-01": _COORDINATES_2015,
            "2015-07": _COORDINATES_2015.replace("RateCodeID", "RatecodeID"),
            "2016-07": _ZONES_2016,
            "2019-01": f"{_ZONES_2016},congestion_surcharge",
        }
    ),
)
