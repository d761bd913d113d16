"""The columns that several services share: same quantity and unit, same name everywhere."""

from nyc_tlc.core.contract import codes
from nyc_tlc.core.contract.model import CodeList, Column, ColumnType


def _dollars(name: str, meaning: str) -> Column:
    return Column(name, ColumnType.DOUBLE, meaning, unit="US dollars")


def _degrees(name: str, meaning: str) -> Column:
    return Column(name, ColumnType.DOUBLE, meaning, unit="degrees")


def _coded(name: str, meaning: str, code_list: CodeList) -> Column:
    """A column of the type of its codes."""
    is_number = isinstance(next(iter(code_list.meanings)), int)
    kind = ColumnType.SMALLINT if is_number else ColumnType.TEXT
    return Column(name, kind, meaning, codes=code_list)


def _base(name: str, meaning: str) -> Column:
    return Column(name, ColumnType.TEXT, meaning, is_base_number=True)


def _instant(name: str, meaning: str) -> Column:
    return Column(name, ColumnType.TIMESTAMP, meaning)


def _zone(name: str, meaning: str) -> Column:
    return Column(name, ColumnType.SMALLINT, f"{meaning} (taxi_zone.location_id)")


VENDOR_ID = _coded("vendor_id", "Provider of the record's technology", codes.VENDOR)
PICKUP_DATETIME = Column(
    "pickup_datetime", ColumnType.TIMESTAMP, "When the trip began", required=True
)
DROPOFF_DATETIME = _instant("dropoff_datetime", "When the trip ended")
PASSENGER_COUNT = Column(
    "passenger_count", ColumnType.SMALLINT, "Passengers, as the driver entered it"
)
TRIP_DISTANCE = Column(
    "trip_distance", ColumnType.DOUBLE, "Distance of the trip, by taximeter or app", unit="miles"
)
RATE_CODE_ID = _coded("rate_code_id", "Rate in force at the end of the trip", codes.RATE_CODE)
STORE_AND_FWD_FLAG = _coded(
    "store_and_fwd_flag",
    "Whether the record was held in the vehicle for want of a connection",
    codes.STORE_AND_FWD,
)
PU_LOCATION_ID = _zone("pu_location_id", "Taxi zone where the trip began")
DO_LOCATION_ID = _zone("do_location_id", "Taxi zone where the trip ended")
PICKUP_LONGITUDE = _degrees("pickup_longitude", "Where the trip began, WGS 84")
PICKUP_LATITUDE = _degrees("pickup_latitude", "Where the trip began, WGS 84")
DROPOFF_LONGITUDE = _degrees("dropoff_longitude", "Where the trip ended, WGS 84")
DROPOFF_LATITUDE = _degrees("dropoff_latitude", "Where the trip ended, WGS 84")
PAYMENT_TYPE = _coded("payment_type", "How the passenger paid", codes.PAYMENT_TYPE)
TRIP_TYPE = _coded("trip_type", "Street-hail or dispatch", codes.TRIP_TYPE)
FARE_AMOUNT = _dollars("fare_amount", "Fare by time and distance")
EXTRA = _dollars("extra", "Miscellaneous extras and surcharges")
MTA_TAX = _dollars("mta_tax", "MTA tax")
TIP_AMOUNT = _dollars("tip_amount", "Tip; of taxis, card tips only")
TOLLS_AMOUNT = _dollars("tolls_amount", "Tolls paid in the trip")
EHAIL_FEE = _dollars("ehail_fee", "E-hail fee")
IMPROVEMENT_SURCHARGE = _dollars("improvement_surcharge", "Improvement surcharge, since 2015")
TOTAL_AMOUNT = _dollars("total_amount", "Charged to the passenger, without cash tips")
CONGESTION_SURCHARGE = _dollars("congestion_surcharge", "New York State congestion surcharge")
AIRPORT_FEE = _dollars("airport_fee", "For pick-ups at LaGuardia and JFK")
CBD_CONGESTION_FEE = _dollars(
    "cbd_congestion_fee", "MTA congestion relief zone charge, since 5 January 2025"
)
REQUEST_SOURCE = Column(
    "request_source",
    ColumnType.TEXT,
    "Who took an e-hail (HV0003, HV0005); in no dictionary, first seen 2026-06",
)
DISPATCHING_BASE_NUM = _base("dispatching_base_num", "Base that dispatched the trip")
AFFILIATED_BASE_NUMBER = _base("affiliated_base_number", "Base that the vehicle is affiliated with")
ORIGINATING_BASE_NUM = _base("originating_base_num", "Base that received the request")
SR_FLAG = _coded("sr_flag", "Shared-ride trip; null otherwise", codes.SHARED_RIDE)
HVFHS_LICENSE_NUM = _coded("hvfhs_license_num", "Licence of the app company", codes.HVFHS_LICENSE)
REQUEST_DATETIME = _instant("request_datetime", "When the passenger asked for the ride")
ON_SCENE_DATETIME = _instant("on_scene_datetime", "When the driver arrived (accessible vehicles)")
TRIP_TIME = Column("trip_time", ColumnType.INTEGER, "Time with the passenger", unit="seconds")
BASE_PASSENGER_FARE = _dollars("base_passenger_fare", "Fare before tolls, tips, taxes and fees")
BCF = _dollars("bcf", "Black Car Fund surcharge")
SALES_TAX = _dollars("sales_tax", "New York State sales tax")
DRIVER_PAY = _dollars("driver_pay", "Paid to the driver, without tolls and tips")
SHARED_REQUEST_FLAG = _coded("shared_request_flag", "Agreed to a shared ride", codes.YES_NO)
SHARED_MATCH_FLAG = _coded("shared_match_flag", "Shared the vehicle", codes.YES_NO)
ACCESS_A_RIDE_FLAG = _coded("access_a_ride_flag", "On behalf of the MTA", codes.YES_NO)
WAV_REQUEST_FLAG = _coded(
    "wav_request_flag", "Asked for a wheelchair-accessible vehicle", codes.YES_NO
)
WAV_MATCH_FLAG = _coded("wav_match_flag", "Came in a wheelchair-accessible vehicle", codes.YES_NO)

SOURCE_MONTH = Column(
    "source_month", ColumnType.DATE, "First day of the month of the published file", required=True
)
SOURCE_ROW = Column(
    "source_row", ColumnType.INTEGER, "0-based row of the published file", required=True
)
QUALITY_FLAGS = Column(
    "quality_flags",
    ColumnType.INTEGER,
    "One bit for each quality flag of nyc_tlc/core/rows/rules.py",
    required=True,
)
EXTRA_COLUMNS = Column(
    "extra_columns",
    ColumnType.JSON,
    "Published columns that the contract does not know, kept with TLC_UNKNOWN_COLUMNS=keep",
)
LINEAGE = (EXTRA_COLUMNS, SOURCE_MONTH, SOURCE_ROW, QUALITY_FLAGS)
"""What the pipeline adds to the columns of every service."""
