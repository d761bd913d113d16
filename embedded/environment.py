"""The environment variables of a run: those of the embedded stack, and who overrides them."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from mage_server.environment import SECRETS

_HEADER = "# Written by `python -m embedded.stack start`. Put settings of your own in .env.\n"
_NOT_PLAIN = frozenset(" \t'\"\\#$`!*?&|;<>()[]{}~")


def keep_secrets(known: Mapping[str, str]) -> dict[str, str]:
    """Return the stack's generated secrets: those already known, new ones for the rest."""
    return {name: known.get(name) or secrets.token_urlsafe(32) for name in SECRETS}


def read_env_file(path: Path) -> dict[str, str]:
    """Read a dotenv file; a missing file and a name without a value set nothing."""
    if not path.is_file():
        return {}
    # Values are taken as written: a "$" inside a password is no reference.
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}


def write_env_file(path: Path, settings: Mapping[str, str]) -> None:
    """Replace a dotenv file, readable to its owner only, atomically."""
    lines = [f"{name}={_quote(value)}\n" for name, value in settings.items()]
    write_private(path, "".join([_HEADER, *lines]))


def write_private(path: Path, text: str) -> None:
    """Replace a file, readable to its owner only, atomically."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    unfinished.replace(path)


def merge(
    exported: Mapping[str, str], own: Mapping[str, str], stack: Mapping[str, str]
) -> dict[str, str]:
    """Combine: what is exported wins over the checkout's .env, which wins over the stack."""
    merged = {**stack, **own, **exported}
    if any(name.lower() in {"http_proxy", "all_proxy"} for name in merged):
        # A company's proxy cannot reach the servers of this machine.
        for name in ("NO_PROXY", "no_proxy"):
            merged[name] = ",".join(filter(None, (merged.get(name), "127.0.0.1,localhost")))
    return merged


def _quote(value: str) -> str:
    if not _NOT_PLAIN.intersection(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
