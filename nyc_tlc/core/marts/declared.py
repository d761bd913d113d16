"""The marts there are."""

from dataclasses import replace

from nyc_tlc.core.contract import columns as c
from nyc_tlc.core.contract.model import Column, ColumnType
from nyc_tlc.core.marts.model import Mart

_SERVICE = Column(
    "service", ColumnType.TEXT, "Kind of trip record: yellow, green, fhv or fhvhv", required=True
)
_TRIPS = Column(
    "trips",
    ColumnType.BIGINT,
    "Accepted trips, refunds and their charges among them",
    required=True,
)

DAILY_ZONE_TRIPS = Mart(
    name="daily_zone_trips",
    version=1,
    meaning="Trips and revenue by day of pick-up, pick-up zone and service",
    columns=(
        c.SOURCE_MONTH,
        _SERVICE,
        Column(
            "pickup_date",
            ColumnType.DATE,
            "Day of the pick-up; a month's file has some of up to 31 days before and after it",
            required=True,
        ),
        replace(
            c.PU_LOCATION_ID,
            meaning="Taxi zone where the trips began; null where the trip has none",
        ),
        _TRIPS,
        Column(
            "priced_trips",
            ColumnType.BIGINT,
            "Trips with an amount, of at most a billion dollars either way; none of fhv",
            required=True,
        ),
        Column(
            "revenue",
            ColumnType.NUMERIC,
            "Charged to the passengers: fare, tolls, taxes, surcharges, and tips but cash ones, "
            "less refunds; null where no trip is priced",
            unit="US dollars",
        ),
    ),
    clustered_by=("pickup_date", "pu_location_id"),
)
MARTS = (DAILY_ZONE_TRIPS,)
