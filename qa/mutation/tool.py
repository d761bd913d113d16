"""mutmut, in a folder of its own, and a copy of the checkout for it to change."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedded.stack import CHECKOUT

_PINS = Path(__file__).with_name("mutmut.txt")
_INSTALLED = CHECKOUT / ".local" / "mutmut"
_COPY = CHECKOUT / ".local" / "mutation"
MUTANTS = _COPY / "mutants"
"""Where mutmut writes the copy's mutants, and beside each file what became of them."""
_REAL_FILES = CHECKOUT.parent / "shared" / "tlc"
_STATS = MUTANTS / "mutmut-stats.json"
_NO_FAILURE = {"0", "5"}
"""pytest's exit codes when every test passed, and when there was none."""
_RUN = "from mutmut.__main__ import cli; cli()"


def install() -> None:
    """Install what `mutmut.txt` pins; it shadows the environment's packages where they differ."""
    digest = hashlib.sha256(_PINS.read_bytes()).hexdigest()
    done = _INSTALLED / "digest"
    if done.exists() and done.read_text() == digest:
        return
    shutil.rmtree(_INSTALLED, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    command: list[str | Path] = [
        uv, "pip", "install", "--quiet", "--python", sys.executable, "--require-hashes",
        "--target", _INSTALLED, "--requirement", _PINS,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    done.write_text(digest)


def copy_checkout(*, anew: bool) -> None:
    """Copy what git knows. What is known of mutants of functions that did not change stays."""
    if anew:
        shutil.rmtree(_COPY, ignore_errors=True)
    _STATS.unlink(missing_ok=True)  # which test reaches what: other tests may by now
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (_COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, _COPY / name)


def try_mutants(names: Sequence[str] = ()) -> None:
    """Run the tests against the mutants of which nothing is known yet, or against these."""
    command = [sys.executable, "-c", _RUN, "run", "--max-children", "2", *names]
    subprocess.run(command, cwd=_COPY, env=_environment(), check=True)


def reached_at_import(package: str) -> set[str]:
    """Mutants' names, less their numbers, of the functions that importing a package calls."""
    script = (
        "import importlib, pkgutil, sys\n"
        "package = importlib.import_module(sys.argv[1])\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "from mutmut.state import state\n"
        "print(*state()._stats)\n"
    )
    environment = _environment(MUTANT_UNDER_TEST="stats", PYTHONPATH=f"{MUTANTS}:{_INSTALLED}")
    command = [sys.executable, "-c", script, package]
    done = subprocess.run(command, cwd=MUTANTS, env=environment, capture_output=True, text=True,
                          check=True)  # fmt: skip
    return set(done.stdout.split())


def killed_by_themselves(mutants: Sequence[str], tests: Sequence[str]) -> set[str]:
    """Those of the mutants by which the tests fail where they are in force at import, too."""
    script = Path(__file__).with_name("by_itself.py")
    command = [sys.executable, str(script), *tests]
    environment = _environment(PYTHONPATH=f"{MUTANTS}:{_INSTALLED}")
    done = subprocess.run(command, cwd=MUTANTS, env=environment, input="\n".join(mutants),
                          capture_output=True, text=True, check=True)  # fmt: skip
    codes = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    if set(codes) != set(mutants):
        raise RuntimeError(f"of {len(mutants)} mutants {len(codes)} were tried")
    return {mutant for mutant, code in codes.items() if code not in _NO_FAILURE}


def version() -> str:
    """mutmut's, as it is pinned."""
    (pinned,) = re.findall(r"^mutmut==([\d.]+)", _PINS.read_text("utf-8"), re.M)
    return str(pinned)


def commit() -> str:
    """The commit that was tried, marked if something was not committed."""
    dirty = _git("status", "--porcelain", "--", "nyc_tlc", "tests")
    return _git("rev-parse", "--short=12", "HEAD").strip() + ("+" if dirty else "")


def _environment(**variables: str) -> Mapping[str, str]:
    real = {"TLC_SHARED": str(_REAL_FILES)} if _REAL_FILES.is_dir() else {}
    return {
        **real,
        **os.environ,
        "PYTHONPATH": str(_INSTALLED),
        "HYPOTHESIS_PROFILE": "mutation",
        **variables,
    }


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
