"""Streams that never end by themselves, and clients that see when and how somebody else ended one."""

import json
import socket
import threading
import time
from contextlib import suppress

from . import processes, raw
from .upstream import Connection, Request, completion, delta
from .volery import Platform


def endless(connection: Connection, request: Request) -> None:
    """A word every 20 ms until the connection closes; what is not a stream is answered at once."""
    if not request.json().get("stream"):
        return connection.answer(completion(request))
    connection.begin_stream()
    while True:
        connection.event(delta(request, "word "))
        time.sleep(0.02)


def never(connection: Connection, request: Request) -> None:
    """Takes the request and says nothing."""
    connection.wait_for_close(120)


def spoken(stream: str) -> str:
    """The text of a chat stream, as curl prints it."""
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def open_stream(platform: Platform, model: str) -> socket.socket:
    """Asks for a stream, and leaves the reading to the test."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    sock = raw.connect(platform.port)
    sock.sendall(raw.request_bytes("POST", "/v1/chat/completions", platform.key, json.dumps(body).encode()))
    return sock


class OpenStream:
    """A chat stream, read on a thread of its own until it ends."""

    def __init__(self, port: int, key: str, model: str, headers: tuple[str, ...] = (), stream: bool = True):
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        self.text = b""
        self.words = 0
        #: On the clock of `time.monotonic()`; nil while it runs.
        self.ended: float | None = None
        self.sock = raw.connect(port, timeout=120)
        request = raw.request_bytes(
            "POST",
            "/v1/chat/completions",
            key,
            json.dumps(body).encode(),
            ["content-type: application/json", *headers],
        )
        self.sock.sendall(request)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError):
            while data := self.sock.recv(65536):
                self.text += data
                self.words = self.text.count(b'"content":')
                # The last chunk ends the answer, whether the connection stays open or not.
                if self.text.endswith(b"\r\n0\r\n\r\n") or self._is_whole():
                    break
        self.ended = time.monotonic()

    def _is_whole(self) -> bool:
        head, found, body = self.text.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        return bool(found) and b"content-length" in fields and len(body) >= int(fields[b"content-length"])

    @property
    def status(self) -> int:
        return int(self.text.split(b" ", 2)[1]) if self.text.startswith(b"HTTP/") else 0

    def wait_for_words(self, count: int = 3, seconds: float = 60) -> "OpenStream":
        processes.wait_until(lambda: self.words >= count, seconds, f"{count} words of a stream: {self.text[-500:]!r}")
        return self

    def wait_for_end(self, seconds: float = 60) -> float:
        """When it ended."""
        processes.wait_until(lambda: self.ended, seconds, f"the stream ends: {self.text[-500:]!r}", interval=0.005)
        return self.ended

    def close(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
