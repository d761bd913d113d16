"""A published CSV file: as it is, and plain ones within gzip, where they must read alike."""

from __future__ import annotations

import gzip

from nyc_tlc.core.errors import PipelineError
from nyc_tlc.core.files.file_kind import GZIP_MAGIC
from qa.fuzz.oracle import require
from qa.fuzz.trips_file import read_trips


def read(data: bytes) -> None:
    if data.startswith(GZIP_MAGIC):
        read_trips(data, ".csv.gz")
        return
    # Level 0 keeps clear of the bound on gzip's ratio, which is none of a plain file's.
    packed = _outcome(gzip.compress(data, 0, mtime=0), ".csv.gz")
    plain = _outcome(data, ".csv")
    require(plain == packed, f"{plain} as it is, {packed} within gzip")


def _outcome(data: bytes, suffix: str) -> int | str:
    """Its rows, or the kind of the error that refused it."""
    try:
        return read_trips(data, suffix)
    except PipelineError as error:
        return type(error).__name__
