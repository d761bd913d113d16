"""The work folder is this account's own, or nothing is started."""

import os
import stat
from pathlib import Path

import pytest

from nyc_tlc.core.errors import ConfigurationError, PipelineError
from nyc_tlc.jobs.open import open_job
from nyc_tlc.settings import Settings
from nyc_tlc.work_dir import require_own
from tests.repository import ROOT

OTHER = 65_534
"""An account that this is not."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "work"


def refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is not this account's own.*Set TLC_WORK_DIR"):
        require_own(folder)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_one_is_closed_to_others(folder, umask):
    before = os.umask(umask)
    try:
        require_own(folder)
    finally:
        os.umask(before)
    assert mode(folder) == 0o700


@pytest.mark.parametrize(
    ("found", "left"),
    [(0o777, 0o755), (0o775, 0o755), (0o722, 0o700), (0o755, 0o755), (0o700,) * 2],
)
def test_ours_loses_the_right_of_others_to_write(folder, found, left):
    folder.mkdir()
    folder.chmod(found)
    require_own(folder)
    assert mode(folder) == left


def test_one_that_everybody_shares_is_refused_and_stays(folder):
    folder.mkdir()
    folder.chmod(0o1777)
    refused(folder)
    assert mode(folder) == 0o1777


@as_root
@pytest.mark.parametrize("permissions", [0o700, 0o755, 0o777])
def test_one_that_another_account_made_before_us_is_refused(folder, permissions):
    folder.mkdir()
    folder.chmod(permissions)
    os.chown(folder, OTHER, OTHER)
    refused(folder)
    assert mode(folder) == permissions


@as_root
def test_a_link_that_another_account_laid_is_refused_wherever_it_leads(folder, tmp_path):
    (tmp_path / "ours").mkdir(mode=0o755)
    folder.symlink_to(tmp_path / "ours")
    require_own(folder)  # our own link is
    os.lchown(folder, OTHER, OTHER)
    refused(folder)
    os.lchown(folder, 0, 0)
    os.chown(tmp_path / "ours", OTHER, OTHER)
    refused(folder)


@pytest.mark.parametrize("planted", ["file", "dangling link", "link in a circle"])
def test_what_is_no_folder_is_refused(folder, tmp_path, planted):
    if planted == "file":
        folder.touch()
    else:
        folder.symlink_to(folder if planted == "link in a circle" else tmp_path / "gone")
    with pytest.raises(PipelineError, match=r"TLC_WORK_DIR|work cannot be used"):
        require_own(folder)
    assert not (tmp_path / "gone").exists()


def test_by_default_it_is_the_users(monkeypatch):
    """Not a name in the folder for temporary files, which anybody could take first."""
    default = Settings.model_fields["tlc_work_dir"].default
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    assert default == cache / "nyc-tlc"


def test_every_job_asks_and_its_log_too(folder, monkeypatch, tmp_path):
    folder.mkdir()
    folder.chmod(0o1777)
    for name, value in {
        "POSTGRES_DBNAME": "d", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "x",
        "LAKE_URL": str(tmp_path / "lake"), "TLC_WORK_DIR": str(folder),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="is not this account's own"):
        open_job(lambda _: None)
    assert list(folder.iterdir()) == []


def test_no_code_of_ours_names_a_file_in_the_shared_temporary_folder():
    sources = [*ROOT.glob("nyc_tlc/**/*.py"), *ROOT.glob("mage_server/**/*.py")]
    named = [
        path for path in sources if "gettempdir" in path.read_text() or '"/tmp' in path.read_text()
    ]
    assert named == []
