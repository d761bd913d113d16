"""The environment variables that a safe Mage needs, and the check that they are set."""

from collections.abc import Mapping

from mage_server.logs import VERBOSITY
from nyc_tlc.core.errors import ConfigurationError

CLOSED = {
    "REQUIRE_USER_AUTHENTICATION": "everyone has to log in",
    "REQUIRE_USER_PERMISSIONS": "a user may do what a role allows, and no more",
    "DISABLE_TERMINAL": "the terminal is a shell of the server's account",
    "HIDE_ENV_VAR_VALUES": "values of variables are masked in what blocks print",
    "HIDE_API_TRIGGER_TOKEN": "a token that is shown starts pipelines",
}
"""Switches of Mage that have to be on, and why."""
_ON = "1"

SECRETS = ("DEFAULT_OWNER_PASSWORD", "JWT_SECRET", "JWT_DOWNLOAD_SECRET")
"""Have no default here; Mage's own are published with its source."""
SHORTEST_SECRET = 16
"""Characters: 95 bits where they are random, beyond guessing over a network."""
OWNER = ("DEFAULT_OWNER_EMAIL", "DEFAULT_OWNER_USERNAME")
KNOWN_DEFAULTS = frozenset({"admin", "admin@admin.com", "materia"})
"""Of Mage 0.9.80 (mage_ai/settings/server.py)."""


def closed_settings() -> dict[str, str]:
    """The switches, each on."""
    return dict.fromkeys(CLOSED, _ON)


def safe_environment(given: Mapping[str, str]) -> dict[str, str]:
    """What Mage is started with: what was given, and the switches that were not.

    Raises:
        ConfigurationError: a secret is missing or known, or a switch was opened; lists all of it.
    """
    given = {name: value for name, value in given.items() if value}
    problems = [
        *(
            f"{name}: set it; Mage would take its published default"
            for name in OWNER
            if given.get(name, "admin") in KNOWN_DEFAULTS
        ),
        *(
            f"{name}: set it to at least {SHORTEST_SECRET} random characters"
            for name in SECRETS
            if len(given.get(name, "")) < SHORTEST_SECRET
        ),
        *(
            f"{name}: expected {_ON} or nothing: {why}"
            for name, why in CLOSED.items()
            if given.get(name, _ON) != _ON
        ),
    ]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigurationError(
            f"Mage was not started, because it would be open:\n{listed}\n"
            "`make env` writes a safe .env; SECURITY.md says what each variable is for."
        )
    return {**VERBOSITY, **closed_settings(), **given}
