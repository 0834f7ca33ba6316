"""A scripted upstream: an HTTP/1.1 server whose every byte, pause and break the test decides."""

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Request:
    """What the upstream was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    #: By which it came. An upstream's first one may be that of a question for its health.
    connection: "Connection | None" = field(default=None, repr=False)

    def json(self):
        return json.loads(self.body)


class Connection:
    """One accepted connection, in the hands of a script."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.sent = 0
        self._buffer = b""

    def read_request(self) -> Request | None:
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return None
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            if not self._fill():
                return None
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Request(method, path, headers, body, self)

    def _fill(self) -> bool:
        data = self.sock.recv(65536)
        self._buffer += data
        return bool(data)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)
        self.sent += len(data)

    def answer(
        self,
        body: bytes | dict,
        status: str = "200 OK",
        content_type: str = "application/json",
        length: int | None = None,
        **headers: str,
    ) -> None:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        head = [f"HTTP/1.1 {status}", f"content-type: {content_type}"]
        head.append(f"content-length: {len(data) if length is None else length}")
        head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send(("\r\n".join(head) + "\r\n\r\n").encode() + data)

    def begin_stream(self, status: str = "200 OK") -> None:
        self.send(
            f"HTTP/1.1 {status}\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )

    def chunk(self, data: bytes) -> None:
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def event(self, value: dict | str) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.chunk(f"data: {text}\n\n".encode())

    def end_stream(self) -> None:
        self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Closes with a TCP reset, as a process that was killed does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_for_close(self, seconds: float) -> bool:
        """Whether the other side closed within that time; anything it still sends is read and dropped."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True


Script = Callable[[Connection, Request], None]


def completion(request: Request, text: str = "four", prompt_tokens: int = 7, completion_tokens: int = 3) -> dict:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": request.json()["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def delta(request: Request, text: str | None, finish: str | None = None) -> dict:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": request.json()["model"],
        "choices": [{"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}],
    }


def usage_event(request: Request, prompt_tokens: int, completion_tokens: int) -> dict:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": request.json()["model"],
        "choices": [],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def well_behaved(connection: Connection, request: Request) -> None:
    """Answers like a runtime: whole or as a stream of three words, with usage when it was asked for."""
    body = request.json()
    if not body.get("stream"):
        return connection.answer(completion(request))
    connection.begin_stream()
    for word in ("one ", "two ", "three"):
        connection.event(delta(request, word))
    connection.event(delta(request, None, "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        connection.event(usage_event(request, 7, 3))
    connection.event("[DONE]")
    connection.end_stream()


@dataclass
class Upstream:
    """Serves every request with `script`, each connection on a thread of its own."""

    script: Script = well_behaved
    requests: list[Request] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> "Upstream":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.close_listener()
        for connection in self.connections:
            connection.sock.close()

    def close_listener(self) -> None:
        """From now on connections are refused."""
        try:
            # Wakes the accepting thread, which would otherwise keep the port open.
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(sock)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            while request := connection.read_request():
                if request.method == "GET":
                    # Somebody asks for its health.
                    connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    continue
                self.requests.append(request)
                self.script(connection, request)
        except OSError:
            pass
        finally:
            connection.sock.close()
