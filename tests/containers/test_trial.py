"""The image and the compose file, really built and run: `make test-containers`.

The tests are one story, in this order, on one compose project.
"""

import json
import os
import socket
import subprocess
import time
from dataclasses import replace
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from embedded.servers.mage import MageServer, until
from mage_server.api import MageApiError
from tests.containers.compose import EMULATORS, IMAGE, Compose, docker
from tests.containers.conftest import ROWS
from tests.integration.browser import PICTURES, sign_in, window
from tests.mage_editor import WHICH_SERVER, ask_postgres, expect_answer

pytestmark = [pytest.mark.containers, pytest.mark.xdist_group("containers")]
SERVERS = ("postgres", "gcs", "bigquery", "mage")
ONCE = ("secrets", "postgres-roles")


def month_rows(compose: Compose, month: str) -> int:
    return int(
        compose.sql(
            "select (select count(*) from tlc.green where source_month = m) + (select count(*) "
            f"from tlc.quarantine where source_month = m) from (values ('{month}'::date)) v (m)"
        )
    )


def ledger(compose: Compose) -> str:
    """Everything that a restart must not change."""
    return compose.sql("select * from tlc.ledger order by 1, 2, 3")


def run_by_api(compose: Compose, month: str) -> dict:
    """Run a month as the UI's button does."""
    mage = compose.mage()
    trigger = {"pipeline_schedule": {"name": f"trial {month}", "schedule_type": "api"}}
    made = mage.post("pipelines/tlc_trips/pipeline_schedules", trigger)["pipeline_schedule"]
    switch_on(mage, made["id"])
    run = {"pipeline_run": {"variables": {"service": "green", "months": month}}}
    began = mage.post(f"pipeline_schedules/{made['id']}/pipeline_runs", run)["pipeline_run"]
    return mage.finished(began["id"], seconds=600)


def switch_on(mage: MageServer, trigger: int) -> None:
    active = {"pipeline_schedule": {"id": trigger, "status": "active"}}
    mage.put(f"pipeline_schedules/{trigger}", active)


def test_all_is_healthy_and_the_one_time_jobs_succeeded(compose):
    assert {name: compose.health(name) for name in SERVERS} == dict.fromkeys(SERVERS, "healthy")
    for job in ONCE:
        assert compose.container(job)["State"]["ExitCode"] == 0, job


def test_a_one_shot_run_loads_a_month_into_the_postgres_of_another_container(compose):
    variables = json.dumps({"service": "green", "months": "2024-01"})
    said = compose(
        "run", "--rm", "--no-deps", "mage",
        "mage", "run", "mage_project", "tlc_trips", "--test", "--runtime-vars", variables,
    )  # fmt: skip
    assert "reconciled" in said
    assert month_rows(compose, "2024-01-01") == ROWS


def test_the_ui_loads_a_month_by_its_api(compose):
    assert run_by_api(compose, "2024-02")["status"] == "completed"
    assert month_rows(compose, "2024-02-01") == ROWS


@pytest.mark.parametrize("service", SERVERS)
def test_a_killed_container_comes_back_with_its_data(compose, service):
    before, rows = compose.container(service), ledger(compose)
    compose.kill(service)
    compose.wait_restarted(service, before)
    assert ledger(compose) == rows
    compose.run_pipeline("check_connections")


