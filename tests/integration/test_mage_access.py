"""Who may call Mage, over every route that its source names: nobody without a login."""

import ast
import http.client
import importlib.util
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import bcrypt
import jwt
import psutil
import pytest
import requests

from embedded.servers.mage import ROOT, MageServer, until
from mage_server.api import CLIENT_ID

pytestmark = pytest.mark.integration

MAGE = Path(importlib.util.find_spec("mage_ai").submodule_search_locations[0])
METHODS = ("GET", "POST", "PUT", "DELETE")
REFUSED = {401, 403}
VIEWER = {"email": "viewer@localhost.localdomain", "password": "a viewer's password"}

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ==",
    "Sec-WebSocket-Version": "13",
}
PAGES = re.compile(
    r"/(files|overview|oauth|pipelines|pipelines/1|pipeline-runs|settings|settings/1|sign-in|"
    r"terminal|triggers|manage|manage/1|templates|templates/1|version-control|"
    r"global-data-products|global-data-products/1|global-hooks|global-hooks/1|"
    r"_next/static/1|fonts/1|images/1|monaco-editor/1|favicon.ico)?"
)
"""Answer the same HTML or pictures to everybody."""

OPEN = {
    "GET /api/statuses": "health check; says that a login is needed, and the project's folder",
    "POST /api/sessions": "the login",
    "GET /api/oauths": "the providers of a login, of which there are none",
    "GET /api/oauths/1": "one of them",
    "GET /api/downloads/1": "wants a signed token",
    "POST /api/pipeline_schedules/1/pipeline_runs/1": "wants the token of an API trigger",
    "POST /api/pipeline_schedules/1/api_trigger": "wants the token of an API trigger",
}
"""What answers without a login in Mage 0.9.80 behind our gate, and why that is no matter."""

VIEWERS_READ = {
    "/api/statuses",
    "/api/oauths",
    "/api/custom_designs",  # of Mage's own pages, when somebody restyled them
    "/api/custom_designs/1",
    "/api/execution_states",
    "/api/global_hooks",
    "/api/version_control_projects",
    "/api/version_control_remotes/1",
}
"""All that the Viewer role reads, with REQUIRE_USER_PERMISSIONS: empty lists."""


def resource_names() -> list[str]:
    """The resources of Mage's API, as its routes call them."""
    names = []
    for file in sorted((MAGE / "api" / "policies").glob("?*Policy.py")):
        singular = re.sub(r"(?<!^)(?=[A-Z])", "_", file.stem.removesuffix("Policy")).lower()
        plural = re.sub(r"(?<=[^aeiou])y$", "ie", singular)
        names.append(plural + ("es" if plural.endswith(("s", "ch")) else "s"))
    return names


def example_paths(*, through_parents: bool = True) -> list[str]:
    """A path for every route of Mage's source but the pages', for general ones per resource."""
    tree = ast.parse((MAGE / "server" / "server.py").read_text())
    (make_app,) = (node for node in ast.walk(tree) if getattr(node, "name", "") == "make_app")
    firsts = [node.elts[0] for node in ast.walk(make_app) if isinstance(node, ast.Tuple)]
    patterns = [str(first.value) for first in firsts if isinstance(first, ast.Constant)]
    paths = set()
    for pattern in patterns:
        child = r"(?P<child>\w+)" in pattern
        if not pattern.startswith("/") or (child and not through_parents):
            continue
        path = pattern.replace("(?:es)?", "es").replace(r"\.", ".")
        path = re.sub(r"\(\?P<(resource|child)>\\w\+\)", r"{\1}", path)
        path = re.sub(r"\(\?P<(?:resource|child)>(\w+)\)", r"\1", path)
        path = re.sub(r"\(\?P<\w+>(?:\[[^]]*\]\+|\\w\+|\.\+)\)", "1", path)
        path = path.replace("(.*)", "1").replace("(favicon.ico)", "favicon.ico")
        path = path.removesuffix("?") if path.endswith("/?") else path
        assert not re.search(r"[\\()?*+]", path), f"no example for the route {pattern}"
        if path != "/metrics":  # not served without ENABLE_PROMETHEUS, and shut with it
            paths |= {path.format(resource=name, child=name) for name in resource_names()}
    assert {"/api/event_matchers", "/websocket/", "/api/file_contents/1"} <= paths
    return sorted(path for path in paths if not PAGES.fullmatch(path))


def call(server: MageServer, method: str, path: str, **headers: str) -> requests.Response:
    body = {} if method in {"POST", "PUT"} else None
    return _CONNECTION.request(
        method, server.url + path, json=body, headers=headers, timeout=60, allow_redirects=False
    )


