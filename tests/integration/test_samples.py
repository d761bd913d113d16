"""Samples say that they are ones in every store, and neither kind takes the other's place."""

import shutil
import zipfile

import pyarrow.parquet as pq
import pytest

from embedded.samples.csv_months import write_csv_month
from embedded.samples.months import published_batches, published_schema
from embedded.samples.polygons import write_zone_polygons
from embedded.samples.zones import write_zone_lookup
from nyc_tlc import __version__
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, YELLOW
from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import PartitionsFailedError
from nyc_tlc.core.month import Month
from nyc_tlc.core.rows.rules import FLAGS
from nyc_tlc.jobs.rebuild import Rebuild
from nyc_tlc.jobs.zones import Zones
from tests.integration.world import World

MONTH = Partition(GREEN, Month(2024, 1))
LOCATED = Partition(YELLOW, Month(2009, 1))
SAMPLE_BIT = 1 << [rule.code for rule in FLAGS].index("sample")
HELD = "The month stays as it was. Check TLC_SOURCE_URL, or let tlc_trips replace it with force"


class Samples(World):
    """Months and zones of either kind at the source."""

    def sample(self, partition, rows=200):
        self.publish(partition, rows=rows)

    def own(self, partition, rows=200):
        """A file as TLC publishes it: the same rows, without what marks a sample."""
        self.sample(partition, rows)
        file = self.published / partition.file_name
        pq.write_table(pq.read_table(file).replace_schema_metadata(None), file)

    def own_zones(self):
        lookup, polygons = (
            self.published / name for name in ("taxi_zone_lookup.csv", "taxi_zones.zip")
        )
        lookup.write_text(lookup.read_text("utf-8").replace('"Sample"', '"Boro Zone"'), "utf-8")
        with zipfile.ZipFile(polygons) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(polygons, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data.replace(b"sample\0", b"length\0"))

    def load_one(self, partition, **options):
        return self.load(partition, **options)[0]

    def ledger(self):
        return self.sql("SELECT is_sample, version, sha256 FROM ledger")

    def zone_kinds(self):
        """What the stores say of the kind of their zones, but for those outside of town."""
        return self.sql("SELECT DISTINCT service_zone FROM taxi_zone WHERE location_id < 264")


@pytest.fixture
def world(settings):
    world = Samples(settings)
    write_zone_lookup(world.published / "taxi_zone_lookup.csv")
    write_zone_polygons(world.published / "taxi_zones.zip")
    return world


def flagged(world, partition):
    """The shares of rows in Postgres and in the lake that say that they are of a sample."""
    table = partition.service.name
    (in_postgres,) = world.sql(f"SELECT avg((quality_flags & {SAMPLE_BIT} > 0)::int) FROM {table}")
    with world.lake.open(f"trips/{partition.hive_path}/part-0.parquet") as file:
        flags = pq.read_table(file, columns=["quality_flags"])["quality_flags"].to_numpy()
    return float(in_postgres[0]), float(((flags & SAMPLE_BIT) > 0).mean())


@pytest.mark.parametrize("form", ["parquet", "csv", "csv.gz"])
def test_a_sample_says_so_from_the_source_to_every_store(world, form):
    if form == "parquet":
        world.sample(MONTH)
        partition = MONTH
    else:
        partition = Partition(GREEN, Month(2020, 7))
        batches = published_batches(partition, 200, published_schema(partition, SourceFormat.CSV))
        write_csv_month(partition, batches, world.published, compressed=form == "csv.gz")
        world.settings = world.settings.model_copy(update={"tlc_source_format": SourceFormat.CSV})
    row = world.load_one(partition)
    assert row.is_sample
    assert "a sample: generated for a trial" in row.warning
    assert flagged(world, partition) == (1.0, 1.0)
    assert [entry[:2] for entry in world.ledger()] == [(True, __version__)]
    counts = world.manifest(partition).counts
    assert counts.by_flag["sample"] == counts.accepted > 0
    again = world.load_one(partition)
    assert (again.status, again.is_sample, again.warning) == ("unchanged", True, row.warning)
    assert world.audit(partition)["sample"].tolist() == [True]
    assert "1 of them is a sample" in world.report()
    assert f"nyc-tlc {__version__}" in world.report()


