"""What Mage's scheduler does with the project: triggers, backfills, failures, repairs."""

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import psutil
import pytest

from embedded.servers.mage import ROOT, until

pytestmark = pytest.mark.integration
ROWS = 400
PATIENCE = 600
"""Seconds: a busy machine is slow, and what goes well does not wait for them."""
PAGE = (ROOT / "docs" / "schedules.md").read_text("utf-8")


def command(scheduled, *words):
    """`make schedule-on` and its like."""
    return subprocess.run(
        [sys.executable, "-m", "mage_server.triggers", "--url", scheduled.server.url, *words],
        cwd=ROOT, env=scheduled.server.environment, text=True, check=True, capture_output=True,
    ).stdout  # fmt: skip


def call(scheduled, trigger):
    """Start a run as docs/schedules.md says: with curl, and nothing but the trigger's URL."""
    name = f"{trigger.upper()}_URL"
    (line,) = re.findall(rf"^\$ (curl .*{name}.*)$", PAGE, re.M)
    url = command(scheduled, "token", trigger).strip()
    answer = subprocess.run(
        ["bash", "-c", line], env={"PATH": os.environ["PATH"], name: url},
        text=True, check=True, capture_output=True,
    ).stdout  # fmt: skip
    return json.loads(answer)["pipeline_run"]["id"]


@pytest.fixture(scope="module", autouse=True)
def synced(scheduled):
    """The daily sync switched on and due in a moment: the other tests go on meanwhile."""
    scheduled.publish("fhv", "2024-06", ROWS)
    trigger = scheduled.server.trigger("tlc_sync", "daily_sync")
    # A cron expression has no seconds: one to two minutes are left to switch it on.
    due = datetime.now(UTC) + timedelta(minutes=2)
    change = {
        "id": trigger["id"],
        "schedule_interval": f"{due.minute} {due.hour} * * *",
        "variables": {"service": "fhv", "first_month": "2024-06"},
    }
    scheduled.server.put(f"pipeline_schedules/{trigger['id']}", {"pipeline_schedule": change})
    said = command(scheduled, "on", "daily_sync")
    assert said == f"daily_sync is on; it fires next at {due:%Y-%m-%d %H:%M}:00+00:00 (UTC)\n"
    return trigger["id"]


def children_of(server):
    """Of Mage's server, oldest first: the holder of the list of jobs, the scheduler, a kernel."""
    found = psutil.process_iter(["cmdline"])
    family = [one for one in found if str(server.project) in (one.info["cmdline"] or ())]
    (first,) = (one for one in family if one.parent() not in family)
    return sorted(first.children(), key=psutil.Process.create_time)


def status(scheduled, run):
    return scheduled.server.get(f"pipeline_runs/{run}")["pipeline_run"]["status"]


def loaded(scheduled, service, months):
    """Accepted rows per month, as every store has them."""
    first, last = f"{months[0]}-01", f"{months[-1]}-01"
    between = f"WHERE source_month BETWEEN '{first}' AND '{last}' GROUP BY 1 ORDER BY 1"
    in_postgres = scheduled.on.sql(
        f"SELECT to_char(source_month, 'YYYY-MM'), count(*) FROM {service} {between}"
    )
    folder = Path(tempfile.mkdtemp(dir=scheduled.published.parent))
    lake = scheduled.on.download(f"trips/service={service}/", folder)
    in_lake = duckdb.sql(
        f"SELECT strftime(source_month, '%Y-%m'), count(*) FROM read_parquet('{lake}/**/*.parquet')"
        f" {between}"
    ).fetchall()
    assert in_lake == in_postgres
    return dict(in_postgres)


def test_triggers_of_the_repository_are_there_and_time_triggers_off(scheduled):
    for pipeline, name in (("tlc_trips", "load_months"), ("backfill_fanout", "backfill_months")):
        scheduled.server.trigger(pipeline, name)  # waits until the scheduler has read it
    states = [line.split()[1:3] for line in command(scheduled, "list").splitlines()]
    active = {name for name, state in states if state == "active"}
    # The other tests switch daily_sync on.
    assert active - {"daily_sync"} == {"backfill_months", "sync_now", "load_months"}
    monthly = ("green", "yellow", "fhv", "fhvhv", "sync_of_all_months")
    assert {f"monthly_{of}" for of in monthly} <= {name for name, _ in states}


def test_an_api_trigger_loads_the_month_of_its_variables(scheduled):
    scheduled.publish("green", "2023-01", ROWS)
    run = scheduled.server.finished(call(scheduled, "load_months"), PATIENCE)
    assert run["status"] == "completed"
    assert 0 < loaded(scheduled, "green", ["2023-01"])["2023-01"] <= ROWS
    # What the run's page shows of a block: its run table, then rows.
    (landed,) = (block["id"] for block in run["block_runs"] if block["block_uuid"] == "land_trips")
    table, rows = scheduled.server.get(f"block_runs/{landed}/outputs")["outputs"]
    assert table["sample_data"]["rows"][0][:2] == ["green", "2023-01"]
    assert "lpep_pickup_datetime" in rows["sample_data"]["columns"]
    assert len(rows["sample_data"]["rows"]) == 100


