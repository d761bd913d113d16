"""`mage run` itself refuses variables that it could not have meant, before it touches anything."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration
GIVEN = {
    "{plan: true}": "no JSON",
    "[1]": "TypeError: cannot convert dictionary",  # Mage's own, at the start
    '{"mouths": "2024-01"}': "tlc_sync has no variable 'mouths'",
}


def test_tlc_sync_is_refused_and_the_stores_are_untouched(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as postgres:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "LAKE_URL": f"{tmp_path}/lake",
            "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(postgres.getsockname()[1]),
            "POSTGRES_DBNAME": "d", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "not used",
            "TLC_SOURCE_URL": "file:///nowhere",
        }  # fmt: skip
        # At the same time: each spends its seconds on importing Mage.
        runs = {
            text: subprocess.Popen(
                [Path(sys.executable).with_name("mage"), "run", "mage_project", "tlc_sync",
                 "--runtime-vars", text],
                cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**environment, "MAGE_DATA_DIR": str(tmp_path / str(number))},
            )
            for number, text in enumerate(GIVEN)
        }  # fmt: skip
        said = {text: run.communicate(timeout=300)[0] for text, run in runs.items()}
        postgres.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has connected
            postgres.accept()
    for text, cause in GIVEN.items():
        assert runs[text].returncode == 1, said[text]
        assert cause in " ".join(said[text].split())
    assert not (tmp_path / "lake").exists()
