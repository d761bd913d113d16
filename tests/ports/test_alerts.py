"""Every channel delivers, and none can end a run or tell its secret."""

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
def slack():
    with webhook() as server:
        yield server


@pytest.fixture
def mail():
    with mail_server() as server:
        yield server


def email_alerts(port: int, **values: str) -> EmailAlerts:
    return EmailAlerts(
        host="127.0.0.1", port=port, sender="tlc@example.org",
        recipients=("a@example.org", "b@example.org"),
        **{"user": None, "password": None, **values},
    )  # fmt: skip


def test_slack_gets_title_and_every_line_as_they_are(slack):
    SlackAlerts(slack.url).send(FAILED)
    assert slack.texts() == ["\n".join((FAILED.title, *FAILED.lines))]
    assert slack.received[0]["text"] == FAILED.title


def test_slack_never_gets_more_than_it_takes_and_is_told_how_many_are_left_out(slack):
    SlackAlerts(slack.url).send(MANY)
    text = slack.received[0]["blocks"][1]["text"]["text"]
    assert 2_700 < len(text) <= 3_000
    *named, rest = text.splitlines()
    assert rest == f"… and {500 - len(named)} more: the log of the run has them all"


def test_teams_gets_a_card(slack):
    TeamsAlerts(slack.url).send(FAILED)
    (attachment,) = slack.received[0]["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    texts = [block["text"] for block in attachment["content"]["body"]]
    assert texts == [FAILED.title, *FAILED.lines]


def test_email_reaches_every_recipient_whole(mail):
    email_alerts(mail.port).send(MANY)
    (message,) = mail.received
    assert (message["Subject"], message["From"]) == (MANY.title, "tlc@example.org")
    assert message["To"] == "a@example.org, b@example.org"
    assert message.get_content().split("\n")[:-1] == list(MANY.lines)


def test_a_password_is_not_sent_in_the_clear(mail):
    with pytest.raises(smtplib.SMTPNotSupportedError):
        email_alerts(mail.port, user="me", password="secret").send(FAILED)
    assert mail.received == []


def test_a_webhook_that_is_busy_is_asked_again(slack):
    slack.answers = [503, 429]
    SlackAlerts(slack.url).send(FAILED)
    assert len(slack.received) == 3


@pytest.mark.parametrize("answer", [404, None], ids=["refused", "not there"])
def test_a_channel_that_fails_is_logged_without_its_secret_and_the_others_get_it(
    answer, slack, mail, caplog
):
    address = slack.url if answer else "http://127.0.0.1:9/secret-of-the-webhook"
    slack.answers = [404]
    with caplog.at_level(logging.DEBUG):
        AlertChannels([SlackAlerts(address), email_alerts(mail.port)]).send(FAILED)
    assert len(mail.received) == 1
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"
                  and record.name.startswith("nyc_tlc")]  # fmt: skip
    assert "did not reach SlackAlerts" in warning
    assert "secret-of-the-webhook" not in warning


ESSENTIAL = {
    "POSTGRES_DBNAME": "tlc",
    "POSTGRES_USER": "tlc",
    "POSTGRES_PASSWORD": "tlc",
    "LAKE_URL": "lake",
}


def test_the_settings_choose_the_channels(slack, mail):
    settings = Settings.load(
        ESSENTIAL
        | {
            "TLC_ALERT_SLACK_WEBHOOK": slack.url,
            "TLC_ALERT_TEAMS_WEBHOOK": slack.url,
            "TLC_ALERT_EMAIL_TO": "a@example.org,b@example.org",
            "TLC_ALERT_EMAIL_FROM": "tlc@example.org",
            "TLC_SMTP_HOST": "127.0.0.1",
            "TLC_SMTP_PORT": str(mail.port),
        }
    )
    assert "secret" not in repr(settings)
    connect_alerts(settings).send(FAILED)
    assert (len(slack.received), len(mail.received)) == (2, 1)
    assert mail.received[0]["To"] == "a@example.org, b@example.org"
    connect_alerts(Settings.load(ESSENTIAL)).send(FAILED)
    assert (len(slack.received), len(mail.received)) == (2, 1)
