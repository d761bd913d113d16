"""`make clean-local` deletes what the project made in .local/, and nothing else."""

import shutil
import subprocess

from tests.repository import ROOT


def test_what_somebody_else_keeps_in_local_stays(tmp_path):
    for name in ("Makefile", "dev.env"):
        shutil.copy(ROOT / name, tmp_path)
    local = tmp_path / ".local"
    for folder in ("postgres", "gcs/.cloudstorage", "mage_data", "run", "mine"):
        (local / folder).mkdir(parents=True)
    for file in ("stack.env", "postgres.loader.password", "lock", "mine/notes.txt", "gcs.md"):
        (local / file).write_text("")

    def clean() -> str:
        # `make test` is above: GNU make tells the folder of a make within another.
        made = ["make", "--no-print-directory", "clean-local"]
        done = subprocess.run(made, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    assert clean() == "left in .local/, for we did not make it:\ngcs.md\nmine\n"
    assert sorted(path.name for path in local.rglob("*")) == ["gcs.md", "mine", "notes.txt"]
    shutil.rmtree(local)
    assert clean() == ""
