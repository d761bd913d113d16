"""The lake in S3, in stores that speak its protocol, or in Azure: second to Cloud Storage.

Credentials and endpoints come from the variables of the stores' own tools (``AWS_…``,
``AZURE_…``), which obstore reads itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.store import AzureStore, S3Store

from nyc_tlc.adapters.lake.bucket import BucketLake, bucket_and_prefix
from nyc_tlc.adapters.lake.errors import ObjectChangedError, ObjectGoneError
from nyc_tlc.adapters.lake.object_store_errors import ObjectStoreErrors
from nyc_tlc.core.checksum import crc32c, crc32c_of_file
from nyc_tlc.core.lake.records import Generation, StoredObject, is_lake_path

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

_CHUNK = 8 << 20
"""Bytes per request, up and down: with the requests in flight this bounds memory."""
_IN_FLIGHT = 4
_CHECKSUM = "crc32c"
"""Metadata that holds an object's checksum: these stores give none to compare."""
_BLIP = timedelta(seconds=20)
_OUTAGE = timedelta(minutes=15)
_FIRST_ANSWER = timedelta(seconds=15)
_REQUEST = timedelta(minutes=5)
"""What one request may take; the library's 30 s break slow lines."""
_CLIENT: ClientConfig = {
    "connect_timeout": timedelta(seconds=10),
    "allow_http": True,  # an endpoint that says http:// means it
}
_Action = Literal["Get", "Put", "Delete", "List"]


class S3:
    """A bucket of S3, whose copies are conditional since October 2025; others ignore that."""

    def __init__(self, url: str) -> None:
        self._bucket, self._prefix = bucket_and_prefix(url)
        self.errors = ObjectStoreErrors(
            url,
            grant=f"It takes the permission {{needs}} on arn:aws:s3:::{self._bucket}: add it to "
            "the policy of the role or user",
            login="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role",
        )

    def store(
        self, patience: timedelta, *, longest: timedelta = _REQUEST, copy_if: str = "multipart"
    ) -> ObjectStore:
        """A client that repeats a request for so long; ``longest`` is what one may take."""
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            copy_if_not_exists=copy_if,
            client_options={**_CLIENT, "timeout": longest},
            retry_config={"retry_timeout": patience},
        )

    def copy(self, source: str, target: str, if_generation: Generation) -> None:
        header = "if-none-match:*" if if_generation == 0 else f'if-match:"{if_generation}"'
        conditional = self.store(_BLIP, copy_if=f"header:{header}")
        obstore.copy(conditional, source, target, overwrite=False)

    def needs(self, action: _Action) -> str:
        return "s3:ListBucket" if action == "List" else f"s3:{action}Object"


class Azure:
    """A container of Azure Blob Storage, whose copies are conditional for new objects only."""

    def __init__(self, url: str) -> None:
        self._container, self._prefix = bucket_and_prefix(url)
        self.errors = ObjectStoreErrors(
            url,
            grant="It takes {needs}, which the role Storage Blob Data Contributor has: az role "
            "assignment create --role 'Storage Blob Data Contributor' --assignee WHO --scope "
            "THE_STORAGE_ACCOUNT",
            login="Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or use another "
            "login of docs/lake.md",
        )

    def store(self, patience: timedelta, *, longest: timedelta = _REQUEST) -> ObjectStore:
        return AzureStore(
            self._container,
            prefix=self._prefix or None,
            client_options={**_CLIENT, "timeout": longest},
            retry_config={"retry_timeout": patience},
        )

    def copy(self, source: str, target: str, if_generation: Generation) -> None:
        obstore.copy(self.store(_BLIP), source, target, overwrite=if_generation != 0)

    def needs(self, action: _Action) -> str:
        verb = {"Get": "read", "Put": "write", "Delete": "delete", "List": "read"}[action]
        return f"Microsoft.Storage/…/blobs/{verb}"


