#!/opt/venv/bin/python
"""Lay out the Mage project of the server: the image's code, and on the volume what Mage rewrites.

Mage's server writes beside a pipeline's files what is changed of it in the UI (mage_server's
local_edits), and needs the project's .gitignore to know which pipelines are shipped. All else are
copies that it cannot write: links to the image could not be opened in the UI, which refuses what is
not in the project's folder.
"""

import fcntl
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

_IMAGE = Path("/app/mage_project")
_SERVER = Path("/data/mage_project")
_REWRITTEN = ("pipelines", "metadata.yaml")


def refresh(image: Path, server: Path) -> None:
    """Make the server's project that of the image; triggers stay as they were set in the UI."""
    server.mkdir(parents=True, exist_ok=True)
    with (server / ".refreshed").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # UI and scheduler may start at once
        _refresh(image, server)


def _refresh(image: Path, server: Path) -> None:
    for entry in image.iterdir():
        if entry.name not in _REWRITTEN and entry.name != "__pycache__":
            _copy_closed(entry, server / entry.name)
    _write(server / "metadata.yaml", (image / "metadata.yaml").read_bytes())
    for file in sorted((image / "pipelines").rglob("*")):
        target = server / "pipelines" / file.relative_to(image / "pipelines")
        if file.name == "triggers.yaml" and target.exists():
            merged = merged_triggers(file.read_text("utf-8"), target.read_text("utf-8"))
            _write(target, merged.encode())
        elif file.is_file() and file.suffix != ".pyc":
            _write(target, file.read_bytes())


def merged_triggers(of_image: str, of_server: str) -> str:
    """The server's triggers, and those of the image that it has not got yet."""
    kept = _triggers(of_server)
    names = {trigger["name"] for trigger in kept}
    new = [trigger for trigger in _triggers(of_image) if trigger["name"] not in names]
    return yaml.safe_dump({"triggers": [*kept, *new]})


def _triggers(text: str) -> list[dict[str, Any]]:
    return (yaml.safe_load(text) or {}).get("triggers") or []


def _copy_closed(source: Path, target: Path) -> None:
    """Make the target what the source is, and read-only."""
    if target.is_symlink():  # as an image of before November 2026 made it
        target.unlink()
    if source.is_file():
        if not target.exists() or target.read_bytes() != source.read_bytes():
            _write(target, source.read_bytes(), 0o444)
        return
    target.mkdir(exist_ok=True)
    target.chmod(0o755)
    names = {entry.name for entry in source.iterdir()} - {"__pycache__"}
    for stale in [entry for entry in target.iterdir() if entry.name not in names]:
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
    for name in names:
        _copy_closed(source / name, target / name)
    target.chmod(0o555)


def _write(file: Path, content: bytes, mode: int = 0o644) -> None:
    # The other one may run already: it is not to read half a file.
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.chmod(mode)
    unfinished.replace(file)


if __name__ == "__main__":
    try:
        refresh(_IMAGE, _SERVER)
    except OSError as problem:
        sys.exit(
            f"nyc-tlc: {problem.filename or _SERVER}: {problem.strerror}. Mage was not started. "
            "It is on the volume mage-data: see its disk (`docker system df`). It starts "
            "by itself"
        )
