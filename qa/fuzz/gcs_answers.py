"""What Cloud Storage, or a proxy before it, answers to the lake's reader and the bucket's settings.

Without the repetitions of `gcs_retry`, which would wait between one bad answer and the next.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from unittest import mock

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from nyc_tlc.adapters.lake import gcs, gcs_bucket
from nyc_tlc.core.errors import PipelineError
from qa.fuzz.answers import answering
from qa.fuzz.oracle import require

_STORE = "http://192.0.2.1"
_ALONE = {"DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true"}
"""Otherwise the library asks for the bucket too, in a thread of its own, whenever it likes."""
_PATH = "manifests/service=green/year=2020/month=02.json"


def read(data: bytes) -> None:
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, _ALONE))
        for module in (gcs, gcs_bucket):
            stack.enter_context(mock.patch.object(module, "repeated", _once))
        for ask in _ASKED:
            with answering(data):
                try:
                    ask()
                except PipelineError as error:
                    require(str(error) != "", "an error without a word")


def _ask_settings() -> object:
    bucket = gcs_bucket.connect("gs://lake", emulator=_STORE, key_file=None)
    return bucket.settings()


_ASKED: tuple[Callable[[], object], ...] = (
    lambda: _lake().stat(_PATH),
    lambda: _lake().read(_PATH),
    lambda: list(_lake().list("manifests/")),
    lambda: _lake().copy(_PATH, "trips/x", if_generation=0),
    _ask_settings,
)


def _once(_: float) -> Callable[[Callable[..., object]], Callable[..., object]]:
    return lambda call: call


def _lake() -> gcs.GcsLake:
    client = storage.Client(
        project="fuzz",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
        client_options={"api_endpoint": _STORE},
    )
    return gcs.GcsLake("gs://lake", client, cache=_folder())


@cache
def _folder() -> Path:
    """Of this process alone; removed by nobody, as the fuzzer ends without a word."""
    return Path(tempfile.mkdtemp(prefix="nyc-tlc-fuzz-"))
