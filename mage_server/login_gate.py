"""Access control: every call of Mage needs a login, and a change needs more than the Viewer role.

Mage 0.9.80 asks for a login resource by resource, and some of its handlers not at all: without
one, anybody can register an event matcher and start a pipeline by it, read the analyses of a
block, listen to what all blocks print, and make the server start shells; and a call for a single
object loads that object, from any path, before it is refused. So only what comes with a login, or
is listed below, reaches a handler of Mage.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import jwt
import sqlalchemy as sa
from mage_ai.api.middleware import parse_cookie_header
from mage_ai.api.utils import authenticate_client_and_token
from mage_ai.authentication.oauth2 import decode_token
from mage_ai.authentication.passwords import verify_password
from mage_ai.orchestration.constants import Entity
from mage_ai.orchestration.db import db_connection, engine, safe_db_query
from mage_ai.orchestration.db.models.oauth import Oauth2Application, Permission, User
from mage_ai.server.server import MainPageHandler, PipelineRunsPageHandler
from mage_ai.settings import MAGE_PUBLIC_HOST, OAUTH2_APPLICATION_CLIENT_ID
from mage_ai.shared.requests import get_bearer_auth_token_from_headers
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, ErrorHandler, RequestHandler, StaticFileHandler

if TYPE_CHECKING:
    from tornado.web import _HandlerDelegate

_logger = logging.getLogger(__name__)
PAGES = (MainPageHandler, PipelineRunsPageHandler, StaticFileHandler, ErrorHandler)
"""Mage's web pages: the same for everybody, without data of the project."""

OPEN = {
    r"GET /api/status(es)?": "the health check, and whether the page has to ask for a login",
    r"POST /api/sessions": "the login itself",
    r"GET /api/oauths(/\w+)?": "where a login by Google, Okta, … begins; empty unless configured",
    r"GET /api/downloads/[^/]+": "asks for a token that JWT_DOWNLOAD_SECRET signed for one file",
    r"POST /api/pipeline_schedules/\w+/(pipeline_runs/\w+|api_trigger)": "asks for the token of "
    "an API trigger, which runs this one pipeline",
}
"""Calls that need no login, and why."""

SHUT = {
    r"\w+ /api/browser_items(/.*)?": "reads any file that the server can read, for any user",
    r"\w+ /api/event(s|_matchers)(/.*)?": "starts pipelines and asks nobody",
    r"\w+ /api/runs(/.*)?": "the token of one API trigger runs any block of any pipeline",
    r"\w+ /websocket/terminal": "is a shell",
    r"\w+ /metrics": "asks for no login",
}
"""Calls that are refused to everyone, and why. The pipelines and the pages need none of them."""

OWN = r"(DELETE|PUT) /api/sessions/.*"
"""Changes that every user may make: to log out."""

_READS = {"GET", "HEAD"}
_ACCESS = Permission.Access
_CHANGES = (
    _ACCESS.OWNER | _ACCESS.ADMIN | _ACCESS.EDITOR | _ACCESS.ALL
    | _ACCESS.CREATE | _ACCESS.UPDATE | _ACCESS.DELETE | _ACCESS.WRITE | _ACCESS.WRITE_ALL
)  # fmt: skip


_PUBLISHED = ("admin@admin.com", "admin")


class LoginGate(Application):
    """Mage's application behind the gate; made from Mage's own by :func:`close`."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> _HandlerDelegate:
        wanted = super().find_handler(request, **kwargs)
        if issubclass(wanted.handler_class, PAGES):
            return wanted
        if (refusal := _refusal(request)) is None:
            return wanted
        return self.get_handler_delegate(request, _Refused, {"status": refusal})

    def log_request(self, handler: RequestHandler) -> None:
        """Log the calls that failed, without what only the caller may know."""
        if (status := handler.get_status()) >= HTTPStatus.BAD_REQUEST:
            path = re.sub(r"(?<=/pipeline_runs/)[^/]{12,}", "(token)", handler.request.path)
            _logger.warning("%d %s %s", status, handler.request.method, path)


def close(application: Application) -> Application:
    """Put the gate before every route of an application."""
    application.__class__ = LoginGate
    return application


def require_no_default_owner() -> None:
    """End the process if Mage's default account, of an open start before, has its password."""
    if not sa.inspect(engine).has_table(User.__tablename__):
        return
    db_connection.start_session()
    email, password = _PUBLISHED
    for user in User.query.filter(User.email == email).all():
        if user.password_hash and verify_password(password, user.password_hash):
            sys.exit(
                f"Mage was not started: its database has the account {email} with the published "
                "password. Log in with a Mage on this machine alone (mage start --host 127.0.0.1) "
                "and change it, or delete the database, which holds Mage's runs and no trips."
            )


class _Refused(RequestHandler):
    def initialize(self, status: HTTPStatus) -> None:
        self._refusal = status

    def prepare(self) -> None:
        self.set_status(self._refusal)
        # In the form of Mage's own errors, which its pages understand.
        message = f"{self._refusal.phrase}. {self._refusal.description}"
        error = {"code": self._refusal, "type": "unauthorized_access", "message": message}
        self.finish({"error": error})


def _refusal(request: HTTPServerRequest) -> HTTPStatus | None:
    """Why a call may not go on to Mage; None when it may."""
    call = f"{request.method} {request.path}"
    if _is(SHUT, call) or not _from_our_pages(request):
        return HTTPStatus.FORBIDDEN
    if _is(OPEN, call):
        return None
    if (user := _user(request)) is None:
        return HTTPStatus.UNAUTHORIZED
    changes = request.method not in _READS or "Upgrade" in request.headers
    if changes and not re.fullmatch(OWN, call) and not _may_change(user):
        return HTTPStatus.FORBIDDEN
    return None


def _is(patterns: dict[str, str], call: str) -> bool:
    return any(re.fullmatch(pattern, call) for pattern in patterns)


def _from_our_pages(request: HTTPServerRequest) -> bool:
    """Whether the call does not come from another site's page in the user's browser."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc in {
        request.host,
        urlsplit(MAGE_PUBLIC_HOST).netloc,
    }


@safe_db_query  # type: ignore[untyped-decorator] # Mage has no types
def _user(request: HTTPServerRequest) -> User | None:
    token = _token(request)
    client = Oauth2Application.query_client(OAUTH2_APPLICATION_CLIENT_ID) if token else None
    if client is None:
        return None
    known, valid = authenticate_client_and_token(client.id, token)
    return known.user if valid else None


def _token(request: HTTPServerRequest) -> str | None:
    """The login of a request, wherever Mage would look for it."""
    headers, cookie = request.headers, None
    with suppress(jwt.PyJWTError, KeyError):
        kept = parse_cookie_header(headers.get("Cookie", ""))["oauth_token"]
        cookie = str(decode_token(kept)["token"])
    asked = [
        request.query_arguments.get(name, [b""])[0].decode(errors="replace")
        for name in ("HTTP_AUTHORIZATION", "token")
    ]
    places = [headers.get("OAUTH-TOKEN"), get_bearer_auth_token_from_headers(headers), cookie]
    return next(filter(None, [*places, *asked]), None)


@safe_db_query  # type: ignore[untyped-decorator]
def _may_change(user: User) -> bool:
    """Whether any role of the user allows a change; which one, Mage decides."""
    return bool(user.get_access(Entity.ANY) & _CHANGES)
