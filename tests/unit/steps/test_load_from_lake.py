"""Whose fault it is when a warehouse has read other rows than the manifest names."""

import pytest

from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.core.errors import ContractError, ReconciliationError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import render_record
from nyc_tlc.core.runs.run_table import RunRow, Status
from nyc_tlc.steps.load_from_lake import load_from_lake
from tests.unit.records import MANIFEST, MONTH, SHA

ROW = RunRow("green", "2024-01", Status.PUBLISHED, run=MANIFEST.run, sha256=SHA)
ERRORS = (
    ReconciliationError("the job wrote 3 rows, the lake has 4"),
    ContractError("the table and the published file do not fit one another"),
)


class ShortWarehouse:
    """Cannot read the month, or not all of it, while somebody else may publish."""

    address = "project.tlc"

    def __init__(self, error, meanwhile):
        self._error = error
        self._meanwhile = meanwhile

    def load_partition(self, partition, manifest):
        self._meanwhile()
        raise self._error


@pytest.fixture
def lake(tmp_path):
    lake = FolderLake(tmp_path)
    objects = tuple(
        lake.write(path, b"rows", if_generation=None)
        for path in (lake_paths.trips(MONTH), lake_paths.quarantine(MONTH))
    )
    manifest = MANIFEST.model_copy(update={"objects": objects})
    lake.write(lake_paths.manifest(MONTH), render_record(manifest), if_generation=None)
    return lake


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_rows_are_missing_unless_another_run_published_the_month_meanwhile(lake, error):
    with pytest.raises(type(error), match=str(error)):
        load_from_lake(ROW, lake, ShortWarehouse(error, lambda: None))

    def publish():
        lake.write(lake_paths.trips(MONTH), b"other rows", if_generation=None)

    with pytest.raises(ReconciliationError, match="another run published the month while"):
        load_from_lake(ROW, lake, ShortWarehouse(error, publish))
