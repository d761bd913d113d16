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
MANY = Alert("NYC TLC: 500 months failed", tuple(f"{n:03}: {'why ' * 20}" for n in range(500)))


@pytest.fixture
def hook():
    with webhook() as server:
        yield server


@pytest.fixture
def mail():
    with mail_server() as server:
        yield server


def test_slack_gets_title_and_lines_and_never_more_than_it_takes(hook):
    for alert in (FAILED, MANY):
        SlackAlerts(hook.url).send(alert)
    assert hook.texts()[0] == "\n".join((FAILED.title, *FAILED.lines))
    assert hook.received[0]["text"] == FAILED.title
    text = hook.received[1]["blocks"][1]["text"]["text"]
    assert 2_700 < len(text) <= 3_000
    assert text.splitlines()[-1].startswith(f"… and {500 - len(text.splitlines()) + 1} more")


def test_teams_gets_a_card(hook):
    TeamsAlerts(hook.url).send(FAILED)
    (attachment,) = hook.received[0]["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    texts = [block["text"] for block in attachment["content"]["body"]]
    assert texts == [FAILED.title, *FAILED.lines]


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


def test_the_settings_choose_the_channels(hook, mail):
    essential = {f"POSTGRES_{name}": "tlc" for name in ("DBNAME", "USER", "PASSWORD")}
    essential["LAKE_URL"] = "lake"
    settings = Settings.load(
        essential
        | {
            "TLC_ALERT_SLACK_WEBHOOK": hook.url,
            "TLC_ALERT_TEAMS_WEBHOOK": hook.url,
            "TLC_ALERT_EMAIL_TO": "a@example.org,b@example.org",
            "TLC_ALERT_EMAIL_FROM": "tlc@example.org",
            "TLC_SMTP_HOST": "127.0.0.1",
            "TLC_SMTP_PORT": str(mail.port),
        }
    )
    assert "secret" not in repr(settings)
    connect_alerts(settings).send(MANY)
    connect_alerts(Settings.load(essential)).send(MANY)
    (message,) = mail.received
    assert len(hook.received) == 2
    assert (message["Subject"], message["From"]) == (MANY.title, "tlc@example.org")
    assert message["To"] == "a@example.org, b@example.org"
    assert message.get_content().splitlines() == list(MANY.lines)
