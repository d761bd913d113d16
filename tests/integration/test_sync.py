"""TLC publishes a month, revises it and withdraws it: what a sync makes of that, and asks for."""

from collections import Counter
from datetime import UTC, datetime
from functools import cached_property

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from embedded.samples.months import write_month
from embedded.servers.cdn import CdnServer
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN
from nyc_tlc.core.errors import PartitionsFailedError
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.sync import Sync
from tests.alert_sinks import webhook
from tests.integration.world import World

pytestmark = pytest.mark.integration
ROWS = 300
CURRENT = Month.of(datetime.now(UTC).date())
FIRST = CURRENT - 6
LATE = [str(CURRENT - back) for back in (6, 5, 4)]
"""The months that are late when they are absent, by the lag of two months."""
DUE = [str(CURRENT - back) for back in (3, 2, 1)]


class Published:
    """TLC, as far as it publishes green trips."""

    def __init__(self, server, folder):
        self.server = server
        self._folder = folder
        self._seen = 0

    def publish(self, month, rows=ROWS, *, seed=0):
        write_month(Partition(GREEN, Month.parse(month)), rows, self._folder, seed=seed)

    def file(self, month):
        return self._folder / Partition(GREEN, Month.parse(month)).file_name

    def asked(self):
        """The requests since the last time: how many of which method, and the bytes sent."""
        news = self.server.requests[self._seen :]
        self._seen += len(news)
        sent = sum(request.bytes_sent for request in news)
        return dict(Counter(request.method for request in news)), sent


@pytest.fixture
def tlc(tmp_path):
    folder = tmp_path / "cdn" / "trip-data"
    folder.mkdir(parents=True)
    with CdnServer(folder.parent) as server:
        yield Published(server, folder)


class Syncing(World):
    """The blocks of tlc_sync in this process."""

    @cached_property
    def _sync(self):
        return Sync(self.settings, self.ports)

    def with_settings(self, **changes):
        return Syncing(self.settings.model_copy(update=changes))

    def find(self, *, scope="changed", only_plan=False):
        return self._sync.find([GREEN], first=FIRST, scope=scope, only_plan=only_plan)

    def __call__(self, *, scope="changed", only_plan=False):
        """Run it; returns each month's state as found, and each asked month's status at the end."""
        months = self.find(scope=scope, only_plan=only_plan)
        done = self.trips.load(self._sync.land(months, only_plan=only_plan))
        return {row.month: row.state for row in months}, {row.month: row.status for row in done}

    def require_none_overdue(self, first):
        return self._sync.require_none_overdue([GREEN], first=first)

    def ledger(self):
        """Month to rows published, accepted in the ledger and accepted in the table."""
        return self.sql(
            "SELECT to_char(source_month, 'YYYY-MM'), rows_published, rows_accepted, "
            "(SELECT count(*) FROM green WHERE green.source_month = ledger.source_month), "
            "loaded_at FROM ledger ORDER BY 1"
        )

    def recorded(self):
        return dict(self.sql("SELECT to_char(source_month, 'YYYY-MM'), state FROM publication"))


@pytest.fixture
def sync(settings, tlc):
    return Syncing(settings.model_copy(update={"tlc_source_url": tlc.server.url}))