@pytest.mark.parametrize("first", ["sample", "own"])
def test_neither_takes_the_others_place_without_force(world, first):
    second = {"sample": "own", "own": "sample"}[first]
    getattr(world, first)(MONTH)
    world.load_one(MONTH)
    before = world.ledger()
    assert before[0][0] is (first == "sample")
    getattr(world, second)(MONTH, rows=300)
    with pytest.raises(PartitionsFailedError, match=HELD):
        world.load_one(MONTH)
    assert world.ledger() == before

    # A repair fetches what raw/ has lost, and does not bring the other along.
    world.lake.delete(world.manifest(MONTH).landing.raw)
    with pytest.raises(PartitionsFailedError, match=HELD):
        world.trips.load_again(MONTH, fetch=True)
    assert world.ledger() == before

    world.load_one(MONTH, force=True)
    assert world.ledger()[0][0] is (second == "sample")
    assert flagged(world, MONTH) == (float(second == "sample"),) * 2


def test_a_lake_of_samples_does_not_restore_over_a_real_month(world):
    world.sample(MONTH)
    world.load_one(MONTH)
    world.sql("UPDATE ledger SET is_sample = false, sha256 = 'another'")
    with pytest.raises(PartitionsFailedError, match=HELD):
        Rebuild(world.settings, world.ports).postgres([MONTH])
    assert world.ledger()[0][2] == "another"


def test_a_store_from_before_samples_were_marked_is_read_as_before(world):
    world.own(MONTH)
    world.load_one(MONTH)
    world.sql("ALTER TABLE ledger DROP COLUMN is_sample, DROP COLUMN version")
    assert world.load_one(MONTH).status == "unchanged"
    world.own(MONTH, rows=300)  # a revision
    assert world.load_one(MONTH).status == "reconciled"
    assert [entry[:2] for entry in world.ledger()] == [(False, __version__)]


def test_no_real_month_is_made_with_the_zones_of_samples(world):
    """The demo's polygons once outlived the demo, and the proof did not see it."""
    world.sample(LOCATED)
    world.load_one(LOCATED)
    world.own(LOCATED)
    with pytest.raises(PartitionsFailedError, match="TLC's own and the zones of the source are"):
        world.load_one(LOCATED, force=True)
    world.own_zones()
    assert not world.load_one(LOCATED, force=True).is_sample
    own = world.manifest(LOCATED).zone_polygons

    # Zones landed later: what was located with others is no longer as it should be.
    zones = world.published / "taxi_zones.zip"
    zones.write_bytes(zones.read_bytes() + b"\0")
    assert world.load_one(LOCATED).status == "unchanged"  # nobody has landed them yet
    Zones(world.settings, world.ports).land()
    assert "zones_outdated" in world.audit(LOCATED)["findings"][0]
    assert world.load_one(LOCATED, only_plan=True).status == "planned"
    assert world.load_one(LOCATED).status == "reconciled"
    assert world.manifest(LOCATED).zone_polygons != own
    assert world.load_one(LOCATED).status == "unchanged"


def test_a_real_month_beside_a_demos_zones_says_so_and_those_never_come_back(world, tmp_path):
    kept = shutil.copytree(world.published, tmp_path / "samples")
    zones = Zones(world.settings, world.ports)
    zones.load_to_postgres(zones.land())
    assert world.zone_kinds() == [("Sample",)]
    world.own(MONTH)
    assert "the zones in the stores are samples" in world.load_one(MONTH).warning
    world.own_zones()
    zones.load_to_postgres(zones.land())
    assert "zones" not in world.load_one(MONTH, force=True).warning
    assert world.zone_kinds() == [("Boro Zone",)]
    shutil.copytree(kept, world.published, dirs_exist_ok=True)
    zones.load_to_postgres(zones.land())
    assert world.zone_kinds() == [("Boro Zone",)]
