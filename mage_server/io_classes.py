"""What Mage's io classes get from the environment, because io_config.yml has no key for it.

Of Postgres Mage 0.9.80 hands on address, login and time-out, of BigQuery the location: TLS, the
project and, of an emulator, the login are found by libpq and Google's client themselves.
"""

from collections.abc import Mapping
from pathlib import Path

_NAMES = {
    "POSTGRES_SSLMODE": "PGSSLMODE",
    "POSTGRES_SSLROOTCERT": "PGSSLROOTCERT",
    "BIGQUERY_PROJECT": "GOOGLE_CLOUD_PROJECT",
}
_EMULATORS = ("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST")
_EMULATOR_LOGIN = Path(__file__).with_name("emulator_login.json")
"""A user's login whose token is no secret and never has to be renewed: Google's client for BigQuery
asks for one, and the emulator does not read it."""


def io_class_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables of libpq and of Google's clients that say what ours say."""
    theirs = {name: given[ours] for ours, name in _NAMES.items() if given.get(ours)}
    if theirs.get("PGSSLMODE") == "verify-full" and "PGSSLROOTCERT" not in theirs:
        from certifi import where

        theirs["PGSSLROOTCERT"] = where()
    if all(given.get(name) for name in _EMULATORS):
        theirs["GOOGLE_APPLICATION_CREDENTIALS"] = str(_EMULATOR_LOGIN)
    database = given.get("MAGE_DATABASE_CONNECTION_URL", "")
    if "PGSSLMODE" in theirs and database.startswith("postgres") and "sslmode=" not in database:
        # Mage's own database is another server, with TLS of its own: as libpq has it by default.
        joint = "&" if "?" in database else "?"
        theirs["MAGE_DATABASE_CONNECTION_URL"] = f"{database}{joint}sslmode=prefer"
    return theirs
