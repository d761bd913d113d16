"""Keep the trips with passengers and a distance, name columns in snake_case, add the date."""

import re

if "transformer" not in globals():
    from mage_ai.data_preparation.decorators import test, transformer


@transformer
def clean_green_taxi(trips, **_):
    kept = trips[(trips["passenger_count"] > 0) & (trips["trip_distance"] > 0)]
    kept = kept.assign(lpep_pickup_date=kept["lpep_pickup_datetime"].dt.date)
    print(f"{len(trips):,} rows, of which {len(kept):,} are kept")
    return kept.rename(columns=snake_case)


def snake_case(name):
    """PULocationID becomes pu_location_id."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@test
def test_every_vendor_is_known(trips, *_):
    assert set(trips["vendor_id"]) <= {1, 2}


@test
def test_every_trip_has_passengers(trips, *_):
    assert (trips["passenger_count"] > 0).all()


@test
def test_every_trip_has_a_distance(trips, *_):
    assert (trips["trip_distance"] > 0).all()