def test_mages_process_can_change_neither_code_nor_secrets(compose):
    for path in ("/app/nyc_tlc/jobs/trips.py", "/app/mage_project/x.py", "/run/secrets/nyc-tlc/x"):
        touched = subprocess.run(
            ["docker", "exec", compose.container("mage")["Id"], "touch", path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert touched.returncode != 0, path
    assert compose("exec", "-T", "mage", "id", "-u").strip() == "10001"
    assert "SUPERUSER_PASSWORD" not in compose("exec", "-T", "mage", "ls", "/run/secrets/nyc-tlc")


def test_the_file_tree_opens_the_blocks_and_changes_none(compose):
    mage, path = compose.mage(), "data_loaders/land_trips.py"
    shown = mage.get(f"file_contents/{quote(path, safe='')}")["file_content"]
    assert "@data_loader" in shown["content"]
    body = {"file_content": {**shown, "content": "changed"}}
    with pytest.raises(MageApiError):
        mage.put(f"file_contents/{quote(path, safe='')}", body)
    assert mage.get(f"file_contents/{quote(path, safe='')}")["file_content"] == shown


def test_the_file_tree_in_the_browser_opens_a_block_and_changes_none(compose, browser):
    mage = compose.mage()
    block = ("exec", "-T", "mage", "cat", "/data/mage_project/data_loaders/land_trips.py")
    before = compose(*block)
    with window(browser, sign_in(browser, mage), mage.url) as looking:
        page = looking.at("/files")
        page.get_by_text("data_loaders", exact=True).first.click()
        page.get_by_text("land_trips.py", exact=True).first.dblclick()
        shown = page.get_by_text("def land_trips").first
        expect(shown).to_be_visible()
        shown.click()
        page.keyboard.insert_text("# mine")
        with page.expect_response(lambda answer: answer.request.method == "PUT") as answer:
            page.keyboard.press("Control+S")
        assert "error" in answer.value.json()
        page.screenshot(path=PICTURES / "container-file-tree.png")
    assert compose(*block) == before


def test_no_secret_is_in_the_logs_nor_in_what_docker_shows(compose):
    secrets = compose("exec", "-T", "mage", "sh", "-c", "cat /run/secrets/nyc-tlc/[A-Z]*")
    values = [secrets[start : start + 32] for start in range(0, len(secrets), 32)]
    shown = compose("logs", "--no-color")
    shown += "".join(json.dumps(compose.container(name)) for name in (*SERVERS, "secrets"))
    assert len(values) == 5
    assert [value for value in values if value in shown] == []


def test_nothing_answers_but_on_this_machines_own_address(compose):
    for service in SERVERS:
        for bindings in compose.container(service)["NetworkSettings"]["Ports"].values():
            assert {binding["HostIp"] for binding in bindings or ()} <= {"127.0.0.1"}, service
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        outward = probe.getsockname()[0]
    for name in filter(lambda name: name.startswith("PUBLISH_"), compose.settings):
        port = int(compose.settings[name])
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((outward, port), timeout=5)


def test_each_role_of_postgres_can_do_its_own_and_no_more(compose):
    assert compose.sql("select count(*) > 0 from tlc.green", role="tlc_reader") == "t"
    for statement in ("delete from tlc.green", "create schema x", "create table tlc.x (a int)"):
        with pytest.raises(AssertionError, match="permission denied"):
            compose.sql(statement, role="tlc_reader")
    for role, database in (("tlc", "mage"), ("mage", "nyc_tlc"), ("tlc_reader", "mage")):
        with pytest.raises(AssertionError, match="permission denied for database"):
            compose.sql("select 1", role=role, database=database)


def test_down_and_up_keep_data_login_and_triggers(compose):
    mage, rows = compose.mage(), ledger(compose)
    switch_on(mage, mage.trigger("tlc_trips", "monthly_green")["id"])
    compose("down")
    compose.up()
    assert compose.mage().password == mage.password
    time.sleep(5)
    assert compose.mage().trigger("tlc_trips", "monthly_green")["status"] == "active"
    assert ledger(compose) == rows
    said = compose.run_pipeline("tlc_trips", service="green", months="2024-01,2024-02")
    assert said.count("unchanged") >= 2


def test_a_password_changed_in_env_reaches_the_database(compose):
    compose.write_env(POSTGRES_PASSWORD="'a $new one'")
    compose.up()
    assert compose.sql("select 1", role="tlc") == "1"
    compose.run_pipeline("check_connections")


def test_no_password_of_env_is_in_what_docker_shows(compose):
    given = {
        "POSTGRES_PASSWORD": "own-loader-password",
        "DEFAULT_OWNER_PASSWORD": "own-password-of-the-owner",
        "TLC_SMTP_PASSWORD": "own-password-of-the-mail",
        "AWS_SECRET_ACCESS_KEY": "own-key-of-the-lake",
    }
    compose.write_env(**given)
    compose.up()
    shown = [json.dumps(compose.container(name)) for name in (*SERVERS, *ONCE, "scheduler")]
    assert [value for value in given.values() if value in "".join(shown)] == []
    kept = compose("exec", "-T", "mage", "with-settings", "env")
    assert [value for value in given.values() if value not in kept] == []
    # Mage knew another one; the owner logs in with what .env says now.
    assert compose.mage().password == given["DEFAULT_OWNER_PASSWORD"]


def scheduling(compose: Compose) -> dict[str, bool]:
    """Which of the containers that run has Mage's scheduler."""
    asked = "import json, urllib.request as u; print(json.load(u.urlopen("
    asked += "'http://127.0.0.1:6789/api/status'))['statuses'][0]['scheduler_status'])"
    said = {}
    for name in ("mage", "scheduler"):
        words = ["docker", "exec", compose.container(name)["Id"], "python", "-c", asked]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        said[name] = done.stdout.strip() == "running"
    return said


def test_a_change_of_profiles_leaves_one_scheduler(compose):
    assert scheduling(compose) == {"mage": True, "scheduler": False}
    compose.write_env(COMPOSE_PROFILES="local,ui,scheduler")
    compose.up()
    assert scheduling(compose) == {"mage": False, "scheduler": True}
    assert run_by_api(compose, "2024-03")["status"] == "completed"
    assert month_rows(compose, "2024-03-01") == ROWS
    before = compose.container("scheduler")
    compose.kill("scheduler")
    compose.wait_restarted("scheduler", before)
    compose.write_env()
    compose.up()
    assert scheduling(compose) == {"mage": True, "scheduler": False}


@pytest.mark.parametrize("volume", ["mage-secrets", "postgres-secrets"])
def test_a_lost_volume_of_secrets_is_made_again(compose, volume):
    compose("down")
    docker("volume", "rm", f"{compose.name}_{volume}")
    compose.up()
    compose.run_pipeline("check_connections")
    assert compose.sql("select count(*) > 0 from tlc.green", role="tlc_reader") == "t"
    compose.mage()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"POSTGRES_USER": "postgres"}, "the superuser of this server"),
        ({"POSTGRES_DBNAME": "mage"}, "Mage's own"),
        ({"COMPOSE_PROFILES": "local,mgae"}, "did you mean mage?"),
    ],
    ids=["user", "database", "profile"],
)
def test_settings_that_cannot_work_are_refused_before_any_server_starts(compose, settings, reason):
    compose("down")
    compose.write_env(**settings)
    with pytest.raises(AssertionError, match="secrets"):
        compose("up", "--detach", "--no-build")
    assert reason in compose("logs", "secrets")
    assert compose("ps", "--services", "--status", "running").strip() == ""
    compose.write_env()