class _NoCookies(requests.cookies.RequestsCookieJar):
    def set_cookie(self, *_: object, **__: object) -> None:
        """Forget it: a call is to have the login that its headers say."""


_CONNECTION = requests.Session()
_CONNECTION.cookies = _NoCookies()


def let_through(
    server: MageServer, methods: Sequence[str], paths: Iterable[str], headers: dict[str, str]
) -> set[str]:
    """The calls that the gate does not refuse."""
    return {
        f"{method} {path}"
        for path in paths
        for method in methods
        if call(server, method, path, **headers).status_code not in REFUSED
    }


def sign_in(server: MageServer, email: str, password: str) -> str | None:
    """The cookie of a login; None where it is refused."""
    body = {"session": {"email": email, "password": password}, "api_key": CLIENT_ID}
    answer = requests.post(f"{server.url}/api/sessions", json=body, timeout=60).json()
    return f"oauth_token={answer['session']['token']}" if "session" in answer else None


def files_of(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {path: path.read_bytes() for path in files if path.is_file()}


@pytest.fixture(scope="module")
def server(scheduled) -> MageServer:
    return scheduled.server


@pytest.fixture(scope="module")
def viewer(server) -> dict[str, str]:
    """The headers of a user with the Viewer role."""
    roles = {role["name"]: role["id"] for role in server.get("roles")["roles"]}
    user = {**VIEWER, "username": "viewer", "password_confirmation": VIEWER["password"]}
    # Mage 0.9.80 makes the user, and fails at showing it: it wants an older SQLAlchemy.
    made = server.session.post(
        f"{server.url}/api/users",
        json={"user": {**user, "roles_new": [roles["Viewer"]]}, "api_key": CLIENT_ID},
        timeout=60,
    )
    assert "from_self" in made.json()["error"]["message"]
    return {"X-API-KEY": CLIENT_ID, "Cookie": sign_in(server, **VIEWER)}


@pytest.mark.parametrize("headers", [{}, {"X-API-KEY": CLIENT_ID}], ids=["bare", "public key"])
def test_without_a_login_every_call_is_refused(server, headers):
    assert let_through(server, METHODS, example_paths(), headers) <= OPEN.keys()


@pytest.mark.parametrize(
    "login",
    [
        {"OAUTH-TOKEN": "x"},
        {"Authorization": "Bearer x"},
        {"Cookie": "oauth_token=x"},
        {"Cookie": "oauth_token=" + jwt.encode({"token": "x"}, "materia")},  # Mage's default
    ],
)
def test_an_unknown_or_forged_login_is_none(server, login):
    answer = call(server, "GET", "/api/pipelines", **login, **{"X-API-KEY": CLIENT_ID})
    assert answer.status_code == 401


def test_mage_s_own_default_login_is_refused(server):
    for who in ("admin@admin.com", "admin", server.email):
        assert sign_in(server, who, "admin") is None


def test_what_is_open_runs_nothing_and_shows_no_secret(server):
    before = server.get("pipeline_runs")["metadata"]["count"]
    for known in OPEN:
        method, path = known.split()
        answer = call(server, method, path, **{"X-API-KEY": CLIENT_ID})
        for name, value in server.environment.items():
            if "PASSWORD" in name or "SECRET" in name:
                assert value not in answer.text
    schedules = server.get("pipeline_schedules")["pipeline_schedules"]
    for schedule in schedules:
        for token in ("None", "null", "x"):
            path = f"/api/pipeline_schedules/{schedule['id']}/pipeline_runs/{token}"
            assert "error" in call(server, "POST", path).json()
    assert schedules
    assert server.get("pipeline_runs")["metadata"]["count"] == before


def test_a_viewer_changes_and_runs_nothing(server, viewer):
    files, runs = files_of(server.project), server.get("pipeline_runs")["metadata"]["count"]
    users = server.get("users")["users"]
    # The sessions log out, and log in; the tests need the login.
    paths = [p for p in example_paths(through_parents=False) if not p.startswith("/api/sessions")]
    assert let_through(server, METHODS[1:], paths, viewer) <= OPEN.keys()
    assert files_of(server.project) == files
    assert server.get("pipeline_runs")["metadata"]["count"] == runs
    assert server.get("users")["users"] == users


def test_a_viewer_reads_empty_lists_at_most(server, viewer):
    read = set()
    for path in example_paths(through_parents=False):
        answer = call(server, "GET", path, **viewer)
        if answer.status_code == 200 and "error" not in answer.json():
            read.add(path)
    assert read <= VIEWERS_READ


@pytest.mark.parametrize("place", ["/etc/hostname", "/proc/self/environ", str(ROOT / "dev.env")])
def test_no_user_reads_files_by_the_hole_of_browser_items(server, place):
    quoted = place.replace("/", "%2F")
    for path in (f"browser_items/{quoted}", f"browser_items?directory={quoted}"):
        answer = server.session.get(f"{server.url}/api/{path}", timeout=60)
        assert answer.status_code == 403


def test_no_token_is_in_the_servers_log(server):
    token = "a-token-that-nobody-else-knows"
    for path in (f"pipeline_schedules/1/pipeline_runs/{token}", "no_such_call"):
        body = {"pipeline_run": {}}
        requests.post(f"{server.url}/api/{path}", json=body, timeout=60)
    log = Path(server.project).parent / "mage.log"
    last = "401 POST /api/no_such_call"
    until(lambda: last in log.read_text("utf-8") or None, "the last call", seconds=30)
    assert token not in log.read_text("utf-8")


def test_the_web_sockets_ask_for_an_editor(server, viewer):
    def connect(path: str, **headers: str) -> int:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        with closing(connection):
            connection.request("GET", path, headers={**HANDSHAKE, **headers})
            return connection.getresponse().status

    owner = str(server.session.headers["Cookie"])
    assert connect("/websocket/") == 401
    assert connect("/websocket/", Cookie=viewer["Cookie"]) == 403
    assert connect("/websocket/", Cookie=owner) == 101
    assert connect("/websocket/", Cookie=owner, Origin="http://evil.example") == 403
    assert connect("/websocket/terminal?term_name=x", Cookie=owner) == 403


def test_a_page_of_somebody_else_cannot_use_the_login(server):
    for origin, expected in (("http://evil.example", 403), ("null", 403), (server.url, 200)):
        answer = server.session.get(
            f"{server.url}/api/pipelines", headers={"Origin": origin}, timeout=60
        )
        assert answer.status_code == expected


def test_from_another_address_than_loopback_nothing_answers(scheduled):
    ours = [scheduled.server.url, scheduled.on.environment["STORAGE_EMULATOR_HOST"]]
    ports = {int(url.rpartition(":")[2]) for url in ours}
    ports |= {int(scheduled.on.environment["POSTGRES_PORT"])}
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert ports <= {c.laddr.port for c in listening}
    assert {c.laddr.ip for c in listening if c.laddr.port in ports} == {"127.0.0.1"}


@pytest.fixture
def copied(server, tmp_path) -> Callable[..., list[tuple]]:
    """Ask and change a copy of Mage's database."""
    (kept,) = Path(server.environment["MAGE_DATA_DIR"]).rglob("mage-ai.db")
    with sqlite3.connect(kept) as source, sqlite3.connect(tmp_path / "mage-ai.db") as copy:
        source.backup(copy)

    def run(statement: str, *values: str) -> list[tuple]:
        with sqlite3.connect(tmp_path / "mage-ai.db") as copy:
            return copy.execute(statement, values).fetchall()

    return run


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def python(server: MageServer, folder: Path, *words: object, **settings: str):
    """Run a program of Mage's Python on the copied database."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        env={**server.environment, **settings,
             "MAGE_DATABASE_CONNECTION_URL": f"sqlite:///{folder}/mage-ai.db"},
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_a_database_with_the_default_owner_is_not_served(server, copied, tmp_path):
    admin = "UPDATE user SET email = 'admin@admin.com', password_hash = ? WHERE email = ?"
    copied(admin, hashed("admin"), server.email)
    began = python(server, tmp_path, "-m", "mage_server", server.project, "--port", "1")
    assert began.returncode == 1
    assert "admin@admin.com with the published password" in began.stderr
    assert "Traceback" not in began.stderr


def test_the_owners_password_follows_the_environment_and_not_the_other_way(
    server, copied, tmp_path
):
    data = tmp_path / "data"

    def start(password: str) -> str:
        """Follow the environment as a start does; the hash that Mage's database has then."""
        code = "import os; from mage_server.owner import follow_password as f; f(os.environ)"
        given = {"DEFAULT_OWNER_PASSWORD": password, "MAGE_DATA_DIR": str(data)}
        followed = python(server, tmp_path, "-c", code, **given)
        assert followed.returncode == 0, followed.stderr
        return copied("SELECT password_hash FROM user WHERE email = ?", server.email)[0][0]

    copied("UPDATE user SET password_hash = ?", hashed("chosen in the UI"))
    # An installation of before this file: nobody knows what its owner meant.
    for _ in range(2):
        assert bcrypt.checkpw(b"chosen in the UI", start("of .env").encode())
    assert bcrypt.checkpw(b"another of .env", start("another of .env").encode())
    assert (data / "owner-password").stat().st_mode & 0o077 == 0
