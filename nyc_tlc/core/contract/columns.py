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
    "trip_distance", ColumnType.DOUBLE, "Distance by the taximeter", unit="miles"
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
PAYMENT_TYPE = Column(
    "payment_type", ColumnType.SMALLINT, "How the passenger paid", codes=codes.PAYMENT_TYPE
)
TRIP_TYPE = Column(
    "trip_type", ColumnType.SMALLINT, "Street-hail or dispatch", codes=codes.TRIP_TYPE
)
FARE_AMOUNT = Column("fare_amount", ColumnType.DOUBLE, "Fare by time and distance", unit=_USD)
EXTRA = Column("extra", ColumnType.DOUBLE, "Miscellaneous extras and surcharges", unit=_USD)
MTA_TAX = Column("mta_tax", ColumnType.DOUBLE, "MTA tax", unit=_USD)
TIP_AMOUNT = Column("tip_amount", ColumnType.DOUBLE, "Tip, card tips only", unit=_USD)
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

SOURCE_MONTH = Column(
    "source_month", ColumnType.DATE, "First day of the month of the published file", required=True
)
SOURCE_ROW = Column(
    "source_row", ColumnType.INTEGER, "0-based row of the published file", required=True
)
QUALITY_FLAGS = Column(
    "quality_flags",
    ColumnType.INTEGER,
    "One bit for each quality flag of nyc_tlc/core/quality.py",
    required=True,
)
LINEAGE = (SOURCE_MONTH, SOURCE_ROW, QUALITY_FLAGS)
