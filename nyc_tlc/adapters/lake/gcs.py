"""The lake in Google Cloud Storage, real or emulated."""

import mimetypes
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from google.auth.exceptions import GoogleAuthError
from google.cloud import storage

from nyc_tlc.adapters.google.credentials import emulator_session, google_credentials
from nyc_tlc.adapters.google.retry import (
    ASKING,
    BLIP,
    TIMEOUT,
    UPLOAD_OUTAGE,
    UPLOAD_TIMEOUT,
    repeated,
)
from nyc_tlc.adapters.lake.bucket import BucketLake, bucket_and_prefix
from nyc_tlc.adapters.lake.errors import ObjectChangedError, ObjectGoneError
from nyc_tlc.adapters.lake.gcs_errors import GcsErrors
from nyc_tlc.core.checksum import crc32c
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.core.lake.records import Generation, StoredObject, is_lake_path

_UPLOAD_CHUNK = 8 << 20
"""Bytes per request of a resumable upload: bounds memory, and what a broken line costs."""
_GET, _CREATE = "storage.objects.get", "storage.objects.create"
_DELETE, _LIST = "storage.objects.delete", "storage.objects.list"


class GcsLake(BucketLake):
    """A lake at ``gs://bucket[/prefix]``."""

    def __init__(self, url: str, client: storage.Client, *, cache: Path) -> None:
        super().__init__(url, cache)
        bucket, self._prefix = bucket_and_prefix(url)
        self._client = client
        self._bucket = client.bucket(bucket)
        self._errors = GcsErrors(url, bucket)

    def stat(self, path: str) -> StoredObject | None:
        blob = self._blob(path)
        try:
            with self._errors.of(path, _GET):
                # A run's first question: what does not answer is soon told.
                blob.reload(timeout=ASKING, retry=repeated(BLIP / 2))
        except ObjectGoneError:
            return None
        return self._stored(blob)

    def write(self, path: str, data: bytes, *, if_generation: Generation | None) -> StoredObject:
        blob = self._blob(path)
        try:
            with self._errors.of(path, _CREATE):
                blob.upload_from_string(
                    data,
                    content_type=mimetypes.guess_type(path)[0] or "application/octet-stream",
                    if_generation_match=if_generation,
                    checksum="crc32c",
                    timeout=UPLOAD_TIMEOUT,
                    retry=repeated(BLIP),
                )
        except ObjectChangedError as error:
            return self._written_by_us(path, crc32c(data), error)
        return self._stored(blob)

    def upload(self, file: Path, path: str) -> StoredObject:
        blob = self._blob(path, chunk_size=_UPLOAD_CHUNK)
        with self._errors.of(path, _CREATE):
            try:
                # Always the complete object, whoever else wrote it: repeating is safe.
                blob.upload_from_filename(
                    str(file),
                    checksum="crc32c",
                    timeout=UPLOAD_TIMEOUT,
                    retry=repeated(UPLOAD_OUTAGE),
                )
            except GoogleAuthError:  # of which some are ValueErrors
                raise
            except ValueError as error:
                # The store may keep less than a chunk (308 with a shorter Range), and the library
                # then fails at its own count of the bytes: the run starts the upload over.
                raise RetryableError(
                    f"the upload of {self._url}/{path} was broken off ({error})"
                ) from error
        stored = self._stored(blob)
        self._cache.keep(file, stored)
        return stored

    def copy(self, source: str, target: str, *, if_generation: Generation) -> StoredObject:
        origin = self._existing(source)
        try:
            with self._errors.of(target, _CREATE, absent=source):
                return self._rewrite(origin, target, if_generation)
        except ObjectChangedError as error:
            return self._written_by_us(target, origin.crc32c, error)

    def _rewrite(
        self, origin: StoredObject, target: str, if_generation: Generation
    ) -> StoredObject:
        blob, token = self._blob(target), None
        while True:
            token, _, _ = blob.rewrite(
                self._blob(origin.path, generation=origin.generation),
                token=token,
                if_generation_match=if_generation,
                timeout=TIMEOUT,
                retry=repeated(BLIP),
            )
            if token is None:
                return self._stored(blob)

    def delete(self, path: str) -> None:
        with suppress(ObjectGoneError), self._errors.of(path, _DELETE):
            self._blob(path).delete(timeout=TIMEOUT, retry=repeated(BLIP))
        self.drop_cached(path)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self._errors.of(prefix, _LIST):
            blobs = self._client.list_blobs(
                self._bucket, prefix=self._prefix + prefix, timeout=ASKING, retry=repeated(BLIP)
            )
            for blob in blobs:
                if is_lake_path(blob.name.removeprefix(self._prefix)):
                    yield self._stored(blob)

    def _fetch(self, stored: StoredObject, start: int, end: int) -> bytes:
        blob = self._blob(stored.path, generation=stored.generation)
        with self._errors.of(stored.path, _GET, pinned=True):
            data: bytes = blob.download_as_bytes(
                start=start, end=end - 1, checksum=None, timeout=TIMEOUT, retry=repeated(BLIP)
            )
        return data

    def _download(self, stored: StoredObject, target: Path) -> None:
        blob = self._blob(stored.path, generation=stored.generation)
        with self._errors.of(stored.path, _GET, pinned=True):
            blob.download_to_filename(
                str(target), checksum="crc32c", timeout=TIMEOUT, retry=repeated(UPLOAD_OUTAGE)
            )

    def _blob(
        self, path: str, *, chunk_size: int | None = None, generation: Generation | None = None
    ) -> storage.Blob:
        return self._bucket.blob(self._prefix + path, chunk_size=chunk_size, generation=generation)

    def _stored(self, blob: storage.Blob) -> StoredObject:
        path = blob.name.removeprefix(self._prefix)
        with self._errors.of(path, _GET):
            return StoredObject(
                path=path,
                bytes=int(blob.size),
                generation=int(blob.generation),
                crc32c=blob.crc32c,
            )


def connect(url: str, *, cache: Path, emulator: str | None, key_file: Path | None) -> GcsLake:
    """A lake with whatever credentials google-auth finds; anonymous only for an emulator.

    Raises:
        ConfigurationError: there are no usable credentials.
    """
    return GcsLake(url, _client(bucket_and_prefix(url)[0], emulator, key_file), cache=cache)


@lru_cache(maxsize=1)
def _client(bucket: str, emulator: str | None, key_file: Path | None) -> storage.Client:
    """One for all blocks of a process: clients are in reference cycles, which keep them open."""
    return storage.Client(
        # Objects belong to buckets: no call needs a project, and some credentials name none.
        project="emulated" if emulator else None,
        credentials=google_credentials(key_file, what_for=f"gs://{bucket}", emulator=emulator),
        client_options={"api_endpoint": emulator} if emulator else None,
        _http=emulator_session(emulator),
    )


# A child that shares its parent's connections would read the parent's answers.
os.register_at_fork(after_in_child=_client.cache_clear)
