"""A provider that listens: the harness's scripted upstream in the hands of a dialect."""

import json
import socket

from harness.upstream import Connection, Request, Upstream

from .dialect import Dialect
from .framing import head
from .responses import play_response
from .scenarios import play


class ProviderServer(Upstream):
    """Serves a dialect. `requests` has what it was asked, with headers and bodies, wrong ones too.

    - Parameter key: whether the dialect's key is asked for.
    """

    def __init__(self, dialect: Dialect, key: bool = True):
        super().__init__(self._answer)
        self.dialect, self.asks_key = dialect, key
        #: A scenario that stands in for whatever the model's name says; a test may change it at any time.
        self.override: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.dialect.base}"

    @property
    def chats(self) -> list[Request]:
        return [request for request in self.requests if request.path == self.dialect.path]

    @property
    def faults(self) -> list[str]:
        """What of the requests broke the provider's rules."""
        return [request.fault for request in self.requests if hasattr(request, "fault")]

    def _answer(self, connection: Connection, request: Request) -> None:
        # Bytes that are written one by one must leave one by one.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.asks_key and self.dialect.key_of(request) != self.dialect.key:
            return self._refuse(connection, "wrong-key")
        if request.path == self.dialect.path:
            name = self.override or self.dialect.scenario(request.json().get("model", ""))
            return play(connection, request, self.dialect, name)
        if request.path == self.dialect.base + "/responses":
            return play_response(connection, request, self.override or request.json()["model"])
        other = self.dialect.other(request)
        if other is None:
            return self._refuse(connection, "no-model")
        is_text = isinstance(other, str)
        data = other.encode() if is_text else json.dumps(other).encode()
        kind = "text/plain; version=0.0.4; charset=utf-8" if is_text else "application/json"
        connection.send(head("200 OK", kind, ("content-length", str(len(data)))) + data)

    def _refuse(self, connection: Connection, kind: str) -> None:
        refusal = self.dialect.refusal(kind)
        length = ("content-length", str(len(refusal.data)))
        connection.send(head(refusal.status, refusal.content_type, length, *refusal.fields) + refusal.data)
