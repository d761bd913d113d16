"""Mage's API as its owner uses it: what `make schedule-on` and the tests call."""

from collections.abc import Mapping
from typing import Any

import requests

CLIENT_ID = "zkWlN0PkIKSN0C11CfUHUj84OT5XOJ6tDZ6bDRO2"
"""Of Mage's own web pages, the same in every installation: it names the client, not a user."""
_TIMEOUT = 60.0


class MageApiError(Exception):
    """Mage refused a call; it says so in the body of an answer whose status is 200."""


class MageApi:
    """A running Mage."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()
        # A proxy of the shell's is not on the way to this machine's own Mage.
        self.session.trust_env = False

    def sign_in(self, email: str, password: str) -> None:
        """Log in; later calls are this user's.

        Raises:
            MageApiError: Mage does not know the user, or not by this password.
            requests.ConnectionError: nothing answers there.
        """
        self.session.headers["X-API-KEY"] = CLIENT_ID
        answer = self.post("sessions", {"session": {"email": email, "password": password}})
        self.session.headers["Cookie"] = f"oauth_token={answer['session']['token']}"

    def get(self, path: str, **query: Any) -> dict[str, Any]:  # noqa: ANN401 - becomes text
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("POST", path, json=body)

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("PUT", path, json=body)

    def close(self) -> None:
        self.session.close()

    def _ask(self, method: str, path: str, **sent: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        answer = self.session.request(method, f"{self.url}/api/{path}", timeout=_TIMEOUT, **sent)
        try:
            body: dict[str, Any] = answer.json()
        except requests.JSONDecodeError:
            raise MageApiError(f"{method} {path} answered {answer.status_code}") from None
        if "error" in body:
            raise MageApiError(f"{method} {path}: {body['error'].get('message', body['error'])}")
        return body
