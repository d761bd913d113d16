"""`make mutation`: mutmut on a copy of the checkout, in an environment of its own, then the score.

The copy is of what is committed, and of what is changed in files that git knows.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
_COPY = _CHECKOUT / ".local" / "mutation"
_PINS = _CHECKOUT / "qa" / "mutmut.txt"
_UV = ("run", "--quiet", "--no-project", "--active", "--with-requirements", _PINS)


def _copy_checkout() -> None:
    changed = _git("stash", "create").decode().strip()
    archive = _git("archive", changed or "HEAD")
    shutil.rmtree(_COPY, ignore_errors=True)
    for folder in (_COPY, _COPY / "mutants"):
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")


def _git(*words: str) -> bytes:
    command = ["git", *words]
    return subprocess.run(command, cwd=_CHECKOUT, check=True, capture_output=True).stdout


def main() -> None:
    """Mutate, test, and print what no test noticed."""
    parser = argparse.ArgumentParser(prog="python -m qa.mutate", description=__doc__)
    parser.add_argument("mutants", nargs="*", help="nyc_tlc.core.month.*; all")
    mutants = parser.parse_args().mutants
    _copy_checkout()
    environment = {
        "TLC_SHARED": str(_CHECKOUT.parent / "shared" / "tlc"),
        **os.environ,
        "VIRTUAL_ENV": str(Path(sys.prefix)),
        "HYPOTHESIS_PROFILE": "mutation",
        "PYTHONPATH": "",
    }
    uv = Path(sys.executable).with_name("uv")
    for words in (("mutmut", "run"), ("python", "-m", "qa.mutation")):
        command = ["nice", uv, *_UV, *words, *mutants]
        subprocess.run(command, cwd=_COPY, env=environment, check=True)


if __name__ == "__main__":
    main()
