"""Every job configures the log: what it skips is printed where Mage collects it."""

import logging

import pytest

from nyc_tlc.jobs.marts import Marts
from nyc_tlc.jobs.zones import CodeLists, Views, Zones
from nyc_tlc.wiring import NO_BIGQUERY


@pytest.fixture
def fresh_log(monkeypatch):
    """The log as a new process has it."""
    logger = logging.getLogger("nyc_tlc")
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    monkeypatch.setattr(logger, "handlers", [])
    logger.manager._clear_cache()


@pytest.mark.parametrize(
    "skip",
    [
        lambda: Zones.open().load_to_bigquery(None),
        lambda: CodeLists.open().load_to_bigquery(),
        lambda: Views.open().load_to_bigquery(),
        lambda: Marts.open().build_in_bigquery(force=False),
    ],
    ids=["zones", "code lists", "views", "marts"],
)
def test_a_job_says_that_it_skips_bigquery(fresh_log, monkeypatch, tmp_path, capsys, skip):
    for name, value in {
        "POSTGRES_DBNAME": "trips", "POSTGRES_USER": "loader", "POSTGRES_PASSWORD": "secret",
        "LAKE_URL": str(tmp_path), "BIGQUERY_DATASET": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    skip()
    assert NO_BIGQUERY in capsys.readouterr().out
