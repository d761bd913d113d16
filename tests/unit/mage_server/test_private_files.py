"""What Mage keeps on this machine is closed to its other users."""

import os

import pytest

from mage_server.private_files import keep_private, mage_data_dir, make_private_files


@pytest.fixture(autouse=True)
def _umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_is_there_and_what_comes_is_closed(tmp_path):
    old = tmp_path / "mage_data" / "project" / "mage-ai.db"
    old.parent.mkdir(parents=True)
    old.write_text("tokens")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    (old.parent / "link").symlink_to(elsewhere)
    keep_private(tmp_path / "mage_data")
    make_private_files()
    (old.parent / ".logs").mkdir()
    (old.parent / ".logs" / "new.log").write_text("a line")
    kept = [path for path in (tmp_path / "mage_data").rglob("*") if not path.is_symlink()]
    assert len(kept) == 4
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "mage_data", *kept)} == {0}
    assert elsewhere.stat().st_mode & 0o777 == 0o644


def test_the_folder_is_where_mage_looks(tmp_path):
    assert mage_data_dir({"MAGE_DATA_DIR": str(tmp_path)}) == tmp_path
    assert mage_data_dir({"MAGE_DATA_DIR": "", "HOME": "/x"}).name == ".mage_data"
