"""Copies of a lake on local disk, for readers that know nothing of the project."""

from pathlib import Path

from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores


def download(environment: dict[str, str], prefix: str, into: Path) -> Path:
    """Bring every object below a prefix into a folder; returns the prefix's folder there."""
    lake = connect_stores(Settings.load(environment)).lake
    for stored in lake.list(prefix):
        target = into / stored.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with lake.open(stored.path) as source:
            target.write_bytes(source.read())
    return into / prefix
