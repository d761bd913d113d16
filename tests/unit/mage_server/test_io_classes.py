"""What the libraries below Mage's io classes are told by the environment."""

from pathlib import Path

import certifi
import pytest
from google.oauth2.credentials import Credentials

from mage_server.io_classes import io_class_environment

EMULATED = {
    "STORAGE_EMULATOR_HOST": "http://gcs:9023",
    "BIGQUERY_EMULATOR_HOST": "http://bigquery:9050",
    "BIGQUERY_PROJECT": "emulated",
}
METADATA = "postgresql+psycopg2://mage:x@postgres/mage"
CASES = {
    "nothing that is not set": ({"POSTGRES_SSLMODE": "", "PGSSLMODE": "require"}, {}),
    "TLS as for our own steps": (
        {"POSTGRES_SSLMODE": "require", "POSTGRES_SSLROOTCERT": "/ca.pem", "PGSSLMODE": "disable"},
        {"PGSSLMODE": "require", "PGSSLROOTCERT": "/ca.pem"},
    ),
    "proof by the certificates that browsers trust": (
        {"POSTGRES_SSLMODE": "verify-full"},
        {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": certifi.where()},
    ),
    "Mage's own database keeps its TLS": (
        {"POSTGRES_SSLMODE": "require", "MAGE_DATABASE_CONNECTION_URL": METADATA},
        {"PGSSLMODE": "require", "MAGE_DATABASE_CONNECTION_URL": f"{METADATA}?sslmode=prefer"},
    ),
    "what its address says of TLS is left alone": (
        {"POSTGRES_SSLMODE": "require",
         "MAGE_DATABASE_CONNECTION_URL": f"{METADATA}?sslmode=verify-ca"},
        {"PGSSLMODE": "require"},
    ),
    "a real BigQuery is reached by the user's own login": (
        {"BIGQUERY_PROJECT": "mine", "GOOGLE_APPLICATION_CREDENTIALS": "/key.json"},
        {"GOOGLE_CLOUD_PROJECT": "mine"},
    ),
    "so is a real lake beside an emulator": (
        {"BIGQUERY_EMULATOR_HOST": "http://bigquery:9050"}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "told"), CASES.values(), ids=CASES)
def test_they_are_told(given, told):
    assert io_class_environment(given) == told
    once = given | told
    assert once | io_class_environment(once) == once, "another process on the way adds nothing"


def test_the_emulators_login_asks_nobody_and_is_no_key():
    told = io_class_environment({**EMULATED, "GOOGLE_APPLICATION_CREDENTIALS": "/a/real/key.json"})
    assert told["GOOGLE_CLOUD_PROJECT"] == "emulated"
    login = Path(told["GOOGLE_APPLICATION_CREDENTIALS"])
    credentials = Credentials.from_authorized_user_file(str(login))
    assert credentials.valid
    assert credentials.token == "none"
