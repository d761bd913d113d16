"""A compose project of a trial: a copy of the checkout, its .env, and what docker says of it."""

import json
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from embedded.servers.mage import MageServer, until

ROOT = Path(__file__).parents[2]
PROJECT = f"trial-{uuid.uuid4().hex[:8]}"
IMAGE, EMULATORS = "nyc-tlc-mage:trial", f"{PROJECT}-emulators:local"
_PASSWORDS = {
    "tlc": "POSTGRES_PASSWORD",
    "tlc_reader": "READER_PASSWORD",
    "mage": "MAGE_DATABASE_PASSWORD",
}


def docker(*words: str | Path, **options: Any) -> subprocess.CompletedProcess:
    """Run docker and return what it said; its failure is the test's."""
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"docker {words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def copy_checkout(target: Path) -> None:
    """What git has of the checkout, as a clone would give it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)


def build(image: str, dockerfile: str, folder: Path) -> None:
    """Build an image; BUILD_PIP_CONF and BUILD_CA_BUNDLE are for a package index of one's own."""
    secrets: list[str] = []
    for name in ("pip_conf", "ca_bundle"):
        if file := os.environ.get(f"BUILD_{name.upper()}"):
            secrets += ["--secret", f"id={name},src={file}"]
    docker(
        "buildx", "build", "--load", "--progress=plain", *secrets, "--file", dockerfile,
        "--tag", image, ".", cwd=folder, timeout=1800,
    )  # fmt: skip


@dataclass(frozen=True)
class Compose:
    """The compose project of a folder."""

    folder: Path
    name: str
    settings: dict[str, str]
    files: tuple[str, ...] = ("docker-compose.yml", "tests/containers/trial.yml")

    def write_env(self, **changes: str) -> None:
        """.env from dev.env, with settings of the trial, and the line ends of Windows."""
        settings = {**self.settings, **changes}
        lines = (self.folder / "dev.env").read_text("utf-8").splitlines()
        kept = [line for line in lines if line.split("=", 1)[0] not in settings]
        lines = [*kept, *(f"{name}={value}" for name, value in settings.items())]
        (self.folder / ".env").write_bytes("\r\n".join([*lines, ""]).encode())

    def __call__(self, *words: str, **options: Any) -> str:
        files = [word for file in self.files for word in ("--file", file)]
        done = docker(
            "compose", "--project-name", self.name, *files, *words, cwd=self.folder, **options
        )
        return done.stdout

    def up(self) -> None:
        """As the README says, in the background, until all is healthy."""
        self("up", "--detach", "--no-build", "--wait", "--wait-timeout", "600")

    def container(self, service: str) -> dict[str, Any]:
        identity = self("ps", "--all", "--quiet", service).strip()
        return json.loads(docker("inspect", identity).stdout)[0]

    def health(self, service: str) -> str:
        return self.container(service)["State"].get("Health", {}).get("Status", "")

    def run_pipeline(self, pipeline: str, **variables: str) -> str:
        """`mage run` in the container of Mage; what it said."""
        words = ("mage", "run", "mage_project", pipeline, "--runtime-vars", json.dumps(variables))
        return self("exec", "-T", "mage", *words)

    def sql(self, statement: str, role: str = "postgres", database: str = "nyc_tlc") -> str:
        """Ask Postgres: the superuser by the socket, every other role by the network."""
        login = f"postgresql://postgres@/{database}"
        if role != "postgres":
            file = f"/run/secrets/nyc-tlc/{_PASSWORDS[role]}"
            password = self("exec", "-T", "postgres", "cat", file).strip()
            login = f"postgresql://{role}:{quote(password)}@postgres/{database}"
        psql = ["psql", "-XAtq", "--set=ON_ERROR_STOP=1", "--command", statement, login]
        return self("exec", "-T", "postgres", *psql).strip()

    def mage(self, service: str = "mage") -> MageServer:
        """Mage's API, as its owner."""
        _, email, _, password = self("exec", "-T", service, "show-login").split()
        owner = {"DEFAULT_OWNER_EMAIL": email, "DEFAULT_OWNER_PASSWORD": password}
        url = f"http://127.0.0.1:{self.settings['PUBLISH_MAGE']}"
        server = MageServer(url, self.folder, owner)
        server.sign_in(email, password)
        return server

    def kill(self, service: str) -> None:
        """SIGKILL its first process; after `docker kill` the engine would not start it again."""
        pid = self.container(service)["State"]["Pid"]
        docker(
            "run", "--rm", "--pid=host", "--user=0", "--cap-add=KILL", "--entrypoint=python",
            EMULATORS, "-c", f"import os; os.kill({pid}, 9)",
        )  # fmt: skip

    def wait_restarted(self, service: str, before: dict[str, Any], seconds: float = 300) -> None:
        """Until another process than ``before`` runs and is healthy."""

        def healthy() -> bool | None:
            started = self.container(service)["State"]["StartedAt"]
            is_new = started != before["State"]["StartedAt"]
            return (is_new and self.health(service) == "healthy") or None

        until(healthy, f"{service} comes back", seconds=seconds)
