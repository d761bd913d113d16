"""Mage's io classes for our connections import with the packages of the image alone."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

from tests.repository import ROOT

IMPORT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in set(sys.argv[2:]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
exec(sys.argv[1])
"""


IMPORTS = """
from mage_ai.io.postgres import Postgres
from mage_ai.io.google_cloud_storage import GoogleCloudStorage
from mage_ai.io.bigquery import BigQuery
import db_dtypes # by which rows that BigQuery answers become a DataFrame
"""


def test_they_import_with_the_packages_of_the_image_alone():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    locked = {line.split("==")[0] for line in lines if "==" in line}
    absent = [
        module
        for module, distributions in packages_distributions().items()
        if not locked & {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    ]
    assert "pytest" in absent
    assert "pandas" not in absent
    words = [sys.executable, "-W", "ignore", "-c", IMPORT, IMPORTS, *absent]
    run = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
