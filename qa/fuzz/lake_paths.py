"""Names of objects, as a bucket lists them: anybody may have put others beside ours."""

from __future__ import annotations

from datetime import UTC, datetime

from nyc_tlc.core.lake.paths import partition_of
from nyc_tlc.core.month import Month
from nyc_tlc.steps.staging import is_abandoned
from qa.fuzz.oracle import require

_NOW = datetime(2026, 11, 25, tzinfo=UTC)


def read(data: bytes) -> None:
    path = data.decode(errors="replace")
    is_abandoned(path, _NOW)
    partition = partition_of(path)
    if partition is None:
        return
    require(partition.hive_path in path, f"{path!r} is taken for one of {partition}")
    require(Month.parse(str(partition.month)) == partition.month, "no such month")
