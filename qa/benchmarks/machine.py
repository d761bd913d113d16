"""On what a study was measured, without names of hosts or folders."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import psutil


def machine(postgres_version: str) -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        "PostgreSQL": postgres_version,
    }


def plain(reason: str) -> str:
    """A message without addresses and folders of this machine, on one line."""
    text = re.sub(r"\w+://\S+", "<address>", " ".join(reason.split()))
    text = re.sub(r"(?:/[\w.+-]+){2,}/?", lambda path: f"…/{Path(path[0]).name}", text)
    return text if len(text) <= 300 else f"{text[:300]}…"


def _processor() -> str:
    if sys.platform != "linux":
        return platform.processor()
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.M)
    return found[1] if found else platform.machine()
