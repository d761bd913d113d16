"""The environment variables of a run: those of the embedded stack, and who overrides them."""

import io
import secrets
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from deploy.env_file import decoded, write_private
from mage_server.environment import SECRETS

_HEADER = "# Written by `python -m embedded.stack start`. Put settings of your own in .env.\n"
_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}
_NOT_PLAIN = frozenset(" \t'\"\\#$`!*?&|;<>()[]{}~")


def keep_secrets(known: Mapping[str, str]) -> dict[str, str]:
    """Return the stack's generated secrets: those already known, new ones for the rest."""
    return {name: known.get(name) or secrets.token_urlsafe(32) for name in SECRETS}


def read_env_file(path: Path) -> dict[str, str]:
    """Read a dotenv file; a missing file and a name without a value set nothing.

    Values are taken as written: a "$" inside a password is no reference.

    Raises:
        RuntimeError: it is no text, or one of its lines sets nothing.
    """
    if not path.is_file():
        return {}
    try:
        text = decoded(path.read_bytes(), path.name)
    except ValueError as error:
        raise RuntimeError(str(error)) from None
    bindings = list(parse_stream(io.StringIO(text)))
    if wrong := [binding.original.line for binding in bindings if binding.error]:
        # Without the line itself, which may hold a password.
        raise RuntimeError(
            f"line {wrong[0]} of {path.name} is no NAME=VALUE, or its quote is not closed. Nothing "
            "was started. Put a # before it if it is a remark."
        )
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value}


def write_env_file(path: Path, settings: Mapping[str, str]) -> None:
    """Replace a dotenv file, readable to its owner only, atomically."""
    lines = [f"{name}={_quote(value)}\n" for name, value in settings.items()]
    write_private(path, "".join([_HEADER, *lines]))


def merge(
    exported: Mapping[str, str], own: Mapping[str, str], stack: Mapping[str, str]
) -> dict[str, str]:
    """Combine: what is exported wins over the checkout's .env, which wins over the stack."""
    return without_proxy_for_us({**stack, **own, **exported})


def without_proxy_for_us(environment: Mapping[str, str]) -> dict[str, str]:
    """The same, where no proxy is asked for the servers of this machine, which it cannot reach."""
    spared = {}
    if any(name.lower() in _PROXIES for name in environment):
        lists = (
            environment.get("no_proxy"),
            environment.get("NO_PROXY"),
            "127.0.0.1,localhost,::1",
        )
        # Programs read one or the other.
        spared = dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(filter(None, lists)))
    return {**environment, **spared}


def _quote(value: str) -> str:
    if not _NOT_PLAIN.intersection(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
