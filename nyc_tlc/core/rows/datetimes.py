"""The datetimes that every store and client can express: those of the years 1 to 9999."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MICROSECONDS = 10**6
FIRST_SECOND = int(np.datetime64("0001-01-01", "s").astype(np.int64))
END_SECOND = int(np.datetime64("10000-01-01", "s").astype(np.int64))
"""First second after the range."""
_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": MICROSECONDS, "ns": 10**9}


def within_calendar(times: pa.Array) -> bool:
    """Whether all datetimes are in the years 1 to 9999: what Python, polars and SQL can express."""
    bounds = pc.min_max(times.cast(pa.int64()))
    unit = _UNITS_PER_SECOND[times.type.unit]
    return not bounds["min"].is_valid or (
        FIRST_SECOND * unit <= bounds["min"].as_py() and bounds["max"].as_py() < END_SECOND * unit
    )
