"""For-hire vehicle trips: black cars, liveries, and until January 2019 the app companies too.

Physical types: shared facts C.5 (Parquet footers, read November 2026). The names are the same in
every month; the types of zones and SR_Flag flip.
"""

from nyc_tlc.core.contract import columns as c
from nyc_tlc.core.contract.model import Contract, Vintage
from nyc_tlc.core.month import Month

COLUMNS = (
    c.DISPATCHING_BASE_NUM.spelled("dispatching_base_num"),
    c.PICKUP_DATETIME.spelled("pickup_datetime"),
    c.DROPOFF_DATETIME.spelled("dropOff_datetime"),
    c.PU_LOCATION_ID.spelled("PUlocationID"),
    c.DO_LOCATION_ID.spelled("DOlocationID"),
    c.SR_FLAG.spelled("SR_Flag"),
    c.AFFILIATED_BASE_NUMBER.spelled("Affiliated_base_number"),
    *c.LINEAGE,
)

_SINCE_2015 = Vintage(
    Month(2015, 1),
    {
        "dispatching_base_num": "string",
        "pickup_datetime": "timestamp[us]",
        "dropOff_datetime": "timestamp[us]",
        "PUlocationID": "double",
        "DOlocationID": "double",
        "SR_Flag": "null",
        "Affiliated_base_number": "string",
    },
)
_SINCE_2017_05 = _SINCE_2015.since("2017-05", types={"SR_Flag": "double"})
_SINCE_2019_03 = _SINCE_2017_05.since("2019-03", types={"SR_Flag": "null"})
_SINCE_2019_05 = _SINCE_2019_03.since(
    "2019-05", types={"PUlocationID": "int64", "DOlocationID": "int64"}
)
_SINCE_2019_07 = _SINCE_2019_05.since(
    "2019-07", types={"PUlocationID": "double", "DOlocationID": "double"}
)
_SINCE_2020_07 = _SINCE_2019_07.since("2020-07", types={"DOlocationID": "int64"})
_SINCE_2020_08 = _SINCE_2020_07.since("2020-08", types={"DOlocationID": "double"})
_SINCE_2023_02 = _SINCE_2020_08.since(
    "2023-02",
    types={
        "dispatching_base_num": "large_string",
        "PUlocationID": "int64",
        "DOlocationID": "int64",
        "SR_Flag": "int64",
        "Affiliated_base_number": "large_string",
    },
)

CONTRACT = Contract(
    service="fhv",
    version=1,
    columns=COLUMNS,
    vintages=(
        _SINCE_2015,
        _SINCE_2017_05,
        _SINCE_2019_03,
        _SINCE_2019_05,
        _SINCE_2019_07,
        _SINCE_2020_07,
        _SINCE_2020_08,
        _SINCE_2023_02,
    ),
)
