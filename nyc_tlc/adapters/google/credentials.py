"""Credentials for Google Cloud: whatever google-auth finds."""

import json
import warnings
from pathlib import Path

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials, with_scopes_if_required
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from nyc_tlc.core.errors import ConfigurationError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def google_credentials(
    key_file: Path | None, *, what_for: str, emulator: str | None = None
) -> Credentials:
    """Credentials of a file (service account, workload identity, user) or of the environment.

    Without a file: ``gcloud auth application-default login``, or the metadata server of a machine
    in Google Cloud, which is also how Workload Identity on GKE works.

    Args:
        key_file: Any credential configuration that google-auth reads.
        what_for: What cannot be reached without them, for the error.
        emulator: Address of the emulator to reach instead, which needs none.

    Raises:
        ConfigurationError: there are no usable credentials.
    """
    if emulator:
        return AnonymousCredentials()  # type: ignore[no-untyped-call] # has no types
    try:
        with warnings.catch_warnings():
            # google-auth warns of files from strangers; the operator names this one himself.
            warnings.simplefilter("ignore", DeprecationWarning)
            credentials, _project = (
                google.auth.load_credentials_from_file(str(key_file))  # type: ignore[no-untyped-call] # has no types
                if key_file
                else google.auth.default()
            )
    except (GoogleAuthError, AttributeError, OSError, ValueError, KeyError) as error:
        if key_file and (problem := _problem(key_file)):
            raise ConfigurationError(
                f"{what_for} cannot be reached: GOOGLE_APPLICATION_CREDENTIALS names {key_file}, "
                f"{problem}. Nothing was written. Correct the path, or leave it empty for "
                "`gcloud auth application-default login`."
            ) from error
        raise no_credentials(what_for, error) from error
    # Now and not above: with scopes, workload identity asks Google for the project's name.
    scoped: Credentials = with_scopes_if_required(credentials, [_SCOPE])  # type: ignore[no-untyped-call] # has no types
    return scoped


def _problem(key_file: Path) -> str:
    """What is wrong with a key file; empty where its content alone can be."""
    if key_file.is_dir():
        return "which is a folder"
    try:
        key = json.loads(key_file.read_bytes())
    except FileNotFoundError:
        return "which does not exist"
    except OSError as error:
        return f"which cannot be read ({error.strerror})"
    except ValueError:
        return "which is no JSON"
    return "" if isinstance(key, dict) and "type" in key else "which is no key: it has no type"


def emulator_session(emulator: str | None) -> AuthorizedSession | None:
    """For a client of an emulator, which is near: no proxy is asked. None: the client's own."""
    if not emulator:
        return None
    session = AuthorizedSession(AnonymousCredentials())  # type: ignore[no-untyped-call] # has no types
    session.trust_env = False
    return session


def no_credentials(what_for: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{what_for} cannot be reached: no usable Google credentials ({type(error).__name__}). "
        "Nothing was written. Set GOOGLE_APPLICATION_CREDENTIALS to a key file or a workload "
        "identity configuration, or run `gcloud auth application-default login`."
    )
