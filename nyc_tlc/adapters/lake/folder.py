"""A lake in a plain folder."""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from nyc_tlc.adapters.lake.errors import ObjectChangedError, ObjectGoneError
from nyc_tlc.core.checksum import crc32c_of_file
from nyc_tlc.core.lake.records import Generation, StoredObject, is_lake_path
from nyc_tlc.core.os_errors import os_errors_explained

_ABANDONED_AFTER = 86_400.0
"""Seconds."""


class FolderLake:
    """A lake in a folder. Objects are replaced by rename, which is atomic.

    The generation of an object is the file's modification time in nanoseconds. Everything in the
    lake has the permissions of its top folder, whatever the umask of who writes it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / ".incoming"
        self._sweep()

    @property
    def url(self) -> str:
        return self._root.as_uri()

    def stat(self, path: str) -> StoredObject | None:
        try:
            stat = self._file(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not S_ISREG(stat.st_mode):
            return None
        return _stored(path, stat, "")

    def read(self, path: str) -> tuple[bytes, Generation] | None:
        try:
            with self._file(path).open("rb") as file:
                return file.read(), os.fstat(file.fileno()).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def write(self, path: str, data: bytes, *, if_generation: Generation | None) -> StoredObject:
        with self._new_file(path) as incoming:
            incoming.write_bytes(data)
            return self._place(incoming, path, if_generation)

    def upload(self, file: Path, path: str) -> StoredObject:
        with self._new_file(path) as incoming:
            shutil.move(file, incoming)
            return self._place(incoming, path, None)

    def copy(self, source: str, target: str, *, if_generation: Generation) -> StoredObject:
        with self._new_file(target) as incoming:
            try:
                shutil.copyfile(self._file(source), incoming)
            except FileNotFoundError:
                raise ObjectGoneError(source) from None
            return self._place(incoming, target, if_generation)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        try:
            file = self._file(path).open("rb")
        except FileNotFoundError:
            raise ObjectGoneError(path) from None
        with file:
            yield file

    def open_range(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self.open(path)

    def delete(self, path: str) -> None:
        file = self._file(path)
        with self._lock():
            file.unlink(missing_ok=True)
            with suppress(OSError):  # a folder with other objects stays
                for parent in takewhile(lambda parent: parent != self._root, file.parents):
                    parent.rmdir()

    def drop_cached(self, path: str) -> None:
        """Nothing to do: there are no copies."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        below = self._root / prefix.rpartition("/")[0]
        paths = (file.relative_to(self._root).as_posix() for file in below.rglob("*"))
        for path in sorted(p for p in paths if p.startswith(prefix) and is_lake_path(p)):
            stored = None if path.startswith(".incoming") else self.stat(path)
            if stored is not None:
                yield stored

    def _file(self, path: str) -> Path:
        file = self._root.joinpath(*path.split("/"))
        if ".." in path.split("/"):
            raise ValueError(f"{path} leaves the lake")
        return file

    @contextmanager
    def _new_file(self, path: str) -> Iterator[Path]:
        """A temporary file next to the objects, for bytes on their way to ``path``."""
        with os_errors_explained(str(self._file(path))):
            self._make(self._incoming)
            incoming = self._incoming / uuid.uuid4().hex
            try:
                yield incoming
            finally:
                incoming.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what killed writers left behind, once no writer can be that slow."""
        for left in self._incoming.glob("[0-9a-f]" * 32):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_ctime > _ABANDONED_AFTER:
                    left.unlink()

    def _place(self, incoming: Path, path: str, if_generation: Generation | None) -> StoredObject:
        target = self._file(path)
        checksum = crc32c_of_file(incoming)
        with incoming.open("rb") as file:
            os.fsync(file.fileno())
        with self._lock():
            found = self.stat(path)
            generation = 0 if found is None else int(found.generation)
            if if_generation is not None and generation != if_generation:
                raise ObjectChangedError(target.as_uri())
            # The kernel's own file time ticks in milliseconds: two writes could share one.
            written = max(time.time_ns(), generation + 1)
            os.utime(incoming, ns=(written, written))
            self._make(target.parent)
            incoming.chmod(self._root.stat().st_mode & 0o666)
            incoming.replace(target)
        return _stored(path, target.stat(), checksum)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._make(self._incoming)
        with (self._incoming / "lock").open("w") as lock:
            with suppress(PermissionError):  # another user made it
                os.fchmod(lock.fileno(), self._root.stat().st_mode & 0o666)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make(self, folder: Path) -> None:
        """Make a folder of the lake, with the permissions of its top."""
        self._root.mkdir(parents=True, exist_ok=True)
        permissions = self._root.stat().st_mode & 0o7777
        below = takewhile(lambda parent: parent != self._root, (folder, *folder.parents))
        for absent in reversed([part for part in below if not part.is_dir()]):
            with suppress(FileExistsError):  # another writer was faster
                absent.mkdir()
                absent.chmod(permissions)


def _stored(path: str, stat: os.stat_result, checksum: str) -> StoredObject:
    generation = stat.st_mtime_ns
    return StoredObject(path=path, bytes=stat.st_size, generation=generation, crc32c=checksum)