def test_a_scheduler_that_lost_its_list_of_jobs_is_replaced_and_works(scheduled):
    """Mage's own lives on in vain: its runs say `running` for ever."""
    jobs, scheduler = children_of(scheduled.server)[:2]
    jobs.kill()
    scheduled.publish("green", "2023-01", ROWS, seed=5)
    run = scheduled.server.finished(call(scheduled, "load_months"), PATIENCE)
    assert run["status"] == "completed"
    assert not scheduler.is_running()


def test_the_backfill_page_loads_the_months_of_its_dates(scheduled):
    months = ["2023-02", "2023-03"]
    for month in months:
        scheduled.publish("green", month, ROWS)
    spring = {
        "name": "spring", "variables": {"service": "green"},
        "start_datetime": "2023-02-01 00:00:00", "end_datetime": "2023-03-01 00:00:00",
        "interval_type": "month", "interval_units": 1,
    }  # fmt: skip
    made = scheduled.server.post("pipelines/tlc_trips/backfills", {"backfill": spring})["backfill"]
    page = f"backfills/{made['id']}"
    scheduled.server.put(page, {"backfill": {"id": made["id"], "status": "initial"}})

    def ended():
        status = scheduled.server.get(page)["backfill"]["status"]
        return status if status in {"completed", "failed"} else None

    assert until(ended, "the backfill", seconds=PATIENCE) == "completed"
    assert list(loaded(scheduled, "green", months)) == months


def test_a_failing_month_leaves_the_others_loaded_and_a_retry_repairs_it(scheduled):
    months = ["2023-05", "2023-06", "2023-07"]
    good, bad, _ = (scheduled.publish("green", month, ROWS) for month in months)
    bad.write_bytes(good.read_bytes())
    run_id = call(scheduled, "backfill_months")
    run = scheduled.server.finished(run_id, PATIENCE)
    assert run["status"] == "failed"
    before = {block["block_uuid"]: block for block in run["block_runs"]}
    assert list(loaded(scheduled, "green", months)) == ["2023-05", "2023-07"]

    scheduled.publish("green", "2023-06", ROWS, seed=3)
    scheduled.server.put(
        f"pipeline_runs/{run_id}", {"pipeline_run": {"pipeline_run_action": "retry_blocks"}}
    )
    # Until the scheduler takes the blocks up, the run still shows how it ended before.
    until(lambda: status(scheduled, run_id) != "failed" or None, "the retry", seconds=PATIENCE)
    run = scheduled.server.finished(run_id, PATIENCE)
    assert run["status"] == "completed"
    after = {block["block_uuid"]: block for block in run["block_runs"]}
    assert list(loaded(scheduled, "green", months)) == months
    again = {name for name in after if after[name]["started_at"] != before[name]["started_at"]}
    assert again == {"load_partition:green_2023_06", "summarize_partitions"}


def test_two_runs_over_one_month_leave_it_once_in_every_store(scheduled):
    file = scheduled.publish("green", "2023-01", 5_000, seed=1)
    asked = len(scheduled.cdn.requests)
    scheduled.cdn.stall_next(6, after_bytes=file.stat().st_size // 2)
    variables = json.dumps({"service": "green", "months": "2023-01"})
    with ThreadPoolExecutor(1) as pool:
        by_hand = pool.submit(scheduled.on.run, "tlc_trips", variables)
        until(lambda: len(scheduled.cdn.requests) > asked or None, "mage run", seconds=PATIENCE)
        run_id = call(scheduled, "load_months")
        by_hand = by_hand.result()
    by_trigger = scheduled.server.finished(run_id, PATIENCE)
    logs = Path(scheduled.server.environment["MAGE_DATA_DIR"])
    logs = logs.rglob("pipelines/tlc_trips/.logs/*/*/reconcile_trips.log")
    newest = max(logs, key=lambda log: log.stat().st_mtime).read_text()
    said = [
        (by_hand.returncode == 0, re.findall(r"green 2023-01  (\w+)", by_hand.stdout)),
        (by_trigger["status"] == "completed", re.findall(r"green 2023-01  (\w+)", newest)),
    ]
    ended_well = [words for well, words in said if well]
    assert ["reconciled"] in ended_well
    assert all(words in (["reconciled"], ["unchanged"]) for words in ended_well)
    assert len(ended_well) == 2 or "another run" in by_hand.stdout + newest
    ((accepted, quarantined, reconciled),) = scheduled.on.sql(
        "SELECT rows_accepted, rows_quarantined, reconciled_at IS NOT NULL FROM ledger "
        "WHERE service = 'green' AND source_month = '2023-01-01'"
    )
    assert (accepted + quarantined, reconciled) == (5_000, True)
    assert loaded(scheduled, "green", ["2023-01"]) == {"2023-01": accepted}


def test_the_time_trigger_fires_and_loads_what_is_new(scheduled, synced):
    def ran():
        runs = scheduled.server.get(f"pipeline_schedules/{synced}/pipeline_runs")["pipeline_runs"]
        return next((run for run in runs if run["status"] in {"completed", "failed"}), None)

    run = until(ran, "the daily sync", seconds=PATIENCE)
    assert run["status"] == "completed"
    assert list(loaded(scheduled, "fhv", ["2024-06"])) == ["2024-06"]
    states = scheduled.on.sql(
        "SELECT state, count(*) FROM publication WHERE service = 'fhv' GROUP BY 1 ORDER BY 1"
    )
    assert dict(states)["loaded"] == 1
    assert command(scheduled, "off", "daily_sync") == "daily_sync is off\n"
