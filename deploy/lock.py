"""`make lock`: resolve the declared requirements into the pinned ones, with their hashes."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
_COMPILE = ("pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-annotate")
_LOCKS = {
    "requirements.lock": ("--all-extras", "--generate-hashes", "pyproject.toml"),
    "requirements.txt": (
        "--generate-hashes",
        "pyproject.toml",
        "--constraint",
        "requirements.lock",
    ),
    **{
        f"{stem}.txt": ("--generate-hashes", f"{stem}.in")
        for stem in ("embedded/servers/bigquery_emulator", "qa/fuzz/atheris", "qa/mutmut")
    },
    **{  # beside other packages in their image, so each is named
        f"{stem}.txt": ("--generate-hashes", "--no-deps", f"{stem}.in")
        for stem in ("deploy/emulators/requirements", "deploy/image/requirements-image")
    },
}
_OWN_BOUND = re.compile(
    r"(?<=; )python_full_version < '3\.13' and "
    r"| (?:;|and) python_full_version < '3\.13'(?! and)"
)
"""uv repeats the project's own bound of Python on every line."""


def main() -> None:
    """Write every lock, in the order in which one constrains the next."""
    parser = argparse.ArgumentParser(prog="python -m deploy.lock", description=__doc__)
    parser.add_argument("locks", nargs="*", metavar="LOCK", help=f"{', '.join(_LOCKS)}; all")
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "UV_CUSTOM_COMPILE_COMMAND": "make lock"}
    for lock in parser.parse_args().locks or _LOCKS:
        command = [uv, *_COMPILE, *_LOCKS[lock], "-o", lock]
        subprocess.run(command, cwd=_CHECKOUT, env=environment, check=True)  # noqa: S603 - no input
        file = _CHECKOUT / lock
        file.write_text(_OWN_BOUND.sub("", file.read_text("utf-8")), "utf-8", newline="")


if __name__ == "__main__":
    main()