def test_a_wrong_host_is_not_healthy_and_triggers_are_switched_from_outside(compose):
    compose.write_env(POSTGRES_HOST="nowhere.invalid", POSTGRES_PASSWORD="any")
    compose("up", "--detach", "--no-build")
    until(lambda: compose.health("mage") == "unhealthy" or None, "mage is ill", seconds=180)
    assert "nowhere.invalid" in json.dumps(compose.container("mage")["State"]["Health"])
    compose.write_env()
    compose.up()
    assert "is on" in compose("exec", "-T", "mage", "triggers", "on", "daily_sync")
    assert "active" in compose("exec", "-T", "mage", "triggers", "list")


def test_what_is_made_in_the_browser_lies_in_the_checkout_and_belongs_to_its_owner(
    compose, browser
):
    project, files = compose.folder / "mage_project", ("docker-compose.dev.yml",)
    if (owner := os.getuid() or 1234) == 1234:
        docker("run", "--rm", "--user=0", "--cap-add=CHOWN", "--volume", f"{project}:/project",
               "--entrypoint=chown", EMULATORS, "-R", "1234:1234", "/project")  # fmt: skip
    compose("down")
    developing = replace(compose, files=(*compose.files, *files))
    developing.up()
    mage = developing.mage()
    mage.post("pipelines", {"pipeline": {"name": "mine", "type": "python"}})
    block = {"name": "first", "type": "data_loader", "language": "python", "content": "x = 1"}
    mage.post("pipelines/mine/blocks", {"block": block})
    mage.post("pipelines/tlc_trips/variables", {"variable": {"name": "months", "value": "2024-01"}})
    shown = mage.get(f"file_contents/{quote('data_loaders/land_trips.py', safe='')}")
    assert "def land_trips" in shown["file_content"]["content"]
    with window(browser, sign_in(browser, mage), mage.url) as looking:
        ask_postgres(looking.page, mage.url, "ask postgres")
        expect_answer(looking.page, developing.sql(WHICH_SERVER))
    made = [
        project / "pipelines" / "ask_postgres" / "metadata.yaml",
        project / "data_loaders" / "first.py",
        project / "pipelines" / "mine" / "metadata.yaml",
        project / "pipelines" / "tlc_trips" / "metadata.local.yaml",
    ]
    assert {file.stat().st_uid for file in made} == {owner}
    assert "/data/" not in "".join(file.read_text() for file in made)
    developing.run_pipeline("check_connections")
    developing("down")
    compose.up()
    assert compose.run_pipeline("check_connections")


def test_mage_says_little_while_idle_and_while_its_database_is_away(compose):
    def said(since: float) -> list[str]:
        return compose("logs", "--no-color", "--since", f"{since:.0f}", "mage").splitlines()

    began = time.time() + 5
    time.sleep(35)
    assert len(said(began)) <= 2
    compose("stop", "postgres")
    began = time.time()
    time.sleep(60)
    lines = said(began)
    assert 1 <= len(lines) <= 20
    assert "Mage's own database does not answer" in lines[0]
    assert not any("Traceback" in line for line in lines)
    # `up --wait` gives up at a container that is ill already; that one heals by itself.
    compose("up", "--detach", "--no-build")
    until(lambda: compose.health("mage") == "healthy" or None, "mage heals", seconds=180)


def test_no_server_starts_without_secrets(engine, checkout):
    started = subprocess.run(
        ["docker", "run", "--rm", IMAGE], capture_output=True, text=True, check=False, timeout=60
    )
    assert started.returncode != 0
    assert "DEFAULT_OWNER_PASSWORD" in started.stderr
    assert "Traceback" not in started.stderr


def test_mage_finds_the_one_io_config_whatever_the_checkout_had(engine, checkout):
    files = ("/app/io_config.yml", "/app/mage_project/io_config.yaml")
    docker("run", "--rm", "--entrypoint", "cmp", IMAGE, *files)
