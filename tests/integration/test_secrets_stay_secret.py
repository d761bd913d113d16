"""A run with a marker in every secret, in which things go wrong: none comes out anywhere."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

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
from nyc_tlc.wiring import connect_stores
from tests.integration.conftest import Mage
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


@dataclass(frozen=True)
class Told:
    """What a run with a month that loads and a month that fails left behind, by place."""

    places: dict[str, bytes]
    secrets: dict[str, str]


def key_file(folder: Path) -> Path:
    key = rsa.generate_private_key(65_537, 2_048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "key.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": "me@example.iam.gserviceaccount.com",
                "token_uri": "https://oauth2.googleapis.com/token",
                "private_key": key.decode(),
                "private_key_id": SECRETS["GOOGLE_APPLICATION_CREDENTIALS"],
            }
        )
    )
    return path


@pytest.fixture(scope="module")
def told(mage: Mage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
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
            "GOOGLE_APPLICATION_CREDENTIALS": str(key_file(folder)),
            "TLC_LOG_LEVEL": "DEBUG",
            **{n: v for n, v in SECRETS.items() if n.startswith(("DEFAULT_", "JWT_"))},
        }
        run = here.run(
            "tlc_trips", '{"service": "green", "months": ["2023-01", "2023-02"]}', **settings
        )
        assert run.returncode == 1, run.stdout
        assert "1 of 2 partitions failed" in " ".join(run.stdout.split())
        assert webhooks.requests, "no alert was tried"
        environment = {**here.environment, **settings}
        places = {"standard output": run.stdout.encode()}
        places |= dict(files_below(Path(environment["MAGE_DATA_DIR"])))
        places |= dict(files_below(Path(environment["TLC_WORK_DIR"])))
        places |= dict(lake_objects(environment))
        places |= dict(tables(here))
        secrets = {**SECRETS, "POSTGRES_PASSWORD": environment["POSTGRES_PASSWORD"]}
        yield Told(places, secrets)


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def lake_objects(environment: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    lake = connect_stores(Settings.load(environment)).lake
    for stored in lake.list(""):
        found = lake.read(stored.path)
        assert found is not None
        yield f"lake {stored.path}", found[0]


def tables(mage: Mage) -> Iterator[tuple[str, bytes]]:
    names = mage.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'secrets'::regnamespace "
        "AND relkind IN ('r', 'p', 'v')"
    )
    for (name,) in names:
        rows = mage.sql(f'SELECT to_jsonb(t)::text FROM secrets."{name}" AS t')
        yield f"table {name}", json.dumps(rows).encode()


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it is, in an address, and in JSON."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()


def unpacked(content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return content


def test_every_secret_of_the_settings_has_a_marker() -> None:
    secret = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    }
    assert secret <= {*SECRETS, "POSTGRES_PASSWORD"}


def test_the_run_left_something_everywhere(told: Told) -> None:
    for kind in ("standard output", "/.variables/", "lake manifests/", "lake raw/", "table ledger"):
        assert any(kind in place for place in told.places), kind


@pytest.mark.parametrize("name", [*SECRETS, "POSTGRES_PASSWORD"])
def test_a_secret_comes_out_nowhere(told: Told, name: str) -> None:
    found = [
        place
        for place, content in told.places.items()
        if any(form in unpacked(content) for form in forms(told.secrets[name]))
    ]
    assert found == []


def test_settings_do_not_show_their_secrets() -> None:
    given: dict[str, Any] = {
        name.lower(): f"https://me:{value}@example.org/{value}" for name, value in SECRETS.items()
    }
    settings = Settings(
        **{
            **given,
            "postgres_host": "localhost",
            "postgres_dbname": "trips",
            "postgres_user": "me",
            "postgres_password": "marker-postgres-8b8b",
            "lake_url": "lake",
            "google_application_credentials": Path("/key.json"),
        }
    )
    for shown in (
        repr(settings),
        str(settings),
        settings.model_dump_json(exclude={"tlc_source_url"}),
    ):
        assert "marker-" not in shown