def test_a_sync_loads_what_is_new_replaces_what_is_revised_and_reports_what_is_gone(sync, tlc):
    old, revised, new = LATE
    tlc.publish(old)
    tlc.publish(revised)
    found, ended = sync()
    assert found == {
        old: "available", revised: "available", new: "late",
        **dict.fromkeys(DUE, "not published yet"), str(CURRENT): "expected",
    }  # fmt: skip
    assert [ended[month] for month in LATE] == ["reconciled", "reconciled", "not published yet"]
    assert tlc.asked()[0] == {"HEAD": 6, "GET": 2}

    tlc.publish(new)
    found, ended = sync()
    assert [found[month] for month in LATE] == ["loaded", "loaded", "available"]
    assert ended[new] == "reconciled"
    assert tlc.asked()[0] == {"HEAD": 6, "GET": 1}

    before = {month: row for month, *row in sync.ledger()}
    tlc.publish(revised, ROWS + 50, seed=1)
    found, ended = sync()
    assert [found[month] for month in LATE] == ["loaded", "revised", "loaded"]
    assert (ended[old], ended[revised]) == ("unchanged", "reconciled")
    assert tlc.asked()[0] == {"HEAD": 6, "GET": 1}
    after = {month: row for month, *row in sync.ledger()}
    assert after[revised][0] == ROWS + 50
    assert (after[old], after[new]) == (before[old], before[new])
    path = Partition(GREEN, Month.parse(revised)).hive_path
    raw = [stored.path for stored in sync.lake.list(f"raw/{path}/")]
    assert sum(path.endswith(".parquet") for path in raw) == 2
    with sync.lake.open(lake_paths.trips(Partition(GREEN, Month.parse(revised)))) as file:
        assert pq.read_metadata(file).num_rows == after[revised][1]

    tlc.file(old).unlink()
    found, ended = sync()
    assert [found[month] for month in LATE] == ["withdrawn", "loaded", "loaded"]
    assert ended[old] == "unchanged"
    assert tlc.asked() == ({"HEAD": 6}, 0)

    found, ended = sync()
    assert set(ended.values()) == {"unchanged", "not published yet"}
    assert tlc.asked() == ({"HEAD": 6}, 0)
    assert {month: row for month, *row in sync.ledger()} == after
    assert all(row[1] == row[2] for row in after.values())
    assert sync.recorded() == {
        old: "withdrawn", revised: "loaded", new: "loaded",
        **dict.fromkeys(DUE, "not published yet"), str(CURRENT): "expected",
    }  # fmt: skip


def test_a_plan_says_what_would_be_loaded_and_its_size_and_changes_nothing(sync, tlc):
    tlc.publish(LATE[0])
    size = tlc.file(LATE[0]).stat().st_size
    found, ended = sync(only_plan=True)
    assert (found[LATE[0]], ended[LATE[0]]) == ("available", "planned")
    assert tlc.asked() == ({"HEAD": 6}, 0)
    (planned,) = [row for row in sync.find(only_plan=True) if row.state == "available"]
    assert (planned.bytes, planned.asked) == (size, True)
    assert list(sync.lake.list("")) == []
    schema = sync.settings.postgres_schema
    assert sync.sql("SELECT FROM pg_namespace WHERE nspname = %s", schema) == []


def test_a_plan_of_a_run_says_for_each_month_what_would_be_done(sync, tlc):
    new, *_ = months = [LATE[1], DUE[-1], LATE[0]]
    tlc.publish(new)
    size = tlc.file(new).stat().st_size

    def planned(**options):
        partitions = [Partition(GREEN, Month.parse(month)) for month in months]
        rows = sync.trips.land(partitions, only_plan=True, **options)
        return [(row.status, row.bytes) for row in rows], rows[0].warning

    absent = [("not published yet", 0), ("failed", 0)]
    assert planned() == ([("planned", size), *absent], "would be downloaded and loaded")
    assert tlc.asked() == ({"HEAD": 3}, 0)
    sync()
    tlc.asked()
    assert planned() == ([("unchanged", size), *absent], "")
    assert planned(force=True)[0] == [("planned", size), *absent]
    (manifest,) = sync.lake.list("manifests/")
    sync.lake.delete(manifest.path)
    assert planned() == (
        [("planned", size), *absent],
        "would be loaded from raw/: the stores do not hold it as it is",
    )
    assert tlc.asked() == ({"HEAD": 9}, 0)


