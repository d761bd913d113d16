"""Alerts to Slack, Microsoft Teams and e-mail."""

import logging
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from nyc_tlc.core.runs.alerts import Alert
from nyc_tlc.ports.alerts import Alerts

_logger = logging.getLogger(__name__)
# It logs every further try with the path, and that of a webhook is its secret.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
_TIMEOUT = 10
_SLACK_LIMIT = 3000
"""Characters of a section: Slack refuses the message if it has more (read 2026-11)."""
_TEAMS_LIMIT = 20_000
"""Of a message's 28 KB, read 2026-11."""
_EMAIL_LIMIT = 1_000_000


@dataclass(frozen=True)
class SlackAlerts:
    """An incoming webhook of Slack."""

    webhook: str

    def send(self, alert: Alert) -> None:
        texts = {"header": alert.title, "section": alert.text(_SLACK_LIMIT)}
        blocks = [
            {"type": kind, "text": {"type": "plain_text", "text": text}}
            for kind, text in texts.items()
        ]
        _post(self.webhook, {"text": alert.title, "blocks": blocks})


@dataclass(frozen=True)
class TeamsAlerts:
    """A webhook of a Teams workflow, which takes adaptive cards."""

    webhook: str

    def send(self, alert: Alert) -> None:
        texts = (alert.title, *alert.text(_TEAMS_LIMIT).split("\n"))
        body = [{"type": "TextBlock", "text": text, "wrap": True} for text in texts]
        body[0]["weight"] = "bolder"
        card = {"type": "AdaptiveCard", "version": "1.4", "body": body}
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        _post(self.webhook, {"type": "message", "attachments": [attachment]})


@dataclass(frozen=True)
class EmailAlerts:
    """An SMTP server; the connection is encrypted where the server offers it.

    Attributes:
        user: None for a server that needs no login.
    """

    host: str
    port: int
    user: str | None
    password: str | None
    sender: str
    recipients: tuple[str, ...]

    def send(self, alert: Alert) -> None:
        message = EmailMessage()
        message["Subject"] = alert.title
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message.set_content(alert.text(_EMAIL_LIMIT))
        with smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT) as server:
            server.ehlo()
            # Always with a user: a password is never sent in the clear.
            if self.user or server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, self.password or "")
            server.send_message(message)


@dataclass(frozen=True)
class AlertChannels:
    """Every channel that is configured."""

    channels: Sequence[Alerts]

    def send(self, alert: Alert) -> None:
        for channel in self.channels:
            try:
                channel.send(alert)
            except (OSError, smtplib.SMTPException) as error:
                # Never its text: it has the webhook's address, which is a secret.
                answer = getattr(error, "response", None)
                status = f" {answer.status_code}" if answer is not None else ""
                _logger.warning(
                    "the alert %r did not reach %s (%s). The run goes on; correct the TLC_ALERT_… "
                    "or TLC_SMTP_… settings.",
                    alert.title,
                    type(channel).__name__,
                    f"{type(error).__name__}{status}",
                )


def _post(webhook: str, payload: dict[str, Any]) -> None:
    retry = Retry(3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504),
                  allowed_methods=None, raise_on_status=False)  # fmt: skip
    with requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        session.post(webhook, json=payload, timeout=_TIMEOUT).raise_for_status()
