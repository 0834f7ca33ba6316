"""HTTP over a bare socket, for what a well-behaved client cannot send or would hide."""

import json
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


def connect(port: int, timeout: float = 60) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout)


def request_bytes(method: str, path: str, key: str, body: bytes = b"", headers: list[str] | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {key}"]
    lines += headers if headers is not None else ["content-type: application/json"]
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def read_answer(sock: socket.socket) -> Answer:
    """Reads one answer that has a content length or ends with the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError(f"closed before an answer: {data!r}")
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    length = headers.get("content-length")
    while length is None or len(body) < int(length):
        more = sock.recv(65536)
        if not more:
            break
        body += more
    return Answer(int(lines[0].split(" ")[1]), headers, body)


def send(port: int, data: bytes, timeout: float = 60) -> Answer:
    with connect(port, timeout) as sock:
        # Refused while it was still being sent; the answer is waiting.
        with suppress(ConnectionError):
            sock.sendall(data)
        return read_answer(sock)


def leave_politely(sock: socket.socket) -> None:
    """Closes as a client does that ends."""
    sock.close()


def leave_abruptly(sock: socket.socket) -> None:
    """Closes with a reset, as a client does whose machine lost it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
