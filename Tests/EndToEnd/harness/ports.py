"""Ports for servers that a test starts."""

import os
import socket
from pathlib import Path

_handed_out: set[int] = set()


def free_port() -> int:
    """A port that nobody gets twice, and that the system never hands out by itself: between here and its server nobody
    takes it, what restarts on it finds it free, and a client that tries it meanwhile does not connect to itself, as
    happens on ports of the ephemeral range."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    # Another place for each run, since two of them may share a machine.
    for port in range(lowest - 1 - os.getpid() % 4000 * 2, 1024, -1):
        if port in _handed_out:
            continue
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise AssertionError("no free port below the ephemeral range")
