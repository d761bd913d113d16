#!/usr/local/bin/python3
"""Refuse settings that cannot work, and give every server of docker-compose.yml its secrets.

Runs at every `docker compose up`, before any server starts. What .env names is taken from there;
the rest is made once and kept. Each server gets a volume with files that only its own user can
read. The key file of Google Cloud, readable to its owner only, is handed on in the same way.
"""

import difflib
import os
import re
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_MAGE, _POSTGRES = 10001, 999
"""Users of the two images."""
_SECRETS = Path("/secrets")
_CHECKOUT = Path("/checkout")
"""There in development only (docker-compose.dev.yml): Mage is the user who owns it."""
_KEY_FILE = Path("/run/gcp-key.json")
_ENV_FILE = Path("/run/env")
"""The .env of the checkout. `docker inspect` shows variables, and no content of files."""
_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*[=:][ \t]*"""
    r"""(?:'([^'\n]*)'|"((?:[^"\\\n]|\\.)*)"|([^'"\n][^\n]*|))[ \t]*(?:[ \t]\#[^\n]*)?\r?$""",
    re.MULTILINE,
)
_ESCAPES = {"\\n": "\n", "\\r": "\r", '\\"': '"', "\\\\": "\\", "\\$": "$"}
MADE_FOR_MAGE = (
    "POSTGRES_PASSWORD",
    "MAGE_DATABASE_PASSWORD",
    "DEFAULT_OWNER_PASSWORD",
    "JWT_SECRET",
    "JWT_DOWNLOAD_SECRET",
)
MADE_FOR_POSTGRES = (
    "POSTGRES_PASSWORD",
    "MAGE_DATABASE_PASSWORD",
    "READER_PASSWORD",
    "SUPERUSER_PASSWORD",
)
GIVEN_TO_MAGE = (
    "MAGE_DATABASE_CONNECTION_URL",
    "TLC_ALERT_SLACK_WEBHOOK",
    "TLC_ALERT_TEAMS_WEBHOOK",
    "TLC_SMTP_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_CLIENT_SECRET",
)
"""Nobody can make these up: without a value there is no file."""
PROFILES = ("local", "mage", "ui", "scheduler")
_TAKEN_ROLES = {
    "postgres": "the superuser of this server",
    "mage": "the owner of Mage's own database",
    "tlc_reader": "the role that only reads",
}
_TAKEN_DATABASES = {
    "postgres": "the superuser's",
    "mage": "Mage's own",
    "template0": "a template of the server",
    "template1": "a template of the server",
}


def main() -> int:
    """Write both folders; what is there and not overruled stays."""
    given = given_secrets(_ENV_FILE.read_text("utf-8-sig"))
    seen = os.environ["GIVEN_SECRETS"].split()
    if problems := [*refused(os.environ), *unreadable(given, seen)]:
        sys.stderr.writelines(f"nyc-tlc: {problem}\n" for problem in problems)
        sys.stderr.write("nyc-tlc: nothing was started. Correct .env, then `docker compose up`\n")
        return 2
    root, mage = _SECRETS, _CHECKOUT.stat().st_uid if _CHECKOUT.exists() else _MAGE
    values = chosen({**os.environ, **given}, [root / "mage", root / "postgres"])
    for folder, names, owner in (
        (root / "mage", (*MADE_FOR_MAGE, *GIVEN_TO_MAGE), mage),
        (root / "postgres", MADE_FOR_POSTGRES, _POSTGRES),
    ):
        folder.chmod(0o755)
        for name in names:
            write_private(folder / name, values[name].encode(), owner)
    write_private(root / "mage" / "gcp-key.json", _KEY_FILE.read_bytes(), mage)
    sys.stdout.write("every server has its secrets\n")
    return 0


def refused(settings: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with .env: an unknown profile, or a name that the local Postgres has taken."""
    profiles = [name.strip() for name in settings["COMPOSE_PROFILES"].split(",")]
    for unknown in filter(lambda name: name not in PROFILES, profiles):
        near = difflib.get_close_matches(unknown, PROFILES, n=1)
        meant = f"did you mean {near[0]}?" if near else f"expected some of {', '.join(PROFILES)}"
        yield f"COMPOSE_PROFILES: {unknown!r} is not a profile; {meant}"
    if "local" not in profiles or settings.get("POSTGRES_HOST"):
        return
    for setting, taken in (("POSTGRES_USER", _TAKEN_ROLES), ("POSTGRES_DBNAME", _TAKEN_DATABASES)):
        name = settings.get(setting, "")
        if what := "reserved by PostgreSQL" if name.startswith("pg_") else taken.get(name):
            yield (
                f"{setting}={name}: {name} is {what}; choose another name for the trips "
                "(or leave it empty)"
            )
        if len(name.encode()) > 63:  # NAMEDATALEN - 1: PostgreSQL would cut it
            yield f"{setting}: {len(name.encode())} bytes, and PostgreSQL takes 63"


def given_secrets(text: str) -> dict[str, str]:
    """The secrets of a .env, as every release of Compose reads them; unclear ones are left out.

    Unclear is what depends on the release or on other variables: outside quotes a backslash, ``$``
    or ``#``, in double quotes a ``$`` without a backslash, and a backslash before the last quote.
    """
    read = {}
    for name, single, double, rest in _LINE.findall(text):
        bare = re.split(r"[ \t]#", rest)[0].rstrip()
        is_unclear = (single or double).endswith("\\") or re.search(r"[\\$#]", bare)
        if name in (*MADE_FOR_MAGE, *MADE_FOR_POSTGRES, *GIVEN_TO_MAGE):
            read[name] = "" if is_unclear else single or _unescaped(double) or bare
    return {name: value for name, value in read.items() if value}


def _unescaped(text: str) -> str:
    """What stands in double quotes; empty where that is unclear."""
    parts = re.findall(r"\\.|[^\\]", text)
    is_clear = all(part in _ESCAPES or (len(part) == 1 and part != "$") for part in parts)
    return "".join(_ESCAPES.get(part, part) for part in parts) if is_clear else ""


def unreadable(given: Mapping[str, str], seen: Sequence[str]) -> Iterator[str]:
    """Secrets that Compose has and that were not found in .env."""
    for name in seen:
        if name not in given:
            yield (
                f"{name}: write it into .env, in single quotes, or in double quotes with a "
                'backslash before each ", $ and backslash; containers take secrets from there alone'
            )


def chosen(given: Mapping[str, str], folders: list[Path]) -> dict[str, str]:
    """For each secret what is given, else what is kept, else a new one, or none."""
    kept = {
        file.name: file.read_text("utf-8")
        for folder in folders
        for file in sorted(folder.iterdir())
    }
    # A server elsewhere has a password that nobody can make up here.
    elsewhere = {"POSTGRES_PASSWORD": ""} if given.get("POSTGRES_HOST") else {}
    made = {
        name: given.get(name) or elsewhere.get(name, kept.get(name) or secrets.token_urlsafe(24))
        for name in (*MADE_FOR_MAGE, *MADE_FOR_POSTGRES)
    }
    return made | {name: given.get(name, "") for name in GIVEN_TO_MAGE}


def write_private(file: Path, content: bytes, owner: int) -> None:
    """Replace a file atomically, for one user alone; without content there is none."""
    if not content:
        file.unlink(missing_ok=True)
        return
    unfinished = file.with_name(f".{file.name}")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(0o400)
    unfinished.write_bytes(content)
    os.chown(unfinished, owner, owner)
    unfinished.replace(file)


if __name__ == "__main__":
    sys.exit(main())
