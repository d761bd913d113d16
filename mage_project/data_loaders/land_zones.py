"""Land TLC's taxi zones, names and polygons, in the lake's raw/."""

from mage_project.run_variables import require_readable
from nyc_tlc.jobs.zones import Zones

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader, test


@data_loader
def land_zones(**kwargs):
    require_readable(kwargs)
    return Zones.open().land()


@test
def test_every_zone_is_landed(landed, **_):
    assert landed["rows"].tolist() == [265]
