"""Published files in a plain folder."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from nyc_tlc.adapters.source.bounds import most_bytes, require_room, too_large
from nyc_tlc.core.checksum import sha256_of_file
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.ports.source import Fetched, Probed, SourceFileAbsentError


class FolderSource:
    """Published files in a folder laid out as on the CDN, or all in one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def fetch(self, name: str, folder: Path, *, unless_etag: str | None) -> Fetched | None:
        file = self._find(name)
        found = _described(file)
        if found.etag == unless_etag:
            return None
        most, size = most_bytes(name), file.stat().st_size
        if size > most:
            raise too_large(found.uri, f"{size:,}", most)
        require_room(folder, size)
        target = folder / file.name
        try:
            shutil.copyfile(file, target)
        except OSError:  # of a disk that is full all the same
            target.unlink(missing_ok=True)
            raise
        size, sha256 = target.stat().st_size, sha256_of_file(target)
        return Fetched(target, found.uri, found.etag, found.last_modified, size, sha256)

    def probe(self, name: str, *, unless_etag: str | None) -> Probed | None:
        found = _described(self._find(name))
        return None if found.etag == unless_etag else found

    def _find(self, name: str) -> Path:
        if not self._root.is_dir():
            raise ConfigurationError(
                f"TLC_SOURCE_URL {self._root.as_uri()} is not a folder. Nothing was changed. "
                "Correct it."
            )
        for path in (self._root / name, self._root / Path(name).name):
            if path.is_file():
                return path
        raise SourceFileAbsentError((self._root / name).as_uri(), "no such file")


def _described(file: Path) -> Probed:
    stat = file.stat()
    etag = f"{stat.st_size:x}-{stat.st_mtime_ns:x}-{stat.st_ino:x}"
    modified = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
    return Probed(file.as_uri(), etag, modified, stat.st_size)
