"""Every channel delivers, and none can end a run or reveal its secret."""

import logging
import smtplib

import pytest

from nyc_tlc.adapters.alerts import AlertChannels, EmailAlerts, SlackAlerts, TeamsAlerts
from nyc_tlc.core.runs.alerts import Alert
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_alerts
from tests.alert_sinks import mail_server, webhook

FAILED = Alert(
    "NYC TLC: 2 months failed",
    ("green 2024-03: no such file. Run it again.", "green 2024-04: <cut & short>."),
)
TEXTS = [FAILED.title, *FAILED.lines]


@pytest.fixture
def hook():
    with webhook() as server:
        yield server


@pytest.fixture
def mail():
    with mail_server() as server:
        yield server


def test_the_channels_of_the_settings_get_title_and_lines(hook, mail):
    settings = {f"postgres_{name}": "tlc" for name in ("host", "dbname", "user", "password")}
    channels = {
        "tlc_alert_slack_webhook": hook.url, "tlc_alert_teams_webhook": hook.url,
        "tlc_alert_email_from": "tlc@example.org",
        "tlc_alert_email_to": "a@example.org,b@example.org",
        "tlc_smtp_host": "127.0.0.1", "tlc_smtp_port": mail.port,
    }  # fmt: skip
    for chosen in (channels, {}):
        loaded = Settings(lake_url="./lake", **settings, **chosen)
        assert "secret" not in repr(loaded)
        connect_alerts(loaded).send(FAILED)
    slack, teams = hook.received
    assert slack["text"] == FAILED.title
    assert [block["text"]["text"] for block in slack["blocks"]] == [TEXTS[0], "\n".join(TEXTS[1:])]
    (attachment,) = teams["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [block["text"] for block in attachment["content"]["body"]] == TEXTS
    (message,) = mail.received
    assert (message["Subject"], message["From"]) == (FAILED.title, "tlc@example.org")
    assert message["To"] == "a@example.org, b@example.org"
    assert message.get_content().splitlines() == list(FAILED.lines)


def test_slack_never_gets_more_than_it_takes(hook):
    many = Alert("500 months", tuple(f"{n:03}: {'why ' * 20}" for n in range(500)))
    SlackAlerts(hook.url).send(many)
    text = hook.received[0]["blocks"][1]["text"]["text"]
    assert 2_700 < len(text) <= 3_000
    assert text.splitlines()[-1].startswith(f"… and {500 - len(text.splitlines()) + 1} more")


def test_a_password_is_not_sent_in_the_clear(mail):
    channel = EmailAlerts("127.0.0.1", mail.port, "me", "secret", "a@example.org", ("b@c.org",))
    with pytest.raises(smtplib.SMTPNotSupportedError):
        channel.send(FAILED)
    assert mail.received == []


def test_a_webhook_that_is_busy_is_asked_again(hook):
    hook.answers = [503, 429]
    SlackAlerts(hook.url).send(FAILED)
    assert len(hook.received) == 3


@pytest.mark.parametrize("address", [None, "http://127.0.0.1:9/secret-of-the-webhook"])
def test_a_channel_that_fails_is_logged_without_its_secret_and_the_others_get_it(
    address, hook, caplog
):
    hook.answers = [404] if address is None else []
    channels = [SlackAlerts(address or hook.url), TeamsAlerts(hook.url)]
    with caplog.at_level(logging.DEBUG):
        AlertChannels(channels).send(FAILED)
    assert "attachments" in hook.received[-1]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"
                  and record.name.startswith("nyc_tlc")]  # fmt: skip
    assert "did not reach SlackAlerts" in warning
    assert "secret-of-the-webhook" not in warning
