"""A run that dies just before its month is recorded as reconciled has nothing left to clear."""

from dataclasses import dataclass, replace

import pytest

from embedded.samples.months import write_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.trips import Trips
from nyc_tlc.ports.warehouse import Ledger
from nyc_tlc.wiring import connect_stores

PARTITION = Partition(GREEN, Month(2024, 1))


@dataclass
class DyingLedger:
    """The ledger of a run that ends when it is about to be told."""

    ledger: Ledger

    def entry(self, partition):
        return self.ledger.entry(partition)

    def mark_reconciled(self, entry):
        raise SystemExit


@pytest.fixture(autouse=True)
def published(settings, tmp_path):
    write_month(PARTITION, 500, tmp_path / "published")


def run(settings, ports):
    trips = Trips(settings, ports)
    return [row.status for row in trips.load(trips.land([PARTITION]))]


def test_the_ledger_is_told_when_nothing_is_left_to_do(settings):
    ports = connect_stores(settings)
    with pytest.raises(SystemExit):
        run(settings, replace(ports, ledger=DyingLedger(ports.ledger)))
    assert list(ports.lake.list("staging/")) == []
    assert ports.ledger.entry(PARTITION).reconciled_at is None
    assert run(settings, ports) == ["reconciled"]
    assert run(settings, ports) == ["unchanged"]


def test_a_month_that_postgres_holds_in_another_version_is_not_proved(settings):
    """Equal counts are no proof of equal content; nothing that is staged is cleared."""
    ports = connect_stores(settings)
    trips = Trips(settings, ports)
    conformed = trips.conform(trips.land([PARTITION]))
    loaded, published = trips.load_to_postgres(conformed), trips.publish_to_lake(conformed)
    earlier = "staging/service=green/year=2024/month=01/0_20240101T000000000000-00000000/x"
    ports.lake.write(earlier, b"", if_generation=None)
    held = ports.ledger.entry(PARTITION)

    class OtherVersion(DyingLedger):
        def entry(self, partition):
            return replace(held, content=replace(held.content, sha256="0" * 64))

        def record_month_states(self, states):
            pass

    with pytest.raises(Exception, match="Postgres is not recorded to hold this version"):
        Trips(settings, replace(ports, ledger=OtherVersion(ports.ledger))).reconcile(
            loaded, published
        )
    assert [stored.path for stored in ports.lake.list("staging/")] == [earlier]
