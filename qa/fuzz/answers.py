"""HTTP answers of the source and of Cloud Storage, read by the real clients without a network."""

import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from nyc_tlc.adapters.lake import gcs, gcs_bucket
from nyc_tlc.adapters.source.cdn import HttpSource
from nyc_tlc.core.checksum import sha256_of_file
from nyc_tlc.core.errors import PipelineError, RetryableError
from nyc_tlc.core.lake.records import Landing, parse_record, render_record
from nyc_tlc.ports.source import SourceFileAbsentError
from nyc_tlc.steps.land import landing_of
from qa.fuzz.files import SEPARATOR
from qa.fuzz.oracle import check, require, scratch

_URL = "http://192.0.2.1"
_NAME = "trip-data/green_tripdata_2020-02.parquet"
_MANIFEST = "manifests/service=green/year=2020/month=02.json"

_getaddrinfo = socket.getaddrinfo


@contextmanager
def _answering(data: bytes) -> Iterator[None]:
    """Answer each new connection with the next part, and then with nothing."""
    answers = iter(data.split(SEPARATOR))
    with ExitStack() as opened:

        def connect(*_: object, **__: object) -> socket.socket:
            ours, theirs = (opened.enter_context(end) for end in socket.socketpair())
            theirs.sendall(next(answers, b""))
            theirs.shutdown(socket.SHUT_WR)
            return ours

        opened.enter_context(mock.patch("urllib3.util.connection.create_connection", connect))
        # Addresses are understood, names are not looked up.
        numeric = partial(_getaddrinfo, flags=socket.AI_NUMERICHOST)
        opened.enter_context(mock.patch("socket.getaddrinfo", numeric))
        opened.enter_context(mock.patch.dict(os.environ, {"NO_PROXY": "*"}))
        yield


def read_source(data: bytes) -> None:
    """Answer a HEAD, the rest of a download that had begun, and a complete download."""
    folder = scratch() / "downloads"
    folder.mkdir(exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    part = folder / (Path(_NAME).name + ".part")
    part.write_bytes(b"PAR1 in part")
    part.with_name(part.name + ".etag").write_text('"v1"')
    for ask in (_probe, _fetch):
        try:
            with _answering(data):
                ask(folder)
        except (PipelineError, SourceFileAbsentError) as error:
            if isinstance(error, RetryableError) and (wait := error.retry_after) is not None:
                require(wait >= 0 and not math.isnan(wait), "no time to wait")
    with _answering(data):
        _fetch(folder)


def _probe(_: Path) -> None:
    found = HttpSource(_URL, timeout=5).probe(_NAME, unless_etag='"known"')
    require(found is None or found.bytes is None or found.bytes >= 0, "a negative size")


def _fetch(folder: Path) -> None:
    fetched = HttpSource(_URL, timeout=5).fetch(_NAME, folder, unless_etag=None)
    if fetched is None:
        return
    require(fetched.path.stat().st_size == fetched.bytes, "another size")
    require(sha256_of_file(fetched.path) == fetched.sha256, "another hash")
    landing = landing_of(fetched, 1, "raw/x.parquet")
    require(parse_record(Landing, render_record(landing), "x") == landing, "another landing")
    if fetched.etag:
        # An invalid tag in the record would stop every later run of the month.
        requests.Request("GET", _URL, headers={"If-None-Match": fetched.etag}).prepare()


def read_cloud_storage(data: bytes) -> None:
    """Answer every question to a bucket, without the repetitions that would wait in between."""
    # Otherwise the client asks for the bucket too, in its own thread, at any time.
    alone = {"DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true"}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, alone))
        for module in (gcs, gcs_bucket):
            stack.enter_context(mock.patch.object(module, "repeated", return_value=_once))
        for ask in _ASKED:
            with _answering(data):
                check(ask, data)


_ASKED: tuple[Callable[[bytes], object], ...] = (
    lambda _: _lake().stat(_MANIFEST),
    lambda _: _lake().read(_MANIFEST),
    lambda _: list(_lake().list("manifests/")),
    lambda _: _lake().copy(_MANIFEST, "trips/x", if_generation=0),
    lambda _: gcs_bucket.connect("gs://lake", emulator=_URL, key_file=None).settings(),
)


def _once(call: Callable[..., object]) -> Callable[..., object]:
    return call


def _lake() -> gcs.GcsLake:
    client = storage.Client(
        project="fuzz",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
        client_options={"api_endpoint": _URL},
    )
    return gcs.GcsLake("gs://lake", client, cache=scratch())
