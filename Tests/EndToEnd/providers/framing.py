"""How an answer is put on the wire: every way here carries the same text, and every client must read the same."""

import time

from harness.upstream import Connection

#: How a stream can be cut into packets and framed.
STREAM_FRAMINGS = ("plain", "crlf", "bytewise", "halves", "together", "pings", "until-close")
#: How a whole answer can be framed.
WHOLE_FRAMINGS = ("plain", "chunked", "bytewise", "until-close")

#: Between two packets that are to arrive as two reads. Longer than a read takes, short enough for a thousand bytes.
GAP = 0.0003


def head(status: str, content_type: str, *fields: tuple[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Framing:
    """Writes one answer. `name` is one of the framings above."""

    def __init__(self, connection: Connection, name: str):
        assert name in STREAM_FRAMINGS or name in WHOLE_FRAMINGS, name
        self.connection, self.name = connection, name
        #: What the dialect sends to keep a silent stream alive.
        self.ping = b": ping\n\n"
        self._waiting = b""

    def whole(self, status: str, content_type: str, body: bytes, *fields: tuple[str, str]) -> None:
        if self.name == "until-close":
            self.connection.send(head(status, content_type, ("connection", "close"), *fields) + body)
            return self.connection.sock.close()
        if self.name in ("chunked", "bytewise"):
            self.connection.send(head(status, content_type, ("transfer-encoding", "chunked"), *fields))
            step = 1 if self.name == "bytewise" else max(1, len(body) // 3)
            for start in range(0, len(body), step):
                self.connection.chunk(body[start : start + step])
                time.sleep(GAP)
            return self.connection.end_stream()
        self.connection.send(head(status, content_type, ("content-length", str(len(body))), *fields) + body)

    def begin(self, content_type: str = "text/event-stream", *fields: tuple[str, str]) -> None:
        length = ("connection", "close") if self.name == "until-close" else ("transfer-encoding", "chunked")
        self.connection.send(head("200 OK", content_type, length, *fields))

    def event(self, data: bytes) -> None:
        """Sends a whole event, with the blank line that ends it."""
        if self.name == "pings":
            data = self.ping + data
        if self.name == "crlf":
            data = data.replace(b"\n", b"\r\n")
        if self.name == "together":
            self._waiting += data
        elif self.name == "bytewise":
            for byte in data:
                self._part(bytes([byte]))
        elif self.name == "halves":
            middle = len(data) // 2
            self._part(data[:middle])
            self._part(data[middle:])
        else:
            self._send(data)

    def _part(self, data: bytes) -> None:
        if data:
            self._send(data)
            time.sleep(GAP)

    def _send(self, data: bytes) -> None:
        if self.name == "until-close":
            return self.connection.send(data)
        self.connection.chunk(data)

    def flush(self) -> None:
        if self._waiting:
            self._send(self._waiting)
        self._waiting = b""

    def end(self) -> None:
        self.flush()
        if self.name == "until-close":
            return self.connection.sock.close()
        self.connection.end_stream()
