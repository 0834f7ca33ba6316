#!/usr/bin/env python3
"""Two promises, measured on the release binary, apart from the tests so that nothing else runs beside them:

- a client leaves while the upstream is silent: the upstream's connection closes within 100 ms;
- a client stops reading: the upstream is paused, and memory stays flat.

Exits 1 when one is broken.
"""

import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gateway"))
from systems import Volery, free_port, wait_for

TIMES = 50
BOUND = 0.100
FLOOD = 200 << 20
EVENT = (
    "data: "
    + json.dumps(
        {
            "id": "m",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": "x" * 8000}, "finish_reason": None}],
        }
    )
    + "\n\n"
).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Upstream:
    """Sends one event and then nothing, or events without an end; notes when its connection closes."""

    def __init__(self):
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.closed = threading.Semaphore(0)
        self.closed_at = 0.0
        self.sent = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        request = b""
        while b"messages" not in request:
            more = sock.recv(65536)
            if not more:
                return
            request += more
        try:
            sock.sendall(HEAD + framed(EVENT))
            if b"flood" in request:
                while self.sent < FLOOD:
                    sock.sendall(framed(EVENT))
                    self.sent += len(EVENT)
            while sock.recv(65536):
                pass
        except OSError:
            pass
        self.closed_at = time.monotonic()
        self.closed.release()


def open_stream(volery: Volery, text: str) -> socket.socket:
    body = json.dumps({"model": "silent", "stream": True, "messages": [{"role": "user", "content": text}]})
    port = int(volery.url.rpartition(":")[2])
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.sendall(
        (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {volery.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
        ).encode()
    )
    data = b""
    while b"data: " not in data:
        data += sock.recv(65536)
        assert data.startswith(b"HTTP/1.1 200"), data[:300]
    return sock


def time_to_close(volery: Volery, upstream: Upstream) -> float:
    sock = open_stream(volery, "wait")
    left = time.monotonic()
    sock.close()
    if not upstream.closed.acquire(timeout=10):
        raise SystemExit("the upstream's connection stayed open for 10 s after the client left")
    return upstream.closed_at - left


def slow_client(volery: Volery, upstream: Upstream) -> tuple[float, float]:
    """MiB that were taken from the upstream, and by which memory grew, while nobody read."""
    before = volery.resident_mib()
    upstream.sent = 0
    sock = open_stream(volery, "flood")

    def is_paused() -> bool:
        sent = upstream.sent
        time.sleep(1)
        return sent > 0 and upstream.sent == sent

    wait_for(is_paused, 30, "the upstream is paused")
    taken, grown = upstream.sent / (1 << 20), volery.resident_mib() - before
    sock.close()
    upstream.closed.acquire(timeout=10)
    return taken, grown


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="volery-disconnect-") as folder:
        upstream = Upstream()
        volery = Volery(Path(folder), None)
        try:
            volery.register("silent", upstream.port)
            times = sorted(time_to_close(volery, upstream) for _ in range(TIMES))
            taken, grown = slow_client(volery, upstream)
        finally:
            volery.stop()
    print(
        f"upstream closed after the client left: median {statistics.median(times) * 1000:.2f} ms, "
        f"worst of {TIMES}: {times[-1] * 1000:.2f} ms (bound {BOUND * 1000:.0f} ms)"
    )
    print(f"a client that stopped reading: {taken:.1f} MiB taken from the upstream, memory grew by {grown:.1f} MiB")
    if times[-1] > BOUND or taken > 40 or grown > 24:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
