"""The settings of the lake's bucket, as they are and as they should be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.api_core.exceptions import from_http_response
from google.auth.transport.requests import AuthorizedSession

from nyc_tlc.adapters.google.credentials import emulator_session, google_credentials
from nyc_tlc.adapters.google.retry import BLIP, TIMEOUT, repeated
from nyc_tlc.adapters.lake.bucket import bucket_and_prefix
from nyc_tlc.adapters.lake.errors import ObjectChangedError
from nyc_tlc.adapters.lake.gcs_errors import GcsErrors
from nyc_tlc.core.errors import RetryableError
from nyc_tlc.core.lake.bucket import bucket_settings, is_outdated

_ENDPOINT = "https://storage.googleapis.com"


class GcsBucket:
    """The bucket of a lake's address. The rules of others stay as they are.

    By plain HTTP: the library's Bucket drops the lifecycle rules that it does not know. Every call
    raises ConfigurationError if the bucket does not exist, or we may not.
    """

    def __init__(self, url: str, session: AuthorizedSession, endpoint: str) -> None:
        self.name, self._prefix = bucket_and_prefix(url)
        self._session = session
        self._errors = GcsErrors(f"gs://{self.name}", self.name)
        self._resource = f"{endpoint}/storage/v1/b/{self.name}"

    def settings(self) -> dict[str, Any]:
        """The bucket's resource."""
        with self._errors.of("", "storage.buckets.get"):
            return self._call("GET")

    def wanted(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings to change, with their new values."""
        wanted = bucket_settings(self._prefix)
        wanted["lifecycle"]["rule"] = _rules(settings, wanted["lifecycle"]["rule"], self._prefix)
        return {
            name: value for name, value in wanted.items() if not _holds(settings.get(name), value)
        }

    def change(self, settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        """Change them, if nobody else has since ``settings`` were read.

        Raises:
            RetryableError: somebody else changed the bucket meanwhile.
        """
        seen = {"ifMetagenerationMatch": settings["metageneration"]}
        try:
            with self._errors.of("", "storage.buckets.update"):
                self._call("PATCH", params=seen, json=wanted)
        except ObjectChangedError as error:
            raise RetryableError(
                f"gs://{self.name} was changed by somebody else meanwhile. Nothing was changed by "
                "us. Run it again."
            ) from error

    def _call(self, method: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of requests
        def call() -> dict[str, Any]:
            answer = self._session.request(  # type: ignore[no-untyped-call] # has no types
                method, self._resource, timeout=TIMEOUT, **more
            )
            if not answer.ok:
                raise from_http_response(answer)  # type: ignore[no-untyped-call] # has no types
            return dict(answer.json())

        return repeated(BLIP)(call)()


def connect(url: str, *, emulator: str | None, key_file: Path | None) -> GcsBucket:
    """A bucket with whatever credentials google-auth finds; anonymous only for an emulator.

    Raises:
        ConfigurationError: there are no usable credentials.
    """
    credentials = google_credentials(key_file, what_for=url, emulator=emulator)
    session = emulator_session(emulator) or AuthorizedSession(credentials)  # type: ignore[no-untyped-call] # has no types
    return GcsBucket(url, session, emulator or _ENDPOINT)


def _rules(
    settings: Mapping[str, Any], ours: list[dict[str, Any]], prefix: str
) -> list[dict[str, Any]]:
    """Rules of others and ours; one of ours with other days is known by whose files it is for."""
    present = settings.get("lifecycle", {}).get("rule", [])
    named = [ours[0]["condition"][by] for by in ("matchesPrefix", "matchesSuffix")]
    kept = [
        rule
        for rule in present
        if rule in ours
        or (
            not is_outdated(rule, present, prefix)
            and [rule["condition"].get(by) for by in ("matchesPrefix", "matchesSuffix")] != named
        )
    ]
    return [*kept, *(rule for rule in ours if rule not in kept)]


def _holds(found: object, wanted: object) -> bool:
    """Whether a setting has at least the wanted values."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _holds(found.get(name), value) for name, value in wanted.items()
        )
    return found == wanted
