"""Streams that stay open while their upstream says nothing: what they hold in memory, and how fast one ends."""

import contextlib
import resource
import select
import socket
import time

from loads import Request
from systems import Mock, System

# A proxy holds two descriptors for a stream: its client's and its upstream's.
SPARE_DESCRIPTORS = 400
OPENING_AT_ONCE = 64
FIRST_EVENT = b"data: "


class Held(Exception):
    """Not all streams could be opened, and what happened."""


def raise_descriptor_limit() -> int:
    """Of this process and all that it starts, as far as it may go."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def streams_that_fit(wanted: int, descriptors: int) -> int:
    return min(wanted, (descriptors - SPARE_DESCRIPTORS) // 200 * 100)


class OpenStreams:
    """Streams of one system. Each of eight loopback addresses has its own local ports to connect from."""

    def __init__(self, system: System):
        self.system, self.sockets = system, []
        # The mock tells by it which stream closed: a peer may close others long after their clients left.
        self.number = 1 + time.monotonic_ns() // 1000 % 1_000_000_000
        request = Request(system.model, system.key, f"silent-{self.number}")
        self.request = request.encoded(f"127.0.0.1:{system.port}")

    def grow(self, count: int, seconds: float) -> None:
        """Opens streams until there are `count`, some at a time. Raises Held when one is refused, or time is over."""
        deadline = time.monotonic() + seconds
        waiting: dict[int, tuple[socket.socket, bytes]] = {}
        poller = select.epoll()
        with contextlib.closing(poller):
            while len(self.sockets) < count:
                while len(waiting) < min(OPENING_AT_ONCE, count - len(self.sockets)):
                    sock = self._connect(len(self.sockets) + len(waiting))
                    waiting[sock.fileno()] = (sock, b"")
                    poller.register(sock, select.EPOLLIN)
                for number, _ in poller.poll(max(0.0, deadline - time.monotonic())):
                    self._read(number, waiting, poller)
                if time.monotonic() > deadline:
                    for sock, _ in waiting.values():
                        sock.close()
                    raise Held(f"{len(self.sockets):,} of {count:,} streams were open after {seconds:.0f} s")

    def _connect(self, number: int) -> socket.socket:
        try:
            sock = socket.create_connection(("127.0.0.1", self.system.port), 10, (f"127.0.0.{2 + number % 8}", 0))
            sock.sendall(self.request)
        except OSError as error:
            raise Held(f"{len(self.sockets):,} streams were open, then: {error}") from None
        return sock

    def _read(self, number: int, waiting: dict[int, tuple[socket.socket, bytes]], poller: select.epoll) -> None:
        sock, data = waiting[number]
        try:
            more = sock.recv(4096)
        except OSError as error:
            more, data = b"", data or str(error).encode()
        data += more
        if not more or not b"HTTP/1.1 200".startswith(data[:12]):
            raise Held(f"{len(self.sockets):,} streams were open, then: {data[:200].decode(errors='replace')!r}")
        waiting[number] = (sock, data)
        if FIRST_EVENT in data:
            poller.unregister(number)
            self.sockets.append(waiting.pop(number)[0])

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


def settled_mib(system: System) -> float:
    """What has just been opened or answered is done with first."""
    time.sleep(1)
    return system.resident_mib()


def memory(system: System, counts: list[int], seconds: float) -> dict:
    """RSS of a system that has just been started and warmed up, idle and with so many open streams."""
    result = {"rss_idle": settled_mib(system), "rss_streams": {}}
    streams = OpenStreams(system)
    try:
        for count in counts:
            streams.grow(count, seconds)
            result["rss_streams"][str(count)] = settled_mib(system)
    except Held as reason:
        result["held"] = f"{reason}; RSS was {system.resident_mib():,.0f} MiB then"
    finally:
        streams.close()
    return result


def milliseconds_until_closed(system: System, mock: Mock, seconds: float) -> float | None:
    """From a client's leaving until the silent upstream's connection is closed; None when it stays open for longer."""
    streams = OpenStreams(system)
    streams.grow(1, 10)
    left = time.monotonic_ns()
    streams.close()
    deadline, pause = time.monotonic() + seconds, 0.004
    while time.monotonic() < deadline:
        # The upstream shares this core, and notes the time itself: it must have its turn before it is asked.
        time.sleep(pause)
        counts = mock.counts()
        if counts["closed"] == streams.number:
            return (counts["closed_at"] - left) / 1e6
        pause = min(0.1, pause * 2)
    return None


def leave(system: System, mock: Mock, times: int, seconds: float = 5) -> dict:
    found = []
    for _ in range(times):
        try:
            value = milliseconds_until_closed(system, mock, seconds)
        except Held as reason:
            return {"gone": str(reason)}
        if value is None:
            return {"gone": f"open after {seconds:.0f} s"}
        found.append(value)
    system.settle(times)
    found.sort()
    return {"gone_p50_ms": found[len(found) // 2], "gone_p99_ms": found[min(len(found) - 1, len(found) * 99 // 100)]}
