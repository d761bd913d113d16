"""Yellow (medallion) taxi trips.

Physical types: Parquet footers of 2011-01..2024-08 and the files of 2025-01..2026-08
(shared facts C.5, read November 2026).
"""

from collections.abc import Mapping

from nyc_tlc.core.contract import columns as c
from nyc_tlc.core.contract.model import Contract, Vintage
from nyc_tlc.core.contract.vintages import flip, months
from nyc_tlc.core.month import Month

COLUMNS = (
    c.VENDOR_ID.spelled("VendorID"),
    c.PICKUP_DATETIME.spelled("tpep_pickup_datetime"),
    c.DROPOFF_DATETIME.spelled("tpep_dropoff_datetime"),
    c.PASSENGER_COUNT.spelled("passenger_count"),
    c.TRIP_DISTANCE.spelled("trip_distance"),
    c.RATE_CODE_ID.spelled("RatecodeID"),
    c.STORE_AND_FWD_FLAG.spelled("store_and_fwd_flag"),
    c.PU_LOCATION_ID.spelled("PULocationID"),
    c.DO_LOCATION_ID.spelled("DOLocationID"),
    c.PAYMENT_TYPE.spelled("payment_type"),
    c.FARE_AMOUNT.spelled("fare_amount"),
    c.EXTRA.spelled("extra"),
    c.MTA_TAX.spelled("mta_tax"),
    c.TIP_AMOUNT.spelled("tip_amount"),
    c.TOLLS_AMOUNT.spelled("tolls_amount"),
    c.IMPROVEMENT_SURCHARGE.spelled("improvement_surcharge"),
    c.TOTAL_AMOUNT.spelled("total_amount"),
    c.CONGESTION_SURCHARGE.spelled("congestion_surcharge"),
    c.AIRPORT_FEE.spelled("airport_fee", "Airport_fee"),
    c.CBD_CONGESTION_FEE.spelled("cbd_congestion_fee"),
    c.REQUEST_SOURCE.spelled("request_source"),
    *c.LINEAGE,
)

_SINCE_2011 = Vintage(
    Month(2011, 1),
    {
        "VendorID": "int64",
        "tpep_pickup_datetime": "timestamp[us]",
        "tpep_dropoff_datetime": "timestamp[us]",
        "passenger_count": "int64",
        "trip_distance": "double",
        "RatecodeID": "int64",
        "store_and_fwd_flag": "string",
        "PULocationID": "int64",
        "DOLocationID": "int64",
        "payment_type": "int64",
        "fare_amount": "double",
        "extra": "double",
        "mta_tax": "double",
        "tip_amount": "double",
        "tolls_amount": "double",
        "improvement_surcharge": "double",
        "total_amount": "double",
        "congestion_surcharge": "double",
        "airport_fee": "double",
    },
)
_SINCE_2018_07 = _SINCE_2011.since(
    "2018-07", types={"passenger_count": "double", "RatecodeID": "double"}
)
_SINCE_2023_02 = _SINCE_2018_07.since(
    "2023-02",
    renamed={"airport_fee": "Airport_fee"},
    types={
        "VendorID": "int32",
        "PULocationID": "int32",
        "DOLocationID": "int32",
        "passenger_count": "int64",
        "RatecodeID": "int64",
        "store_and_fwd_flag": "large_string",
    },
)
_SINCE_2025_01 = _SINCE_2023_02.since("2025-01", added={"cbd_congestion_fee": "double"})
_SINCE_2026_06 = _SINCE_2025_01.since("2026-06", added={"request_source": "large_string"})

_DOUBLE_MONTHS = {
    "airport_fee": months("2011-01", "2018-01", "2020-08:2020-09", "2020-11:2023-01"),
    "congestion_surcharge": months(
        "2011-01", "2011-03", "2012-12", "2013-05", "2014-01",
        "2018-01", "2018-06", "2018-09", "2018-11", "2019-01:2023-01",
    ),
    "improvement_surcharge": months("2011-01:2023-01") - months("2014-08"),
}  # fmt: skip


def _all_null_in(month: Month) -> Mapping[str, str]:
    if month >= _SINCE_2023_02.first:
        return {}
    return {name: "null" for name, filled in _DOUBLE_MONTHS.items() if month not in filled}


CONTRACT = Contract(
    service="yellow",
    version=1,
    columns=COLUMNS,
    vintages=flip(
        (_SINCE_2011, _SINCE_2018_07, _SINCE_2023_02, _SINCE_2025_01, _SINCE_2026_06),
        _all_null_in,
    ),
)
