"""What the tests of several rooms share: profiles of hypothesis, the sample zones, TLC's files."""

import logging
import os
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from embedded.samples.polygons import write_zone_polygons
from nyc_tlc.core.zones.polygons import ZonePolygons, parse_zone_polygons

settings.register_profile("unit", max_examples=60, deadline=None, derandomize=True)
settings.register_profile(  # of `make mutation`, which asks only whether a test fails
    "mutation",
    settings.get_profile("unit"),
    max_examples=15,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unit"))


@pytest.fixture(scope="session")
def polygons(tmp_path_factory: pytest.TempPathFactory) -> ZonePolygons:
    """The zones of the sample months."""
    path = tmp_path_factory.mktemp("zones") / "taxi_zones.zip"
    write_zone_polygons(path)
    return parse_zone_polygons(path.read_bytes())


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Settings that are enough for a job that reaches no store."""
    for name, value in {
        "POSTGRES_DBNAME": "trips", "POSTGRES_USER": "loader", "POSTGRES_PASSWORD": "not used",
        "LAKE_URL": str(tmp_path / "lake"), "TLC_WORK_DIR": str(tmp_path / "work"),
        "BIGQUERY_DATASET": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


@pytest.fixture
def logger(monkeypatch):
    """The log as a new process has it."""
    logger = logging.getLogger("nyc_tlc")
    for name, value in {"level": logging.NOTSET, "handlers": [], "propagate": True}.items():
        monkeypatch.setattr(logger, name, value)
    logger.manager._clear_cache()
    yield logger
    for handler in logger.handlers:
        handler.close()
        logging.getLogger("py.warnings").removeHandler(handler)


@pytest.fixture(scope="session")
def shared_tlc() -> Path:
    """Real TLC files, which are not part of the project."""
    stated = os.environ.get("TLC_SHARED")
    folder = Path(stated) if stated else Path(__file__).parents[3] / "shared" / "tlc"
    if not folder.is_dir():
        pytest.skip(f"no real TLC files in {folder}; set TLC_SHARED to where they are")
    return folder
