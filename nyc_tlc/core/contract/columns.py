"""The columns that several services share: same quantity and unit, same name everywhere."""

from nyc_tlc.core.contract import codes
from nyc_tlc.core.contract.model import Column, ColumnType

_USD = "US dollars"

VENDOR_ID = Column(
    "vendor_id",
    ColumnType.SMALLINT,
    "Provider of the record's technology",
    codes=codes.VENDOR,
)
PICKUP_DATETIME = Column(
    "pickup_datetime", ColumnType.TIMESTAMP, "When the trip began", required=True
)
DROPOFF_DATETIME = Column("dropoff_datetime", ColumnType.TIMESTAMP, "When the trip ended")
PASSENGER_COUNT = Column(
    "passenger_count", ColumnType.SMALLINT, "Passengers, as the driver entered it"
)
TRIP_DISTANCE = Column(
    "trip_distance", ColumnType.DOUBLE, "Distance of the trip, by taximeter or app", unit="miles"
)
RATE_CODE_ID = Column(
    "rate_code_id",
    ColumnType.SMALLINT,
    "Rate in force at the end of the trip",
    codes=codes.RATE_CODE,
)
STORE_AND_FWD_FLAG = Column(
    "store_and_fwd_flag",
    ColumnType.TEXT,
    "Whether the record was held in the vehicle for want of a connection",
    codes=codes.STORE_AND_FWD,
)
PU_LOCATION_ID = Column(
    "pu_location_id", ColumnType.SMALLINT, "Taxi zone where the trip began (taxi_zone.location_id)"
)
DO_LOCATION_ID = Column(
    "do_location_id", ColumnType.SMALLINT, "Taxi zone where the trip ended (taxi_zone.location_id)"
)
PICKUP_LONGITUDE = Column(
    "pickup_longitude", ColumnType.DOUBLE, "Where the trip began, WGS 84", unit="degrees"
)
PICKUP_LATITUDE = Column(
    "pickup_latitude", ColumnType.DOUBLE, "Where the trip began, WGS 84", unit="degrees"
)
DROPOFF_LONGITUDE = Column(
    "dropoff_longitude", ColumnType.DOUBLE, "Where the trip ended, WGS 84", unit="degrees"
)
DROPOFF_LATITUDE = Column(
    "dropoff_latitude", ColumnType.DOUBLE, "Where the trip ended, WGS 84", unit="degrees"
)
PAYMENT_TYPE = Column(
    "payment_type", ColumnType.SMALLINT, "How the passenger paid", codes=codes.PAYMENT_TYPE
)
TRIP_TYPE = Column(
    "trip_type", ColumnType.SMALLINT, "Street-hail or dispatch", codes=codes.TRIP_TYPE
)
FARE_AMOUNT = Column("fare_amount", ColumnType.DOUBLE, "Fare by time and distance", unit=_USD)
EXTRA = Column("extra", ColumnType.DOUBLE, "Miscellaneous extras and surcharges", unit=_USD)
MTA_TAX = Column("mta_tax", ColumnType.DOUBLE, "MTA tax", unit=_USD)
TIP_AMOUNT = Column("tip_amount", ColumnType.DOUBLE, "Tip; of taxis, card tips only", unit=_USD)
TOLLS_AMOUNT = Column("tolls_amount", ColumnType.DOUBLE, "Tolls paid in the trip", unit=_USD)
EHAIL_FEE = Column("ehail_fee", ColumnType.DOUBLE, "E-hail fee", unit=_USD)
IMPROVEMENT_SURCHARGE = Column(
    "improvement_surcharge", ColumnType.DOUBLE, "Improvement surcharge, since 2015", unit=_USD
)
TOTAL_AMOUNT = Column(
    "total_amount", ColumnType.DOUBLE, "Charged to the passenger, without cash tips", unit=_USD
)
CONGESTION_SURCHARGE = Column(
    "congestion_surcharge", ColumnType.DOUBLE, "New York State congestion surcharge", unit=_USD
)
AIRPORT_FEE = Column(
    "airport_fee", ColumnType.DOUBLE, "For pick-ups at LaGuardia and JFK", unit=_USD
)
CBD_CONGESTION_FEE = Column(
    "cbd_congestion_fee",
    ColumnType.DOUBLE,
    "MTA congestion relief zone charge, since 5 January 2025",
    unit=_USD,
)
REQUEST_SOURCE = Column(
    "request_source",
    ColumnType.TEXT,
    "Who took an e-hail (HV0003, HV0005); in no dictionary, first seen 2026-06",
)
DISPATCHING_BASE_NUM = Column(
    "dispatching_base_num", ColumnType.TEXT, "Base that dispatched the trip", is_base_number=True
)
AFFILIATED_BASE_NUMBER = Column(
    "affiliated_base_number",
    ColumnType.TEXT,
    "Base that the vehicle is affiliated with",
    is_base_number=True,
)
ORIGINATING_BASE_NUM = Column(
    "originating_base_num",
    ColumnType.TEXT,
    "Base that received the request",
    is_base_number=True,
)
SR_FLAG = Column(
    "sr_flag", ColumnType.SMALLINT, "Shared-ride trip; null otherwise", codes=codes.SHARED_RIDE
)
HVFHS_LICENSE_NUM = Column(
    "hvfhs_license_num",
    ColumnType.TEXT,
    "Licence of the app company",
    codes=codes.HVFHS_LICENSE,
)
REQUEST_DATETIME = Column(
    "request_datetime", ColumnType.TIMESTAMP, "When the passenger asked for the ride"
)
ON_SCENE_DATETIME = Column(
    "on_scene_datetime", ColumnType.TIMESTAMP, "When the driver arrived (accessible vehicles)"
)
TRIP_TIME = Column("trip_time", ColumnType.INTEGER, "Time with the passenger", unit="seconds")
BASE_PASSENGER_FARE = Column(
    "base_passenger_fare",
    ColumnType.DOUBLE,
    "Fare before tolls, tips, taxes and fees",
    unit=_USD,
)
BCF = Column("bcf", ColumnType.DOUBLE, "Black Car Fund surcharge", unit=_USD)
SALES_TAX = Column("sales_tax", ColumnType.DOUBLE, "New York State sales tax", unit=_USD)
DRIVER_PAY = Column(
    "driver_pay", ColumnType.DOUBLE, "Paid to the driver, without tolls and tips", unit=_USD
)
SHARED_REQUEST_FLAG = Column(
    "shared_request_flag", ColumnType.TEXT, "Agreed to a shared ride", codes=codes.YES_NO
)
SHARED_MATCH_FLAG = Column(
    "shared_match_flag", ColumnType.TEXT, "Shared the vehicle", codes=codes.YES_NO
)
ACCESS_A_RIDE_FLAG = Column(
    "access_a_ride_flag", ColumnType.TEXT, "On behalf of the MTA", codes=codes.YES_NO
)
WAV_REQUEST_FLAG = Column(
    "wav_request_flag",
    ColumnType.TEXT,
    "Asked for a wheelchair-accessible vehicle",
    codes=codes.YES_NO,
)
WAV_MATCH_FLAG = Column(
    "wav_match_flag",
    ColumnType.TEXT,
    "Came in a wheelchair-accessible vehicle",
    codes=codes.YES_NO,
)

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
"""What we add to every service's columns."""
