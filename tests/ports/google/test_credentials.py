"""Every kind of credential that google-auth finds is taken; what it cannot use is explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.transport.requests import Request as Transport

from nyc_tlc.adapters.google.credentials import google_credentials
from nyc_tlc.adapters.lake import gcs
from nyc_tlc.core.errors import ConfigurationError
from tests.ports.scripted_http import Answer, Request, serve

JSON = {"Content-Type": "application/json"}
TOKEN = {"access_token": "a token", "token_type": "Bearer", "expires_in": 3600}


def _service_account(folder: Path, token_server: str) -> dict[str, object]:
    """A well-formed key of nobody."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "test",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "robot@test.iam.gserviceaccount.com",
        "token_uri": f"{token_server}/token",
    }


def _workload_identity(folder: Path, token_server: str) -> dict[str, object]:
    (folder / "subject").write_text("whom the other cloud says we are")
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"
        "providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{token_server}/token",
        "credential_source": {"file": str(folder / "subject")},
    }


def _user(folder: Path, token_server: str) -> dict[str, object]:
    return {
        "type": "authorized_user",
        "client_id": "gcloud",
        "client_secret": "public",
        "refresh_token": "of a person",
        "token_uri": f"{token_server}/token",
    }


KINDS = {
    "service account": _service_account,
    "workload identity": _workload_identity,
    "user": _user,
}


def _write(folder: Path, content: object) -> Path:
    file = folder / "credentials.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("named", ["by the setting", "by google-auth"])
def test_credential_file_becomes_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, named: str
) -> None:
    with serve(lambda _request: Answer(200, JSON, json.dumps(TOKEN).encode())) as tokens:
        file = _write(tmp_path, KINDS[kind](tmp_path, tokens.url))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        ours = file if named == "by the setting" else None
        credentials = google_credentials(ours, what_for="gs://lake")
        if kind == "user":
            credentials._token_uri = f"{tokens.url}/token"  # google-auth fixes Google's own
        credentials.refresh(Transport())  # type: ignore[no-untyped-call]
    assert credentials.token == "a token"
    assert [request.path for request in tokens.requests] == ["/token"]


def test_client_needs_no_project(tmp_path: Path) -> None:
    """Workload identity and a person's login name none."""
    file = _write(tmp_path, _workload_identity(tmp_path, "http://127.0.0.1:1"))
    lake = gcs.connect("gs://lake/top", cache=tmp_path, emulator=None, key_file=file)
    assert lake.url == "gs://lake/top"


def test_withdrawn_key_is_a_configuration_error(tmp_path: Path) -> None:
    refusal = json.dumps({"error": "invalid_grant", "error_description": "Invalid JWT"}).encode()

    def refuse(_request: Request) -> Answer:
        return Answer(400, JSON, refusal)

    with serve(refuse) as tokens:
        file = _write(tmp_path, _service_account(tmp_path, tokens.url))
        lake = gcs.connect("gs://lake", cache=tmp_path / "cache", emulator=None, key_file=file)
        with pytest.raises(ConfigurationError, match="GOOGLE_APPLICATION_CREDENTIALS"):
            lake.stat("x")
    assert [request.path for request in tokens.requests] == ["/token"]


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"type": "unheard of"}'])
def test_file_that_holds_no_credentials_is_a_configuration_error(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "key.json").write_text(content)
    with pytest.raises(ConfigurationError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        gcs.connect("gs://lake", cache=tmp_path, emulator=None, key_file=tmp_path / "key.json")


def test_file_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        gcs.connect("gs://lake", cache=tmp_path, emulator=None, key_file=tmp_path / "none.json")
