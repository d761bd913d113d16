"""`make report`: the report of the last audit, from the lake to this machine."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from nyc_tlc.core.audit.report import REPORT
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.ports.lake import Lake
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores


def fetch(lake: Lake, folder: Path) -> Path | None:
    """Copy the report into a folder; None when no audit has written one."""
    found = lake.read(REPORT)
    if found is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(REPORT).name
    target.write_bytes(found[0])
    return target


def main() -> int:
    """Say where the report is; open it where somebody sits before a terminal."""
    try:
        settings = Settings.load()
        lake = connect_stores(settings).lake
        target = fetch(lake, settings.tlc_work_dir / "report")
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if target is None:
        sys.stderr.write(f"{lake.url}/{REPORT} is not there yet. Run `make audit` first.\n")
        return 1
    sys.stdout.write(f"{target}\n")
    if sys.stdout.isatty():
        webbrowser.open(target.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
