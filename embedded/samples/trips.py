"""Trips as they could have been: TLC's distributions, and the defects its files are known for.

Rates: yellow 2024 and January-August 2026 (70,873,075 rows) and ten real green months, as
counted in the project's facts about the data, November 2026.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from embedded.samples.polygons import zone_points
from embedded.samples.zones import zone_weights
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.month import Month

Column = npt.NDArray[Any]
Columns = dict[str, Column]
Nullable = tuple[Column, npt.NDArray[np.bool_]]
"""Values, and which of them are null."""
Values = dict[str, Nullable]
_MICROSECONDS = 1_000_000
_CODES_SINCE = Month(2011, 1)
"""Before, yellow gave vendors and payments in words, a third vendor among them, and all details."""
_ZONES_SINCE = Month(2016, 7)
"""Of the CSV files; the Parquet files of 2011 on were published with zones."""
_HOURS = np.array([24, 16, 11, 8, 6, 7, 16, 30, 42, 46, 48, 52, 56, 58, 62, 63, 62, 66, 70, 64, 58,
                   56, 52, 38], dtype=np.float64)  # fmt: skip
"""Pick-ups by hour of the day, in thousands."""
_AMOUNTS = (
    "fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge",
    "congestion_surcharge", "airport_fee", "cbd_congestion_fee", "total_amount",
)  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """How often a service's rows have what they are known for."""

    details_missing: float
    second_vendor: float
    card: float
    refund: float = 0.004
    zero_distance: float = 0.024
    zero_passengers: float = 0.01
    unknown_rate: float = 0.015
    unknown_zone: float = 0.008


_RATES = {
    "yellow": Rates(details_missing=0.1, second_vendor=0.75, card=0.78),
    "green": Rates(details_missing=0.06, second_vendor=0.87, card=0.62),
    "fhv": Rates(details_missing=0.6, second_vendor=0.5, card=0.5, refund=0.0),
    "fhvhv": Rates(details_missing=0.0, second_vendor=0.5, card=0.5, refund=0.0),
}


def trips(partition: Partition, rows: int, rng: np.random.Generator) -> Values:
    """Canonical columns of ``rows`` trips in order of pick-up, each with its nulls.

    From 100 rows on, every known defect occurs at least once.
    """
    service, rates = partition.service.name, _RATES[partition.service.name]
    pickup = _pickups(partition, rows, rng)
    miles = np.round(rng.lognormal(0.65, 0.85, rows), 2)
    seconds = np.maximum(60, miles * rng.normal(330, 90, rows) + rng.normal(120, 60, rows))
    values: Columns = {
        "vendor_id": np.where(rng.random(rows) < rates.second_vendor, 2, 1),
        "pickup_datetime": pickup,
        "dropoff_datetime": pickup + seconds.astype(np.int64) * _MICROSECONDS,
        "passenger_count": rng.choice([1, 2, 3, 4, 5], rows, p=[0.75, 0.15, 0.04, 0.03, 0.03]),
        "trip_distance": miles,
        "rate_code_id": rng.choice([1, 2, 3, 4, 5], rows, p=[0.94, 0.04, 0.005, 0.005, 0.01]),
        "store_and_fwd_flag": np.where(rng.random(rows) < 0.005, "Y", "N"),
        "pu_location_id": rng.choice(263, rows, p=zone_weights(service)) + 1,
        "do_location_id": rng.choice(263, rows, p=zone_weights(service)) + 1,
        "payment_type": np.where(rng.random(rows) < rates.card, 1, 2),
        "trip_type": np.where(rng.random(rows) < 0.96, 1, 2),
        "request_source": rng.choice(["HV0003", "HV0005"], rows),
        "ehail_fee": np.zeros(rows),
    }  # fmt: skip
    if partition.month < _CODES_SINCE:
        values["vendor_id"] = rng.choice([1, 2, 3], rows, p=[0.45, 0.48, 0.07])
        values["payment_type"] = rng.choice(
            [1, 2, 3, 4, 5], rows, p=[0.25, 0.73, 0.01, 0.005, 0.005]
        )
    values |= _amounts(miles, values["payment_type"] == 1, rng)
    values |= _for_hire(pickup, seconds.astype(np.int64), rng)
    spoilt = _add_defects(values, partition, rates, rng)
    if partition.month < _ZONES_SINCE:
        values |= _coordinates(values)
    known = partition.month >= _CODES_SINCE
    bare = ~spoilt & (rng.random(rows) < rates.details_missing * known)
    return _with_nulls(values, service, bare, rng)


