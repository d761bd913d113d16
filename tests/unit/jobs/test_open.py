"""Every job configures the log: what it skips is printed where Mage collects it."""

import pytest

from nyc_tlc.jobs.marts import Marts
from nyc_tlc.jobs.zones import CodeLists, Views, Zones
from nyc_tlc.wiring import NO_BIGQUERY


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
@pytest.mark.usefixtures("environment", "logger")
def test_a_job_says_that_it_skips_bigquery(skip, capsys):
    skip()
    assert NO_BIGQUERY in capsys.readouterr().out
