"""Where alerts arrive in the tests: a webhook and a mail server that keep what they are sent."""

from __future__ import annotations

import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from tests.ports.scripted_http import Answer, Request, running, serve


@dataclass
class Webhook:
    """Answers each request with the next of ``answers``, then with 200.

    Attributes:
        received: The JSON of every request.
    """

    url: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        self.received.append(json.loads(request.body))
        return Answer(self.answers.pop(0) if self.answers else 200)

    def texts(self) -> list[str]:
        """Title and text of every message for Slack."""
        return [
            "\n".join(block["text"]["text"] for block in message["blocks"] if "text" in block)
            for message in self.received
        ]


@contextmanager
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    with serve(hook.answer) as server:
        hook.url = f"{server.url}/services/T0/B0/secret-of-the-webhook"
        yield hook


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as a client needs to deliver, without encryption."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        super().__init__(("127.0.0.1", 0), _MailSession)
        self.port: int = self.server_address[1]


class _MailSession(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self._say("354 go on")
                lines = [line.removeprefix(b".") for line in iter(self.rfile.readline, b".\r\n")]
                text = b"".join(lines).replace(b"\r\n", b"\n")
                self.server.received.append(message_from_bytes(text, policy=policy.default))
            self._say("221 bye" if command == b"QUIT" else "250 ok")
            if command == b"QUIT":
                return

    def _say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server, running(server):
        yield server