def _pickups(partition: Partition, rows: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    month = partition.month
    days = (month.end - month.start).days
    hour = rng.choice(24, rows, p=_HOURS / _HOURS.sum())
    seconds = rng.integers(0, days, rows) * 86_400 + hour * 3_600 + rng.integers(0, 3_600, rows)
    epoch = np.datetime64(month.start, "us").astype(np.int64)
    return np.sort(seconds) * _MICROSECONDS + epoch


def _amounts(
    miles: npt.NDArray[np.float64], card: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Columns:
    rows = miles.size
    fare = np.round((3.0 + miles * 3.5 + rng.exponential(2.0, rows)) / 0.7) * 0.7
    amounts: Columns = {
        "fare_amount": np.round(fare, 2),
        "extra": rng.choice([0.0, 1.0, 2.5, 3.5, 5.0], rows, p=[0.45, 0.2, 0.25, 0.05, 0.05]),
        "mta_tax": np.full(rows, 0.5),
        "tip_amount": np.where(card, np.round(fare * rng.choice([0.0, 0.2, 0.25], rows), 2), 0.0),
        "tolls_amount": np.where(rng.random(rows) < 0.05, 6.94, 0.0),
        "improvement_surcharge": np.full(rows, 1.0),
        "congestion_surcharge": np.where(rng.random(rows) < 0.9, 2.5, 0.0),
        "airport_fee": np.where(rng.random(rows) < 0.08, 1.75, 0.0),
        "cbd_congestion_fee": np.where(rng.random(rows) < 0.7, 0.75, 0.0),
    }
    amounts["total_amount"] = np.round(np.sum(list(amounts.values()), axis=0), 2)
    return amounts


def _coordinates(values: Columns) -> Columns:
    """A point in each trip's zones; 0/0 where the zone is unknown, New Jersey where it is none."""
    return {
        f"{prefix}_{axis}": degrees
        for prefix, place in (("pickup", "pu"), ("dropoff", "do"))
        for axis, degrees in zip(
            ("longitude", "latitude"), zone_points(values[f"{place}_location_id"]), strict=True
        )
    }


def _for_hire(pickup: Column, seconds: Column, rng: np.random.Generator) -> Columns:
    """What only for-hire vehicles have."""
    rows = pickup.size
    bases = np.array(["B02764", "B02872", "B00477", "B03404", "b02512 "])
    waited = rng.integers(60, 900, rows) * _MICROSECONDS
    flags = ("shared_request_flag", "shared_match_flag", "wav_request_flag", "wav_match_flag")
    return {
        "dispatching_base_num": rng.choice(bases, rows),
        "affiliated_base_number": rng.choice(bases, rows),
        "originating_base_num": rng.choice(bases, rows),
        "sr_flag": np.ones(rows, dtype=np.int64),
        "hvfhs_license_num": rng.choice(["HV0003", "HV0005"], rows, p=[0.74, 0.26]),
        "request_datetime": pickup - waited,
        "on_scene_datetime": pickup - waited // 3,
        "trip_time": seconds,
        "base_passenger_fare": np.round(seconds * 0.018 + rng.exponential(6.0, rows), 2),
        "bcf": np.round(rng.exponential(0.6, rows), 2),
        "sales_tax": np.round(rng.exponential(1.8, rows), 2),
        "driver_pay": np.round(seconds * 0.015 + rng.exponential(4.0, rows), 2),
        "access_a_ride_flag": np.full(rows, " "),
        **{name: np.where(rng.random(rows) < 0.02, "Y", "N") for name in flags},
    }


def _add_defects(
    values: Columns, partition: Partition, rates: Rates, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Put each defect into its own rows; returns which rows have one."""
    pickup, dropoff = values["pickup_datetime"], values["dropoff_datetime"]
    spoilt = _refund(values, rates, rng)
    free = iter(rng.permutation(np.flatnonzero(~spoilt)).tolist())

    def some(rate: float) -> Column:
        at = np.fromiter(islice(free, _count(rate, pickup.size)), dtype=np.int64)
        spoilt[at] = True
        return at

    minute, day = 60 * _MICROSECONDS, 86_400 * _MICROSECONDS
    values["trip_distance"][some(rates.zero_distance)] = 0.0
    values["trip_distance"][some(4e-5)] = 168_064.95  # green 2020-12 has it
    values["passenger_count"][some(rates.zero_passengers)] = 0
    values["rate_code_id"][some(rates.unknown_rate)] = 99
    values["pu_location_id"][some(rates.unknown_zone)] = 264
    values["do_location_id"][some(rates.unknown_zone)] = 265
    for at, length in (
        (some(1e-3), 0 * minute), (some(2e-5), -5 * minute), (some(1e-5), day + 70 * minute),
    ):  # fmt: skip
        dropoff[at] = pickup[at] + length
    _move(values, some(8e-6), np.datetime64(partition.month.start, "us").astype(np.int64) - day)
    _move(values, some(2e-6), np.datetime64("2009-01-01T00:30:00", "us").astype(np.int64))
    dropoff[some(1e-6)] = np.datetime64("3019-02-03T17:30:00", "us").astype(np.int64)
    return spoilt


def _count(rate: float, rows: int) -> int:
    return max(round(rate * rows), 1 if rate and rows >= 100 else 0)


def _refund(values: Columns, rates: Rates, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Follow some charges by their exact negative; returns the rows of both."""
    rows = values["pickup_datetime"].size
    charges = 2 * rng.choice(rows // 2, _count(rates.refund, rows), replace=False)
    for name, column in values.items():
        column[charges + 1] = -column[charges] if name in _AMOUNTS else column[charges]
    refunded = np.zeros(rows, dtype=bool)
    refunded[charges] = refunded[charges + 1] = True
    return refunded


def _move(values: Columns, at: npt.NDArray[np.int64], to: np.int64) -> None:
    values["pickup_datetime"][at] = to
    values["dropoff_datetime"][at] = to + 600 * _MICROSECONDS


def _with_nulls(
    values: Columns, service: str, bare: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Values:
    """Values with their nulls: the rows that come without details, and the empty columns."""
    rows = bare.size
    missing = dict.fromkeys(
        ("passenger_count", "rate_code_id", "store_and_fwd_flag", "congestion_surcharge",
         "airport_fee", "trip_type"), bare,
    )  # fmt: skip
    if service == "green":
        missing["payment_type"] = bare
    else:
        values["payment_type"][bare] = 0
    if service == "fhv":
        missing |= dict.fromkeys(("pu_location_id", "do_location_id"), bare)
    missing["sr_flag"] = rng.random(rows) < 0.97
    missing["on_scene_datetime"] = rng.random(rows) < 0.27
    missing["ehail_fee"] = np.ones(rows, dtype=bool)
    missing["request_source"] = rng.random(rows) < 0.96
    empty = np.zeros(rows, dtype=bool)
    return {name: (column, missing.get(name, empty)) for name, column in values.items()}
