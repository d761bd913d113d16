"""The lake in S3, in what speaks its protocol, or in Azure: second to Cloud Storage.

Who we are and where the store is comes from the variables that its own tools read (``AWS_…``,
``AZURE_…``); obstore reads them itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

import obstore
from obstore.store import AzureStore, S3Store

from nyc_tlc.adapters.lake.cache import LakeCache
from nyc_tlc.adapters.lake.errors import ObjectChangedError, ObjectGoneError, changed, gone
from nyc_tlc.adapters.lake.object_store_errors import ObjectStoreErrors
from nyc_tlc.adapters.lake.range_reader import range_reader
from nyc_tlc.core.checksum import crc32c, crc32c_of_file
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.core.lake.records import Generation, StoredObject, is_lake_path

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

_CHUNK = 8 << 20
"""Bytes per request, up and down: with what is in flight at once this bounds memory."""
_IN_FLIGHT = 4
_CHECKSUM = "crc32c"
"""Metadata in which an object carries its checksum: these stores tell none to compare."""
_BLIP = timedelta(seconds=20)
_OUTAGE = timedelta(minutes=15)
_CLIENT: ClientConfig = {
    "connect_timeout": timedelta(seconds=10),
    "timeout": timedelta(minutes=5),  # of one request; the library's 30 s break slow lines
    "allow_http": True,  # an endpoint that says http:// means it
}


class Backend(Protocol):
    """What differs between the clouds."""

    @property
    def errors(self) -> ObjectStoreErrors:
        """How to explain a failure."""

    def store(self, patience: timedelta) -> ObjectStore:
        """A client that goes on for so long when the store does not answer."""

    def copy(self, source: str, target: str, if_generation: Generation) -> None:
        """Copy inside the store, as conditionally as it can."""

    def needs(self, action: Literal["Get", "Put", "Delete", "List"]) -> str:
        """The permission that an action takes."""


class S3:
    """A bucket of S3, whose copies are conditional since October 2025; others ignore that."""

    def __init__(self, url: str) -> None:
        self._bucket, self._prefix = _parts(url)
        self.errors = ObjectStoreErrors(
            url,
            grant=f"It takes the permission {{needs}} on arn:aws:s3:::{self._bucket}: add it to "
            "the policy of the role or user",
            login="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role",
        )

    def store(self, patience: timedelta) -> ObjectStore:
        return self._store(patience)

    def copy(self, source: str, target: str, if_generation: Generation) -> None:
        header = "if-none-match:*" if if_generation == 0 else f'if-match:"{if_generation}"'
        conditional = self._store(_BLIP, condition=f"header:{header}")
        obstore.copy(conditional, source, target, overwrite=False)

    def needs(self, action: Literal["Get", "Put", "Delete", "List"]) -> str:
        return "s3:ListBucket" if action == "List" else f"s3:{action}Object"

    def _store(self, patience: timedelta, condition: str = "multipart") -> S3Store:
        return S3Store(
            self._bucket,
            prefix=self._prefix,
            copy_if_not_exists=condition,
            client_options=_CLIENT,
            retry_config={"retry_timeout": patience},
        )


class Azure:
    """A container of Azure Blob Storage, whose copies are conditional for new objects only."""

    def __init__(self, url: str) -> None:
        self._container, self._prefix = _parts(url)
        self.errors = ObjectStoreErrors(
            url,
            grant="It takes {needs}, which the role Storage Blob Data Contributor has: az role "
            "assignment create --role 'Storage Blob Data Contributor' --assignee WHO --scope "
            "THE_STORAGE_ACCOUNT",
            login="Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or what else "
            "docs/lake.md names",
        )

    def store(self, patience: timedelta) -> ObjectStore:
        return AzureStore(
            self._container,
            prefix=self._prefix,
            client_options=_CLIENT,
            retry_config={"retry_timeout": patience},
        )

    def copy(self, source: str, target: str, if_generation: Generation) -> None:
        obstore.copy(self.store(_BLIP), source, target, overwrite=if_generation != 0)

    def needs(self, action: Literal["Get", "Put", "Delete", "List"]) -> str:
        verb = {"Get": "read", "Put": "write", "Delete": "delete", "List": "read"}[action]
        return f"Microsoft.Storage/…/blobs/{verb}"


class ObjectStoreLake:
    """A lake below a prefix of one bucket or container; a generation is an ETag without quotes.

    Files moved into the lake stay on local disk too, as with Cloud Storage.
    """

    def __init__(self, url: str, backend: Backend, *, cache: Path) -> None:
        self._url = url
        self._backend = backend
        with backend.errors.of_settings():
            self._store = backend.store(_BLIP)
        self._cache = LakeCache(cache, url=url)
        self._bucket_seen = False

    @property
    def url(self) -> str:
        return self._url

    def stat(self, path: str) -> StoredObject | None:
        self._require_bucket()
        try:
            with self._errors(path, "Get"):
                found = obstore.get(self._store, path, options={"head": True})
        except ObjectGoneError:
            return None
        return StoredObject(
            path=path,
            bytes=found.meta["size"],
            generation=_generation(found.meta["e_tag"]),
            crc32c=str(found.attributes.get(_CHECKSUM, "")),
        )

    def read(self, path: str) -> tuple[bytes, Generation] | None:
        stored = self.stat(path)
        if stored is None:
            return None
        data = self._fetch(stored, 0, stored.bytes)
        if stored.crc32c and crc32c(data) != stored.crc32c:
            raise RetryableError(f"{self._url}/{path} was damaged on the way here")
        return data, stored.generation

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
            return self._ours(path, checksum, error)
        return StoredObject(
            path=path, bytes=len(data), generation=_generation(written["e_tag"]), crc32c=checksum
        )

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
        stored = StoredObject(
            path=path,
            bytes=file.stat().st_size,
            generation=_generation(written["e_tag"]),
            crc32c=checksum,
        )
        self._cache.keep(file, stored)
        return stored

    def copy(self, source: str, target: str, *, if_generation: Generation) -> StoredObject:
        """Compare, then copy, as conditionally as the store can.

        Where it cannot (Azure, and what only resembles S3) two runs can cross between the two; the
        manifest, which every store writes conditionally, then lets one of them through, and
        reconciling finds objects that are not its own.
        """
        origin = self._seen(source)
        found = self.stat(target)
        if (found.generation if found else 0) != if_generation:
            raise changed(f"{self._url}/{target}")
        with suppress(ObjectChangedError), self._errors(target, "Put"):
            self._backend.copy(source, target, if_generation)
        return self._ours(target, origin.crc32c, changed(f"{self._url}/{target}"))

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with self._cache.open(self._seen(path), self._download) as file:
            yield file

    def open_range(self, path: str) -> AbstractContextManager[BinaryIO]:
        stored = self._seen(path)
        return range_reader(stored.bytes, lambda start, end: self._fetch(stored, start, end))

    def delete(self, path: str) -> None:
        with suppress(ObjectGoneError), self._errors(path, "Delete"):
            obstore.delete(self._store, path)
        self.drop_cached(path)

    def drop_cached(self, path: str) -> None:
        self._cache.drop(path)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = prefix.rpartition("/")[0]  # the library lists whole folders only
        with self._errors(prefix, "List"):
            pages = list(obstore.list(self._store, folder or None, chunk_size=1000))
        below = [meta for page in pages for meta in page if meta["path"].startswith(prefix)]
        found = [meta for meta in below if is_lake_path(meta["path"])]
        for meta in sorted(found, key=lambda meta: meta["path"]):
            yield StoredObject(
                path=meta["path"],
                bytes=meta["size"],
                generation=_generation(meta["e_tag"]),
                crc32c="",
            )

    def _seen(self, path: str) -> StoredObject:
        stored = self.stat(path)
        if stored is None:
            raise gone(f"{self._url}/{path}")
        return stored

    def _fetch(self, stored: StoredObject, start: int, end: int) -> bytes:
        if start == end:
            return b""
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

    def _ours(self, path: str, checksum: str, error: ObjectChangedError) -> StoredObject:
        """The object, if it is what we were writing; its precondition may have met ourselves."""
        found = self.stat(path)
        if found is None or found.crc32c != checksum:
            raise error
        return found

    def _require_bucket(self) -> None:
        """Ask once with a GET: the answers to HEAD do not say what is wrong with a bucket."""
        if not self._bucket_seen:
            with self._errors("", "List"):
                next(iter(obstore.list(self._store, chunk_size=1)), None)
            self._bucket_seen = True

    def _errors(
        self, path: str, action: Literal["Get", "Put", "Delete", "List"], *, pinned: bool = False
    ) -> AbstractContextManager[None]:
        return self._backend.errors.of(path, self._backend.needs(action), pinned=pinned)


def connect(url: str, *, cache: Path) -> ObjectStoreLake:
    """A lake at ``s3://…`` or ``az://…``; nothing is contacted yet."""
    backend = S3(url) if url.startswith("s3://") else Azure(url)
    return ObjectStoreLake(url, backend, cache=cache)


def _parts(url: str) -> tuple[str, str | None]:
    bucket, _, prefix = url.partition("://")[2].partition("/")
    return bucket, prefix.strip("/") or None


def _mode(
    if_generation: Generation | None,
) -> Literal["overwrite", "create"] | obstore.UpdateVersion:
    if if_generation is None:
        return "overwrite"
    return "create" if if_generation == 0 else {"e_tag": f'"{if_generation}"'}


def _generation(e_tag: str | None) -> str:
    """Quoted by some calls and not by others."""
    return (e_tag or "").strip('"')
