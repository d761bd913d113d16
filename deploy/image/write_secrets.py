#!/usr/local/bin/python3
"""Give every server of docker-compose.yml its secrets, before any of them starts.

What .env names is taken from there; the rest is made once and kept. Each server gets a volume with
files that only its own user can read. The key file of Google Cloud, readable to its owner only,
is handed on in the same way.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

_MAGE, _POSTGRES = 10001, 999
"""Users of the two images."""
_KEY_FILE = Path("/run/gcp-key.json")
FOR_MAGE = (
    "POSTGRES_PASSWORD",
    "MAGE_DATABASE_PASSWORD",
    "DEFAULT_OWNER_PASSWORD",
    "JWT_SECRET",
    "JWT_DOWNLOAD_SECRET",
)
FOR_POSTGRES = (
    "POSTGRES_PASSWORD",
    "MAGE_DATABASE_PASSWORD",
    "READER_PASSWORD",
    "SUPERUSER_PASSWORD",
)


def main() -> None:
    """Write both folders; what is there and not overruled stays."""
    root = Path("/secrets")
    values = chosen(os.environ, [root / "mage", root / "postgres"])
    for folder, names, owner in (
        (root / "mage", FOR_MAGE, _MAGE),
        (root / "postgres", FOR_POSTGRES, _POSTGRES),
    ):
        folder.chmod(0o755)
        for name in names:
            write_private(folder / name, values[name].encode(), owner)
    write_private(root / "mage" / "gcp-key.json", _KEY_FILE.read_bytes(), _MAGE)
    sys.stdout.write("every server has its secrets\n")


def chosen(given: Mapping[str, str], folders: list[Path]) -> dict[str, str]:
    """For each secret what is given, else what is kept, else a new one."""
    kept = {
        file.name: file.read_text("utf-8")
        for folder in folders
        for file in sorted(folder.iterdir())
    }
    # A server elsewhere has a password that nobody can make up here.
    elsewhere = {"POSTGRES_PASSWORD": ""} if given.get("POSTGRES_HOST") else {}
    return {
        name: given.get(name) or elsewhere.get(name, kept.get(name) or secrets.token_urlsafe(24))
        for name in (*FOR_MAGE, *FOR_POSTGRES)
    }


def write_private(file: Path, content: bytes, owner: int) -> None:
    """Replace a file atomically, for one user alone."""
    unfinished = file.with_name(f".{file.name}")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(0o400)
    unfinished.write_bytes(content)
    os.chown(unfinished, owner, owner)
    unfinished.replace(file)


if __name__ == "__main__":
    main()
