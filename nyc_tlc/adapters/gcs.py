"""The lake in Google Cloud Storage, real or emulated."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import google.auth.exceptions
import google_crc32c
import requests
from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage import exceptions as storage_errors
from google.cloud.storage.retry import DEFAULT_RETRY

from nyc_tlc.adapters.lake_errors import ObjectChangedError, ObjectGoneError, changed, gone
from nyc_tlc.core.errors import ConfigurationError, PipelineError, RetryableError
from nyc_tlc.core.manifest import StoredObject

_UPLOAD_CHUNK = 8 << 20
"""Bytes per request of a resumable upload: bounds memory, and what a broken line costs."""
_RETRY = DEFAULT_RETRY.with_timeout(20)
"""The library bridges a blip of a request; longer outages are the run's to retry."""
_TIMEOUT = (10.0, 120.0)
"""Seconds to connect, and of silence. The library's 60 s break uploads over slow lines."""


class GcsLake:
    """A lake below a prefix of one bucket.

    Files moved into the lake stay on local disk too, until they are deleted from the lake: the
    steps that follow on the same machine read them there. A copy is used only while the bucket
    still holds its generation.
    """

    def __init__(self, url: str, client: storage.Client, *, cache: Path) -> None:
        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        self._url = url
        self._client = client
        self._bucket = client.bucket(bucket)
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._cache = cache

    @property
    def url(self) -> str:
        return self._url

    def stat(self, path: str) -> StoredObject | None:
        blob = self._blob(path)
        try:
            with self._errors(path):
                blob.reload(timeout=_TIMEOUT, retry=_RETRY)
        except ObjectGoneError:
            return None
        return self._stored(blob)

    def read(self, path: str) -> tuple[bytes, int] | None:
        stored = self.stat(path)
        if stored is None:
            return None
        blob = self._blob(path, generation=stored.generation)
        with self._errors(path, pinned=True):
            return blob.download_as_bytes(timeout=_TIMEOUT, retry=_RETRY), stored.generation

    def write(self, path: str, data: bytes, *, if_generation: int | None) -> StoredObject:
        blob = self._blob(path)
        checksum: Any = google_crc32c.Checksum(data)  # type: ignore[no-untyped-call] # has no types
        try:
            with self._errors(path):
                blob.upload_from_string(
                    data,
                    content_type="application/json",
                    if_generation_match=if_generation,
                    checksum="crc32c",
                    timeout=_TIMEOUT,
                    retry=_RETRY,
                )
        except ObjectChangedError as error:
            return self._ours(path, b64encode(checksum.digest()).decode(), error)
        return self._stored(blob)

    def take(self, file: Path, path: str) -> StoredObject:
        blob = self._blob(path, chunk_size=_UPLOAD_CHUNK)
        with self._errors(path):
            # Always the whole object, whoever else wrote it: repeating is safe.
            blob.upload_from_filename(str(file), checksum="crc32c", timeout=_TIMEOUT, retry=_RETRY)
        stored = self._stored(blob)
        cached = self._cached(path, stored.generation)
        cached.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, cached)
        return stored

    def copy(self, source: str, target: str, *, if_generation: int) -> StoredObject:
        origin = self.stat(source)
        if origin is None:
            raise gone(f"{self._url}/{source}")
        try:
            with self._errors(target, absent=source):
                return self._rewrite(origin, target, if_generation)
        except ObjectChangedError as error:
            return self._ours(target, origin.crc32c, error)

    def _rewrite(self, origin: StoredObject, target: str, if_generation: int) -> StoredObject:
        blob, token = self._blob(target), None
        while True:
            token, _, _ = blob.rewrite(
                self._blob(origin.path, generation=origin.generation),
                token=token,
                if_generation_match=if_generation,
                timeout=_TIMEOUT,
                retry=_RETRY,
            )
            if token is None:
                return self._stored(blob)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        stored = self.stat(path)
        if stored is None:
            raise gone(f"{self._url}/{path}")
        cached = self._cached(path, stored.generation)
        if cached.exists() and cached.stat().st_size == stored.bytes:
            with cached.open("rb") as file:
                yield file
            return
        blob = self._blob(path, generation=stored.generation)
        with (
            self._errors(path, pinned=True),
            blob.open("rb", chunk_size=_UPLOAD_CHUNK, timeout=_TIMEOUT, retry=_RETRY) as file,
        ):
            yield cast("BinaryIO", file)

    def delete(self, path: str) -> None:
        with suppress(ObjectGoneError), self._errors(path):
            self._blob(path).delete(timeout=_TIMEOUT, retry=_RETRY)
        self.release(path)

    def release(self, path: str) -> None:
        shutil.rmtree(self._cached(path, 0).parent, ignore_errors=True)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self._errors(prefix):
            blobs = self._client.list_blobs(
                self._bucket, prefix=self._prefix + prefix, timeout=_TIMEOUT, retry=_RETRY
            )
            for blob in blobs:
                yield self._stored(blob)

    def _blob(
        self, path: str, *, chunk_size: int | None = None, generation: int | None = None
    ) -> storage.Blob:
        return self._bucket.blob(self._prefix + path, chunk_size=chunk_size, generation=generation)

    def _cached(self, path: str, generation: int) -> Path:
        bucket: str = self._bucket.name
        return self._cache / bucket / self._prefix / path / str(generation)

    def _stored(self, blob: storage.Blob) -> StoredObject:
        return StoredObject(
            path=blob.name.removeprefix(self._prefix),
            bytes=int(blob.size),
            generation=_generation(blob),
            crc32c=blob.crc32c,
        )

    def _ours(self, path: str, crc32c: str, error: ObjectChangedError) -> StoredObject:
        """The object, if it is what we were writing when its precondition failed.

        The library repeats a request whose answer was lost, and the repetition then meets what
        the first one wrote.
        """
        found = self.stat(path)
        if found is None or found.crc32c != crc32c:
            raise error
        return found

    @contextmanager
    def _errors(
        self, path: str, *, pinned: bool = False, absent: str | None = None
    ) -> Iterator[None]:
        """The library's errors, as ours.

        Args:
            path: What is worked on.
            pinned: A generation was asked for: when it is gone, the object was replaced.
            absent: What is missing when something is; ``path`` by default.
        """
        try:
            yield
        except api.PreconditionFailed as error:
            raise changed(f"{self._url}/{path}") from error
        except api.NotFound as error:
            raise self._missing(absent or path, error, pinned=pinned) from error
        except (api.Forbidden, api.Unauthorized) as error:
            raise ConfigurationError(
                f"{self._url}/{path} was refused ({error.message}). Nothing was written there. "
                "The service account needs roles/storage.objectUser on the bucket."
            ) from error
        except (
            api.GoogleAPICallError,
            api.RetryError,
            storage_errors.DataCorruption,
            storage_errors.InvalidResponse,
            requests.RequestException,
            google.auth.exceptions.TransportError,
        ) as error:
            raise RetryableError(
                f"{self._url} did not answer well for {path} ({type(error).__name__})"
            ) from error
        except google.auth.exceptions.GoogleAuthError as error:
            raise ConfigurationError(
                f"{self._url} cannot be reached: no usable Google credentials "
                f"({type(error).__name__}). Nothing was written. Set "
                "GOOGLE_APPLICATION_CREDENTIALS to a valid key file, or run "
                "`gcloud auth application-default login`."
            ) from error

    def _missing(self, path: str, error: api.NotFound, *, pinned: bool) -> PipelineError:
        if "bucket does not exist" in error.message:
            return ConfigurationError(
                f"bucket {self._bucket.name} does not exist ({self._url}). Nothing was written. "
                f"Create it (gcloud storage buckets create gs://{self._bucket.name}) or correct "
                "LAKE_URL."
            )
        if pinned:
            return RetryableError(f"{self._url}/{path} was replaced while it was read")
        return gone(f"{self._url}/{path}")


def connect(url: str, *, cache: Path, emulator: str | None, key_file: Path | None) -> GcsLake:
    """A lake with whatever credentials google-auth finds; anonymous only for an emulator.

    Raises:
        ConfigurationError: there are no usable credentials.
    """
    if emulator:
        client = storage.Client(
            project="emulated",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call] # has no types
            client_options={"api_endpoint": emulator},
        )
        return GcsLake(url, client, cache=cache)
    try:
        if key_file is not None:
            client = storage.Client.from_service_account_json(str(key_file))
        else:
            client = storage.Client()
    except (google.auth.exceptions.GoogleAuthError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"{url} cannot be reached: no usable Google credentials ({type(error).__name__}). "
            "Set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run "
            "`gcloud auth application-default login`."
        ) from error
    return GcsLake(url, client, cache=cache)


def _generation(blob: storage.Blob) -> int:
    return int(blob.generation)
