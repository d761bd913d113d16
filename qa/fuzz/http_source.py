"""What the source answers: status, headers and redirects, whole and resumed, and HEAD."""

from __future__ import annotations

import math
import tempfile
from functools import cache
from pathlib import Path

import requests

from nyc_tlc.adapters.source.cdn import HttpSource
from nyc_tlc.core.checksum import sha256_of_file
from nyc_tlc.core.errors import PipelineError, RetryableError
from nyc_tlc.core.lake.records import Landing, parse_record, render_record
from nyc_tlc.ports.source import Fetched, SourceFileAbsentError
from nyc_tlc.steps.land import landing_of
from qa.fuzz.answers import answering
from qa.fuzz.oracle import require

_URL = "http://192.0.2.1"
_NAME = "trip-data/green_tripdata_2020-02.parquet"
_PART = b"PAR1 in part"


def read(data: bytes) -> None:
    folder = _folder()
    for left in folder.iterdir():
        left.unlink()
    with answering(data):
        _probe()
    with answering(data):
        _resume(folder)
    with answering(data):
        _fetch(folder)


def _probe() -> None:
    try:
        found = HttpSource(_URL, timeout=5).probe(_NAME, unless_etag='"known"')
    except (PipelineError, SourceFileAbsentError) as error:
        _require_sound(error)
        return
    require(found is None or found.bytes is None or found.bytes >= 0, "a negative size")


def _resume(folder: Path) -> None:
    """Go on with a part: what comes of it is the part and the rest, or another version whole."""
    part = folder / (Path(_NAME).name + ".part")
    part.write_bytes(_PART)
    part.with_name(part.name + ".etag").write_text('"v1"')
    try:
        fetched = HttpSource(_URL, timeout=5).fetch(_NAME, folder, unless_etag=None)
    except (PipelineError, SourceFileAbsentError) as error:
        _require_sound(error)
        return
    if fetched is not None:
        _require_whole(fetched)


def _fetch(folder: Path) -> None:
    fetched = HttpSource(_URL, timeout=5).fetch(_NAME, folder, unless_etag=None)
    if fetched is None:
        return
    _require_whole(fetched)
    landing = landing_of(fetched, 1, "raw/x.parquet")
    require(parse_record(Landing, render_record(landing), "x") == landing, "another landing")
    if fetched.etag:
        # A tag that cannot be asked about would stop every later run of the month.
        requests.Request("GET", _URL, headers={"If-None-Match": fetched.etag}).prepare()


def _require_whole(fetched: Fetched) -> None:
    require(fetched.path.stat().st_size == fetched.bytes, "another size")
    require(sha256_of_file(fetched.path) == fetched.sha256, "another hash")


def _require_sound(error: Exception) -> None:
    if isinstance(error, RetryableError) and error.retry_after is not None:
        require(error.retry_after >= 0 and not math.isnan(error.retry_after), "no time to wait")


@cache
def _folder() -> Path:
    """Of this process alone; removed by nobody, as the fuzzer ends without a word."""
    return Path(tempfile.mkdtemp(prefix="nyc-tlc-fuzz-"))
