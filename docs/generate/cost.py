"""The cost page, computed from what is declared here.

``python -m docs.generate.cost`` prints it; `make docs` writes it to docs/.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_GIB = 2**30
_TIB = 2**40
_HOURS_A_MONTH = 730
_OPERATIONS = 20
"""Writes, and as many reads, that loading a month takes at most in the lake."""


@dataclass(frozen=True)
class Price:
    """What Google asks, in US dollars.

    Attributes:
        source: Where it was read, and of when it is.
    """

    what: str
    usd: float
    unit: str
    source: str


@dataclass(frozen=True)
class Volume:
    """Trips of one service: the whole history, and one month of late.

    Attributes:
        bytes: As published, which is what raw/ holds.
        lake_ratio: Size of our file in trips/ by that of the published one.
        logical: Bytes of a row in BigQuery: 8 a number or time, text its length and 2, null none.
        read: Bytes of a row that the marts read.
    """

    service: str
    files: int
    rows: int
    bytes: float
    month: str
    month_rows: int
    month_bytes: float
    lake_ratio: float
    logical: float
    read: int

    def lake(self, published: float) -> float:
        """Bytes in raw/ and trips/ together."""
        return published * (1 + self.lake_ratio)


_PRICING = "<https://cloud.google.com/storage/pricing>, transcribed 20 September 2026"
_EXAMPLES = "<https://cloud.google.com/storage/pricing-examples>, without a date"
_BIGQUERY = "<https://cloud.google.com/bigquery/pricing>, by notes of 11 August 2025"

LAKE = Price("Cloud Storage, standard class", 0.000027397, "GiB and hour", _PRICING)
WRITE = Price("Cloud Storage, write or list (class A)", 0.005, "1,000", _EXAMPLES)
READ = Price("Cloud Storage, read (class B)", 0.0004, "1,000", _EXAMPLES)
OUT = Price("Cloud Storage, out to the internet", 0.12, "GB", _EXAMPLES)
ACTIVE = Price("BigQuery storage, logical, active", 0.02, "GiB and month", _BIGQUERY)
LONG_TERM = Price("BigQuery storage, 90 days unchanged", 0.01, "GiB and month", _BIGQUERY)
QUERY = Price("BigQuery query, on demand", 6.25, "TiB", _BIGQUERY)
PRICES = (LAKE, WRITE, READ, OUT, ACTIVE, LONG_TERM, QUERY)

VOLUMES = (
    Volume("yellow", 212, 1_856_663_997, 31.98e9, "2026-07", 3_530_109, 61_685_033, 1.03, 168, 32),
    Volume("green", 152, 84_413_177, 1.33e9, "2026-08", 40_687, 1_007_530, 0.96, 165, 32),
    Volume("fhv", 139, 809_576_395, 6.05e9, "2024-01", 1_290_116, 15_023_585, 1.03, 63, 24),
    Volume("fhvhv", 91, 1_648_689_733, 38.5e9, "2024-05", 20_704_538, 498_575_918, 0.96, 189, 88),
)

_INTRODUCTION = """\
# What it costs

Written by `make docs` from `docs/generate/cost.py`; a test fails when it is stale. US dollars, list
prices of us-central1 before taxes and free tiers. Prices change: the tables say where each was
read, and of when it is.

"""
_FIGURES = """\
Files, rows and published bytes: the footers and lengths of TLC's files, 2009-01 to 2026-08 (fhv
to 2026-07). The size of our files: measured on ten real green months, and on generated months of
2024 of the other services. Bytes of a row in BigQuery: counted on the same rows; the coordinates
of yellow 2009 and 2010 make those rows larger by 32. Bytes that the marts read: 8 for each column
that `daily_zone_trips` uses (nyc_tlc/core/marts/).
"""
_NOTES = """\
Loads into BigQuery, and the first TiB of queries and 10 GiB of storage there in a month, are free.
Not in the tables:

* **Versions.** A month that is loaded anew is kept twice for 30 days (`noncurrent_days`).
* **The least of a query.** BigQuery bills at least 10 MB for each table that a query reads.
* **The computer** that runs Mage, and Postgres.
* **Quarantine, manifests, reference tables, marts**: together less than a hundredth of the rest.

