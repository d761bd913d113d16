"""Published files in a plain folder."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from nyc_tlc.core.checksum import sha256_of_file
from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.ports.source import Fetched, Probed, SourceFileAbsentError


class FolderSource:
    """Published files in a folder laid out as on the CDN, or all in one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def fetch(self, name: str, folder: Path, *, unless_etag: str | None) -> Fetched | None:
        file = self._find(name)
        published = _described(file)
        if published.etag == unless_etag:
            return None
        target = folder / file.name
        shutil.copyfile(file, target)
        return Fetched(
            target,
            published.uri,
            published.etag,
            published.last_modified,
            target.stat().st_size,
            sha256_of_file(target),
        )

    def probe(self, name: str, *, unless_etag: str | None) -> Probed | None:
        published = _described(self._find(name))
        return None if published.etag == unless_etag else published

    def _find(self, name: str) -> Path:
        candidates = [self._root / name, self._root / Path(name).name]
        if not self._root.is_dir():
            raise ConfigurationError(
                f"TLC_SOURCE_URL {self._root.as_uri()} is not a folder. Nothing was changed. "
                "Correct it."
            )
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            raise SourceFileAbsentError(candidates[0].as_uri(), "no such file")
        return found


def _described(file: Path) -> Probed:
    stat = file.stat()
    etag = f"{stat.st_size:x}-{stat.st_mtime_ns:x}-{stat.st_ino:x}"
    modified = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds")
    return Probed(file.as_uri(), etag, modified, stat.st_size)
