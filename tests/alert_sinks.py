"""Where alerts arrive in the tests: a webhook and a mail server that keep what they are sent."""

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

    def texts(self) -> list[str]:
        """Title and text of every message for Slack."""
        return [
            "\n".join(block["text"]["text"] for block in message["blocks"] if "text" in block)
            for message in self.received
        ]

    def answer(self, request: Request) -> Answer:
        self.received.append(json.loads(request.body))
        return Answer(self.answers.pop(0) if self.answers else 200)


@contextmanager
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    with serve(made.answer) as server:
        made.url = f"{server.url}/services/T0/B0/secret-of-the-webhook"
        yield made


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as a client needs to deliver, without encryption."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        super().__init__(("127.0.0.1", 0), _MailSession)

    @property
    def port(self) -> int:
        return self.server_address[1]


class _MailSession(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self._say("354 go on")
                self._receive()
            self._say("221 bye" if command == b"QUIT" else "250 ok")
            if command == b"QUIT":
                return

    def _receive(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.server.received.append(
            message_from_bytes(b"".join(lines).replace(b"\r\n", b"\n"), policy=policy.default)
        )

    def _say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server, running(server):
        yield server
