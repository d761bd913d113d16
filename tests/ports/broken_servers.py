"""Servers that do not serve, each in a way of its own, on real sockets."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports.certificates import write_certificate

Talk = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Broken:
    """A system that cannot be asked.

    Attributes:
        url: Where it should be; ``{}`` is the place of the server.
        talk: What a server there does with a connection; None: there is none.
        says: What an operator has to read, with the same place.
        proxy: Address of a proxy that the environment names.
        passing: Whether trying again may help.
        whole: Every request fails, whatever it asks for; off: only a download does.
    """

    url: str
    says: str
    talk: Talk | None = None
    proxy: str = ""
    passing: bool = True
    whole: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)


def _says_nothing(client: socket.socket) -> None:
    with suppress(OSError):
        while client.recv(4096):
            pass


def _resets(client: socket.socket) -> None:
    client.recv(4096)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _hangs_up(client: socket.socket) -> None:
    client.recv(4096)


def answering(head: str, body: bytes = b"") -> Talk:
    """Answers every request with the same."""

    def talk(client: socket.socket) -> None:
        while b"\r\n\r\n" in client.recv(65_536):
            client.sendall(f"HTTP/1.1 {head}\r\n".encode() + b"\r\n" + body)
            if "Content-Length: 0" not in head:
                return

    return talk


def _stalls(client: socket.socket) -> None:
    answering("200 OK\r\nContent-Length: 1000", b"PAR1")(client)
    _says_nothing(client)


def _wants_no_tls(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def _in_tls(client: socket.socket) -> None:
    with suppress(OSError):
        _CONTEXT.wrap_socket(client, server_side=True).recv(4096)


_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
_TLC = "tlc.example"
_LOGIN = answering("407 Proxy Authentication Required\r\nContent-Length: 0")
_SILENT = "{} took the connection and said nothing more (time-out)"
_CLOSED = "{} closed the connection before its answer was complete (reset)"

UNREACHABLE = {
    "unknown host": Broken("http://tlc.invalid", "the name tlc.invalid does not resolve (DNS)"),
    "closed port": Broken(
        "http://127.0.0.1:1", "nothing listens at 127.0.0.1:1 (connection refused)"
    ),
    "untrusted certificate": Broken(
        "https://{}", "the certificate of {} is not trusted (TLS: self-signed certificate)",
        _in_tls, passing=False,
    ),
    "TLS to a plain port": Broken(
        "https://{}", "{} does not speak TLS", _wants_no_tls, passing=False,
    ),
    "proxy that asks for a login": Broken(
        f"http://{_TLC}", "the proxy {} asks for a login (407", _LOGIN, "http://{}", passing=False
    ),
    "proxy that asks for a login, of TLS": Broken(
        f"https://{_TLC}", "the proxy {} asks for a login (407", _LOGIN, "http://{}", passing=False
    ),
    "proxy that refuses": Broken(
        f"https://{_TLC}", f"the proxy {{}} does not let us through to {_TLC}:443 (403 Forbidden)",
        answering("403 Forbidden\r\nContent-Length: 0"), "http://{}", passing=False,
    ),
    "proxy that is not there": Broken(
        f"https://{_TLC}", "the proxy cannot be reached: nothing listens at 127.0.0.1:1",
        proxy="http://someone:secret@127.0.0.1:1",
    ),
    "proxy of an unknown name": Broken(
        f"http://{_TLC}", "the proxy cannot be reached: the name proxy.invalid does not resolve",
        proxy="http://proxy.invalid:3128",
    ),
    "proxy that says nothing": Broken(
        f"https://{_TLC}", f"{_TLC}:443 through the proxy {_SILENT}", _says_nothing, "http://{}"
    ),
    "server that says nothing": Broken("http://{}", _SILENT, _says_nothing),
    "server that says nothing, of TLS": Broken("https://{}", _SILENT, _says_nothing),
    "server that resets": Broken("http://{}", _CLOSED, _resets),
    "server that hangs up": Broken("http://{}", _CLOSED, _hangs_up),
}  # fmt: skip
"""What no HTTP client gets an answer of."""

REFUSING = {
    "body that stops": Broken(
        "http://{}", _CLOSED, answering("200 OK\r\nContent-Length: 1000", b"PAR1"), whole=False
    ),
    "body that stalls": Broken("http://{}", _SILENT, _stalls, whole=False),
    "redirects elsewhere": Broken(
        "http://{}", "sends us on to",
        answering("302 Found\r\nLocation: /again\r\nContent-Length: 0"), passing=False,
    ),
    **{
        f"status {status}": Broken(
            "http://{}", f"answered {status}", answering(f"{status} X\r\nContent-Length: 0"),
            passing=status in {429, 500},
        )
        for status in ("403 Forbidden", "404 Not Found", "500 Internal Server Error")
    },
    **{
        f"status {status}, later": Broken(
            "http://{}", "it asks to wait 120 s",
            answering(f"{status} X\r\nRetry-After: 120\r\nContent-Length: 0"),
        )
        for status in (429, 503)
    },
}  # fmt: skip
"""What answers, but not with a file."""


@contextmanager
def serving(broken: Broken, folder: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The address to ask, what has to be read of it, and the variables of the environment."""
    with ExitStack() as stack:
        place = "127.0.0.1:1"
        if broken.talk is not None:
            if broken.talk is _in_tls:
                _CONTEXT.load_cert_chain(write_certificate(folder / "nobody.pem"))
            place = f"127.0.0.1:{stack.enter_context(listening(broken.talk))}"
        proxy = broken.proxy.format(place)
        variables = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
        yield broken.url.format(place), broken.says.format(place), variables | {"NO_PROXY": ""}


@contextmanager
def listening(talk: Talk) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    threading.Thread(target=_talk, args=(talk, client), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            # Ends accept(), which close() alone does not.
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def _talk(talk: Talk, client: socket.socket) -> None:
    with client, suppress(OSError):
        talk(client)