class ObjectStoreLake(BucketLake):
    """A lake at ``s3://…`` or ``az://…``; a generation is an ETag without quotes."""

    def __init__(self, url: str, backend: S3 | Azure, *, cache: Path) -> None:
        super().__init__(url, cache)
        self._backend = backend
        with backend.errors.of_settings():
            self._store = backend.store(_BLIP)
        self._bucket_seen = False

    def stat(self, path: str) -> StoredObject | None:
        self._require_bucket()
        try:
            with self._errors(path, "Get"):
                found = obstore.get(self._store, path, options={"head": True})
        except ObjectGoneError:
            return None
        checksum = str(found.attributes.get(_CHECKSUM, ""))
        return _stored(path, found.meta["size"], found.meta["e_tag"], checksum)

    def write(self, path: str, data: bytes, *, if_generation: Generation | None) -> StoredObject:
        checksum = crc32c(data)
        try:
            with self._errors(path, "Put"):
                written = obstore.put(
                    self._store,
                    path,
                    data,
                    attributes={_CHECKSUM: checksum, "Content-Type": "application/json"},
                    mode=_mode(if_generation),
                    use_multipart=False,
                )
        except ObjectChangedError as error:
            return self._written_by_us(path, checksum, error)
        return _stored(path, len(data), written["e_tag"], checksum)

    def upload(self, file: Path, path: str) -> StoredObject:
        checksum = crc32c_of_file(file)
        with self._errors(path, "Put"):
            written = obstore.put(
                self._backend.store(_OUTAGE),
                path,
                file,
                attributes={_CHECKSUM: checksum},
                chunk_size=_CHUNK,
                max_concurrency=_IN_FLIGHT,
            )
        stored = _stored(path, file.stat().st_size, written["e_tag"], checksum)
        self._cache.keep(file, stored)
        return stored

    def copy(self, source: str, target: str, *, if_generation: Generation) -> StoredObject:
        """Compare, then copy, as conditionally as the store can.

        Where the store compares nothing (Azure, and stores that only resemble S3) two runs can
        cross between the two; the manifest, which every store writes conditionally, then lets one
        of them through, and reconciling finds objects that are not its own.
        """
        origin = self._existing(source)
        found = self.stat(target)
        changed = ObjectChangedError(f"{self._url}/{target}")
        if (found.generation if found else 0) != if_generation:
            raise changed
        with suppress(ObjectChangedError), self._errors(target, "Put"):
            self._backend.copy(source, target, if_generation)
        return self._written_by_us(target, origin.crc32c, changed)

    def delete(self, path: str) -> None:
        with suppress(ObjectGoneError), self._errors(path, "Delete"):
            obstore.delete(self._store, path)
        self.drop_cached(path)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = prefix.rpartition("/")[0]  # the library lists folders only
        with self._errors(prefix, "List"):
            pages = list(obstore.list(self._store, folder or None, chunk_size=1000))
        below = [meta for page in pages for meta in page if meta["path"].startswith(prefix)]
        for meta in sorted(below, key=lambda meta: meta["path"]):
            if is_lake_path(meta["path"]):
                yield _stored(meta["path"], meta["size"], meta["e_tag"], "")

    def _fetch(self, stored: StoredObject, start: int, end: int) -> bytes:
        with self._errors(stored.path, "Get", pinned=True):
            wanted: obstore.GetOptions = {
                "range": (start, end),
                "if_match": f'"{stored.generation}"',
            }
            return bytes(obstore.get(self._store, stored.path, options=wanted).bytes())

    def _download(self, stored: StoredObject, target: Path) -> None:
        with target.open("wb") as file:
            for start in range(0, stored.bytes, _CHUNK):
                file.write(self._fetch(stored, start, min(start + _CHUNK, stored.bytes)))

    def _require_bucket(self) -> None:
        """Ask once with a GET: the answer to a HEAD does not say what is wrong with a bucket."""
        if not self._bucket_seen:
            with self._errors("", "List"):
                asked = self._backend.store(_BLIP, longest=_FIRST_ANSWER)
                next(iter(obstore.list(asked, chunk_size=1)), None)
            self._bucket_seen = True

    def _errors(
        self, path: str, action: _Action, *, pinned: bool = False
    ) -> AbstractContextManager[None]:
        return self._backend.errors.of(path, self._backend.needs(action), pinned=pinned)


def connect(url: str, *, cache: Path) -> ObjectStoreLake:
    """A lake at ``s3://…`` or ``az://…``; nothing is contacted yet."""
    backend = S3(url) if url.startswith("s3://") else Azure(url)
    return ObjectStoreLake(url, backend, cache=cache)


def _mode(
    if_generation: Generation | None,
) -> Literal["overwrite", "create"] | obstore.UpdateVersion:
    if if_generation is None:
        return "overwrite"
    return "create" if if_generation == 0 else {"e_tag": f'"{if_generation}"'}


def _stored(path: str, size: int, e_tag: str | None, checksum: str) -> StoredObject:
    generation = (e_tag or "").strip('"')  # some calls quote it, others do not
    return StoredObject(path=path, bytes=size, generation=generation, crc32c=checksum)
