"""What /proc tells about processes: who descends from whom, who was started for a data folder, who holds how much."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition, seconds: float, what: str, interval: float = 0.02):
    """Polls until `condition()` is true and returns its value; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(interval)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def command_line(pid: int) -> str:
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    stat = _read(pid, "stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[0] != b"Z"


def everyone() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent(pid: int) -> int:
    stat = _read(pid, "stat")
    return int(stat.rpartition(b")")[2].split()[1]) if stat else 0


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for other in everyone():
        children.setdefault(parent(other), []).append(other)
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def started_for(folder: Path, except_pids: set[int] = frozenset()) -> dict[int, str]:
    """Living processes that name the folder in their command line or environment, or stand in it."""
    text = str(folder).encode()
    found = {}
    for pid in everyone():
        if pid == os.getpid() or pid in except_pids or not is_alive(pid):
            continue
        try:
            where = os.readlink(f"/proc/{pid}/cwd").encode()
        except OSError:
            where = b""
        if text in _read(pid, "cmdline") or text in _read(pid, "environ") or where.startswith(text):
            found[pid] = command_line(pid)
    return found


def time_lost(*pids: int) -> Callable[[], float]:
    """Tells, when it is called, for how many seconds threads of these processes and of this one were ready to run since
    now, and others had the processors. A limit in real time is what the product promises where it gets them; what the
    machine gave to others meanwhile is added to it."""
    pids += (os.getpid(),)
    before = sum(map(_nanoseconds_ready, pids))
    return lambda: max(0, sum(map(_nanoseconds_ready, pids)) - before) / 1e9


def _nanoseconds_ready(pid: int) -> int:
    """The second figure of each thread's schedstat. Of a thread that ended there is none any more."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return 0
    return sum(int(fields[1]) for thread in threads if (fields := _read(pid, f"task/{thread}/schedstat").split()))


def resident_bytes(pid: int) -> int:
    fields = _read(pid, "statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0
