"""A run with a marker in every secret, in which things go wrong: none comes out anywhere."""

import gzip
import json
import re
import zlib
from pathlib import Path
from typing import get_args

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from embedded.samples.months import write_month
from embedded.servers.cdn import CdnServer
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.month import Month
from nyc_tlc.settings import Settings
from tests.ports.scripted_http import Answer, serve

pytestmark = pytest.mark.integration

SECRETS = {
    "TLC_ALERT_SLACK_WEBHOOK": "marker-slack-9f2c",
    "TLC_ALERT_TEAMS_WEBHOOK": "marker-teams-77ab",
    "TLC_SMTP_PASSWORD": "marker-smtp-51de",
    "TLC_SOURCE_URL": "marker-source-c04e",
    "GOOGLE_APPLICATION_CREDENTIALS": "marker-key-b1a7",
    "DEFAULT_OWNER_PASSWORD": "marker-owner-3d90",
    "JWT_SECRET": "marker-jwt-6e6e",
    "JWT_DOWNLOAD_SECRET": "marker-download-40c5",
}
"""And POSTGRES_PASSWORD, which is its own marker."""


def key_file(folder: Path) -> str:
    key = rsa.generate_private_key(65_537, 2_048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "me@example.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": key.decode(),
        "private_key_id": SECRETS["GOOGLE_APPLICATION_CREDENTIALS"],
    }
    (folder / "key.json").write_text(json.dumps(account))
    return str(folder / "key.json")


@pytest.fixture(scope="module")
def left(mage, tmp_path_factory) -> dict[str, bytes]:
    """What a run with a month that loads and a month that fails left behind, by place."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "cdn" / "misc").mkdir(parents=True)
    published = folder / "cdn" / "trip-data"
    published.mkdir()
    write_month(Partition(GREEN, Month(2023, 1)), 500, published)
    (published / "green_tripdata_2023-02.parquet").write_bytes(b"<html>no</html>")
    with CdnServer(folder / "cdn") as cdn, serve(lambda _: Answer(500)) as webhooks:
        here = mage.on("secrets", folder, cdn.url)
        settings = {
            "TLC_SOURCE_URL": cdn.url.replace("//", f"//me:{SECRETS['TLC_SOURCE_URL']}@"),
            "TLC_ALERT_SLACK_WEBHOOK": f"{webhooks.url}/{SECRETS['TLC_ALERT_SLACK_WEBHOOK']}",
            # Nobody listens on port 1.
            "TLC_ALERT_TEAMS_WEBHOOK": f"http://127.0.0.1:1/{SECRETS['TLC_ALERT_TEAMS_WEBHOOK']}",
            "TLC_SMTP_HOST": "127.0.0.1",
            "TLC_SMTP_PORT": "1",
            "TLC_SMTP_USER": "me",
            "TLC_SMTP_PASSWORD": SECRETS["TLC_SMTP_PASSWORD"],
            "TLC_ALERT_EMAIL_FROM": "tlc@example.org",
            "TLC_ALERT_EMAIL_TO": "me@example.org",
            "GOOGLE_APPLICATION_CREDENTIALS": key_file(folder),
            "TLC_LOG_LEVEL": "DEBUG",
            **{n: v for n, v in SECRETS.items() if n.startswith(("DEFAULT_", "JWT_"))},
        }
        run = here.run(
            "tlc_trips", '{"service": "green", "months": ["2023-01", "2023-02"]}', **settings
        )
        assert run.returncode == 1, run.stdout
        assert "1 of 2 partitions failed" in " ".join(run.stdout.split())
        assert webhooks.requests, "no alert was tried"
        lake = here.lake
        tables = here.sql(
            "SELECT relname FROM pg_class WHERE relnamespace = 'secrets'::regnamespace "
            "AND relkind IN ('r', 'p', 'v')"
        )
        return {
            "standard output": run.stdout.encode(),
            **files_below(here.environment["MAGE_DATA_DIR"]),
            **files_below(here.environment["TLC_WORK_DIR"]),
            **{f"lake {stored.path}": lake.read(stored.path)[0] for stored in lake.list("")},
            **{
                f"table {name}": json.dumps(
                    here.sql(f'SELECT to_jsonb(t)::text FROM secrets."{name}" AS t')
                ).encode()
                for (name,) in tables
            },
        }


def files_below(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def unpacked(content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return content


def test_every_secret_of_the_settings_has_a_marker():
    secret = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    }
    assert secret <= {*SECRETS, "POSTGRES_PASSWORD"}


@pytest.mark.parametrize("name", [*SECRETS, "POSTGRES_PASSWORD"])
def test_a_secret_comes_out_nowhere(mage, left, name):
    for kind in ("standard output", "/.variables/", "lake manifests/", "lake raw/", "table ledger"):
        assert any(kind in place for place in left), kind
    # It has no character that an address or JSON would write differently.
    secret = (SECRETS.get(name) or mage.environment[name]).encode()
    assert re.fullmatch(rb"[\w-]+", secret)
    assert [place for place, content in left.items() if secret in unpacked(content)] == []