What keeps it low: a month that has not changed costs one conditional request to TLC and reads
nothing from the lake; every query that we send has a `maximum_bytes_billed`; tables are partitioned
by `source_month`, so `where source_month = '2024-01-01'` reads, and bills, that month alone.
"""


def cost_page() -> str:
    """docs/cost.md."""
    return _INTRODUCTION + "\n".join(
        [
            "## In a month, at rest\n",
            *_storage(),
            "## Queries\n",
            *_queries(),
            "## Loading\n",
            _loading(),
            _NOTES,
            "## Figures\n",
            *_volumes(),
            _FIGURES,
            "## Prices\n",
            *_prices(),
        ]
    )


def _storage() -> Iterator[str]:
    whole = [_gib(v.service, v.lake(v.bytes), v.rows * v.logical) for v in VOLUMES]
    month = [_gib("", v.lake(v.month_bytes), v.month_rows * v.logical) for v in VOLUMES]
    rows = [*whole, _sum("all of it", whole), _sum("one month of each", month)]
    yield from _table(
        ("whole history", "lake, GiB", "lake, $", "BigQuery, GiB", "active, $", "long-term, $"),
        [
            (
                name,
                f"{lake:,.1f}",
                _usd(lake * LAKE.usd * _HOURS_A_MONTH),
                f"{logical:,.1f}",
                _usd(logical * ACTIVE.usd),
                _usd(logical * LONG_TERM.usd),
            )
            for name, lake, logical in rows
        ],
    )


def _gib(name: str, lake: float, logical: float) -> tuple[str, float, float]:
    return name, lake / _GIB, logical / _GIB


def _sum(name: str, rows: Sequence[tuple[str, float, float]]) -> tuple[str, float, float]:
    return name, sum(lake for _, lake, _ in rows), sum(logical for *_, logical in rows)


def _queries() -> Iterator[str]:
    yellow = VOLUMES[0]
    asked = (
        ("build the marts of one month of each", sum(v.month_rows * v.read for v in VOLUMES)),
        ("build the marts of the whole history", sum(v.rows * v.read for v in VOLUMES)),
        ("`count(*)` of one yellow month", yellow.month_rows * 8),
        ("`select *` of one yellow month", yellow.month_rows * yellow.logical),
        ("`select *` of every yellow trip", yellow.rows * yellow.logical),
    )
    yield from _table(
        ("query", "GiB read", "$"),
        [(what, f"{read / _GIB:,.2f}", _usd(read / _TIB * QUERY.usd)) for what, read in asked],
    )


def _loading() -> str:
    files = sum(volume.files for volume in VOLUMES)
    usd = files * _OPERATIONS * (WRITE.usd + READ.usd) / 1000
    out = sum(v.bytes * v.lake_ratio for v in VOLUMES) / 1e9 * OUT.usd
    return (
        f"All {files} files, with {_OPERATIONS} writes and reads each: ${_usd(usd)}, once.\n"
        f"Reading all of `trips/` from outside Google's network: ${_usd(out)}, each time.\n"
    )


def _volumes() -> Iterator[str]:
    yield from _table(
        ("service", "files", "rows", "published, GB", "a month", "rows", "published, MB",
         "our file by theirs", "BigQuery, bytes a row", "the marts read"),
        [
            (
                v.service, f"{v.files}", f"{v.rows:,}", f"{v.bytes / 1e9:.2f}", v.month,
                f"{v.month_rows:,}", f"{v.month_bytes / 1e6:.1f}", f"{v.lake_ratio:.2f}",
                f"{v.logical:.0f}", f"{v.read}",
            )
            for v in VOLUMES
        ],
    )  # fmt: skip


def _prices() -> Iterator[str]:
    yield from _table(
        ("price", "$", "by", "read at"),
        [(price.what, f"{price.usd:.9g}", price.unit, price.source) for price in PRICES],
    )


def _usd(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.01 else f"{amount:.4f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(cost_page())
