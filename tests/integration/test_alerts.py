"""What is reported of the runs of the scheduler and of `mage run`: each event once."""

import json
import re

import pytest
import requests

from embedded.servers.mage import until
from tests.alert_sinks import webhook

pytestmark = pytest.mark.integration


def run(scheduled, months: str, **limits: object) -> dict:
    """A run of tlc_trips as *Run@once* begins it."""
    server = scheduled.server
    once = {
        "name": f"once {months}", "schedule_type": "time", "schedule_interval": "@once",
        "start_time": "2026-01-01 00:00:00", "status": "active",
        "variables": {"service": "green", "months": months}, **limits,
    }  # fmt: skip
    made = server.post("pipelines/tlc_trips/pipeline_schedules", {"pipeline_schedule": once})
    runs = f"pipeline_schedules/{made['pipeline_schedule']['id']}/pipeline_runs"
    begun = until(
        lambda: next(iter(server.get(runs)["pipeline_runs"]), None), once["name"], seconds=300
    )
    return server.finished(begun["id"])


def reports_of(scheduled, text: str) -> list[str]:
    return [message for message in scheduled.alerts.texts() if text in message]


def errors_in_the_ui(scheduled, block_run: int) -> list[str]:
    """What the page of a block's log shows at ERROR level."""
    (logs,) = scheduled.server.get(f"pipelines/tlc_trips/logs?block_run_id[]={block_run}")["logs"]
    content = "\n".join(log["content"] for log in logs["block_run_logs"])
    entries = map(json.loads, re.findall(r"^\S+ ({.*})$", content, re.MULTILINE))
    return [entry["message"] for entry in entries if entry["level"] == "ERROR"]


def test_a_month_that_fails_under_the_scheduler_is_reported_once_with_its_reason(scheduled):
    scheduled.publish("green", "2019-08", 500).write_bytes(b"PAR1 and no more")
    ended = run(scheduled, "2019-08")
    assert ended["status"] == "failed"
    (failed,) = [block for block in ended["block_runs"] if block["status"] == "failed"]
    assert failed["block_uuid"] == "reconcile_trips"
    (error,) = errors_in_the_ui(scheduled, failed["id"])
    assert error.startswith("1 of 1 partitions failed; none is done: green 2019-08: ")
    assert "green_tripdata_2019-08.parquet is not a whole Parquet file" in error
    (message,) = reports_of(scheduled, "2019-08")
    assert message.startswith("NYC TLC: 1 month failed\ngreen 2019-08: ")
    assert "green_tripdata_2019-08.parquet" in message
    assert reports_of(scheduled, "tlc_trips failed") == []


def test_a_call_with_a_variable_that_nothing_reads_runs_no_step_and_is_reported_once(scheduled):
    scheduled.publish("green", "2022-01", 500)
    server, trigger = scheduled.server, scheduled.server.trigger("tlc_trips", "load_months")
    rotate = {"pipeline_schedule": {"id": trigger["id"], "rotate_token": True}}
    token = server.put(f"pipeline_schedules/{trigger['id']}", rotate)["pipeline_schedule"]["token"]
    variables = {"service": "green", "months": "2022-01", "forse": True}
    answer = requests.post(
        f"{server.url}/api/pipeline_schedules/{trigger['id']}/pipeline_runs/{token}",
        json={"pipeline_run": {"variables": variables}}, timeout=60,
    )  # fmt: skip
    ended = server.finished(answer.json()["pipeline_run"]["id"])
    assert ended["status"] == "failed"
    (failed,) = [block for block in ended["block_runs"] if block["status"] == "failed"]
    assert failed["block_uuid"] == "land_trips"
    (error,) = errors_in_the_ui(scheduled, failed["id"])
    assert "tlc_trips has no variable 'forse'" in error
    (message,) = reports_of(scheduled, "'forse'")
    assert message.startswith("NYC TLC: tlc_trips failed\n")
    assert "Nothing was started" in message
    assert not list(scheduled.on.lake.list("raw/service=green/year=2022/month=01/"))


def test_a_run_that_takes_too_long_is_told_and_then_ended(scheduled):
    scheduled.publish("green", "2019-11", 500)
    scheduled.cdn.stall_next(120)
    timeout = {"timeout": 8, "timeout_status": "failed"}
    assert run(scheduled, "2019-11", sla=1, settings=timeout)["status"] == "failed"
    (message,) = reports_of(scheduled, "takes longer than it should")
    assert message.startswith("NYC TLC: tlc_trips takes longer")
    assert "by trigger once 2019-11" in message
    assert "/pipelines/tlc_trips/runs/" in message


def test_mage_run_reports_what_failed_and_what_was_loaded(scheduled):
    scheduled.publish("green", "2019-09", 500).write_bytes(b"PAR1 and no more")
    scheduled.publish("green", "2019-10", 500)
    with webhook() as slack:
        ended = scheduled.on.run(
            "tlc_trips", '{"service": "green", "months": "2019-09:2019-10"}',
            TLC_ALERT_SLACK_WEBHOOK=slack.url, TLC_ALERT_ON_SUCCESS="true",
        )  # fmt: skip
    assert ended.returncode == 1
    assert slack.url not in ended.stdout
    failed, loaded = slack.texts()
    assert failed.startswith("NYC TLC: 1 month failed\ngreen 2019-09: ")
    assert loaded.startswith("NYC TLC: 1 month loaded\ngreen 2019-10: 500 rows")
