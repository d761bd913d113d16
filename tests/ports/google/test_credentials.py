"""Every kind of credential that google-auth finds is taken; what it cannot use is explained."""

import json
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.transport.requests import Request as Transport

from nyc_tlc.adapters.google.credentials import google_credentials
from nyc_tlc.adapters.lake import gcs
from nyc_tlc.core.errors import ConfigurationError
from tests.ports.scripted_http import Answer, ScriptedServer, serve

TOKEN = {"access_token": "a token", "token_type": "Bearer", "expires_in": 3600}
REFUSAL = {"error": "invalid_grant", "error_description": "Invalid JWT"}


def _serve(status: int, content: object) -> AbstractContextManager[ScriptedServer]:
    answer = Answer(status, {"Content-Type": "application/json"}, json.dumps(content).encode())
    return serve(lambda _request: answer)


def _write(folder: Path, kind: str, server: str) -> Path:
    """A well-formed credential file of nobody."""
    (folder / "subject").write_text("whom the other cloud says we are")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    kinds = {
        "service_account": {
            "project_id": "test",
            "private_key_id": "1",
            "private_key": key.decode(),
            "client_email": "robot@test.iam.gserviceaccount.com",
            "token_uri": f"{server}/token",
        },
        "external_account": {  # workload identity
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"
            "providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{server}/token",
            "credential_source": {"file": str(folder / "subject")},
        },
        "authorized_user": {
            "client_id": "gcloud",
            "client_secret": "public",
            "refresh_token": "of a person",
            "token_uri": f"{server}/token",
        },
    }
    file = folder / "credentials.json"
    file.write_text(json.dumps({"type": kind, **kinds[kind]}))
    return file


@pytest.mark.parametrize("kind", ["service_account", "external_account", "authorized_user"])
@pytest.mark.parametrize("named", ["by the setting", "by google-auth"])
def test_credential_file_becomes_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, named: str
) -> None:
    with _serve(200, TOKEN) as tokens:
        file = _write(tmp_path, kind, tokens.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        ours = file if named == "by the setting" else None
        credentials = google_credentials(ours, what_for="gs://lake")
        if kind == "authorized_user":
            credentials._token_uri = f"{tokens.url}/token"  # google-auth fixes Google's own
        credentials.refresh(Transport())  # type: ignore[no-untyped-call]
    assert credentials.token == "a token"
    assert [request.path for request in tokens.requests] == ["/token"]


def test_client_needs_no_project(tmp_path: Path) -> None:
    """Workload identity and a person's login name none."""
    file = _write(tmp_path, "external_account", "http://127.0.0.1:1")
    lake = gcs.connect("gs://lake/top", cache=tmp_path, emulator=None, key_file=file)
    assert lake.url == "gs://lake/top"


def test_withdrawn_key_is_a_configuration_error(tmp_path: Path) -> None:
    with _serve(400, REFUSAL) as tokens:
        file = _write(tmp_path, "service_account", tokens.url)
        lake = gcs.connect("gs://lake", cache=tmp_path / "cache", emulator=None, key_file=file)
        with pytest.raises(ConfigurationError, match="GOOGLE_APPLICATION_CREDENTIALS"):
            lake.stat("x")
    assert [request.path for request in tokens.requests] == ["/token"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "key.json, which does not exist"),
        ("folder", "key.json, which is a folder"),
        ("", "key.json, which is no JSON"),
        ("not json", "key.json, which is no JSON"),
        ("{}", "key.json, which is no key: it has no type"),
        ("[]", "key.json, which is no key: it has no type"),
        ('{"type": "unheard of"}', "no usable Google credentials"),
    ],
)
def test_file_that_is_absent_or_holds_no_credentials_is_a_configuration_error(
    tmp_path: Path, content: str | None, told: str
) -> None:
    key = tmp_path / "key.json"
    if content == "folder":
        key.mkdir()
    elif content is not None:
        key.write_text(content)
    with pytest.raises(ConfigurationError, match="GOOGLE_APPLICATION_CREDENTIALS") as refusal:
        gcs.connect("gs://lake", cache=tmp_path, emulator=None, key_file=key)
    assert told in str(refusal.value)