def test_only_what_may_have_changed_is_asked_about_and_all_on_request(sync, tlc):
    sync = sync.with_settings(tlc_revision_months=1)
    for month in (*LATE, *DUE):
        tlc.publish(month)
    sync()
    tlc.asked()
    found, _ = sync()
    assert found == {**dict.fromkeys((*LATE, *DUE), "loaded"), str(CURRENT): "expected"}
    assert tlc.asked() == ({"HEAD": 1}, 0)
    tlc.publish(LATE[0], seed=1)
    assert sync()[0][LATE[0]] == "loaded"
    assert tlc.asked() == ({"HEAD": 1}, 0)
    assert sync(scope="all")[0][LATE[0]] == "revised"
    assert tlc.asked()[0] == {"HEAD": 6, "GET": 1}


def test_an_unchanged_month_costs_one_conditional_request_and_no_byte(sync, tlc):
    tlc.publish(LATE[0])
    for status, answered in (("reconciled", 200), ("unchanged", 304)):
        asked = len(tlc.server.requests)
        (row,) = sync.load(Partition(GREEN, Month.parse(LATE[0])))
        assert row.status == status
        *_, last = requests = tlc.server.requests[asked:]
        assert last.status == answered
    assert [(request.method, request.bytes_sent) for request in requests] == [("GET", 0)]


def test_a_new_tag_on_the_same_bytes_loads_nothing_and_is_remembered(sync, tlc):
    """TLC rewrites files without changing them; a folder's tag is of more than the bytes, too."""
    tlc.publish(LATE[0])
    folder = tlc.file(LATE[0]).parents[1].as_uri()
    sync = sync.with_settings(tlc_source_url=folder)
    sync()
    before = sync.ledger()
    tlc.file(LATE[0]).touch()
    found, ended = sync()
    assert (found[LATE[0]], ended[LATE[0]]) == ("revised", "unchanged")
    assert sync.ledger() == before
    assert sync()[0][LATE[0]] == "loaded"


def test_a_month_that_cannot_be_asked_about_fails_alone_and_the_next_sync_loads_it(sync, tlc):
    for month in LATE[:2]:
        tlc.publish(month)
    hasty = sync.with_settings(tlc_attempts=1, tlc_workers=1)
    tlc.server.fail_next()
    with pytest.raises(PartitionsFailedError, match=f"green {LATE[0]}: .*503"):
        hasty()
    assert [sync.recorded()[month] for month in LATE[:2]] == ["failed", "loaded"]
    assert sync()[1][LATE[0]] == "reconciled"
    assert [sync.recorded()[month] for month in LATE[:2]] == ["loaded", "loaded"]


def test_late_months_are_told_of_once(sync, tlc):
    tlc.publish(LATE[0])
    with webhook() as slack:
        sync = sync.with_settings(tlc_alert_slack_webhook=SecretStr(slack.url))
        sync(only_plan=True)
        assert slack.texts() == []
        for _ in range(2):
            sync()
    (told,) = slack.texts()
    assert "2 months late" in told
    assert all(f"green {month}: expected since " in told for month in LATE[1:])
    assert f"green {LATE[2]}: expected since {Month.parse(LATE[2]) + 3}" in told


def test_overdue_months_are_told_without_mage_and_without_asking_the_source(sync, tlc):
    """What cron starts: it tells of lateness also when no pipeline runs at all."""
    tlc.publish(LATE[0])
    sync()
    tlc.server.requests.clear()
    with webhook() as slack:
        sync = sync.with_settings(tlc_alert_slack_webhook=SecretStr(slack.url))
        with pytest.raises(PartitionsFailedError, match="2 months overdue") as failure:
            sync.require_none_overdue(Month.parse(LATE[0]))
        first_not_late = Month.parse(LATE[-1]) + 1
        assert "is overdue" in sync.require_none_overdue(first_not_late)
    (told,) = slack.texts()
    assert all(f"green {month}: expected since " in told for month in LATE[1:])
    assert all(month in str(failure.value) for month in LATE[1:])
    assert LATE[0] not in told
    assert tlc.server.requests == []
