"""The systems that are measured, each as processes of its own, and what /proc says of them."""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VOLERY = Path(os.environ.get("VOLERY_BINARY") or ROOT / ".build/release/volery")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(check, seconds: float, what: str, pause: float = 0.02):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, ValueError):
            value = check()
            if value:
                return value
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(pause)


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command]


def process_tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{name}/stat").read_text()
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    found, queue = [pid], [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


class System:
    """A program under measurement, and all that it starts. `paced_url` is for those that need an address of its own."""

    name: str
    model = "mock"
    key = "none"

    def __init__(self, name: str, url: str, paced_url: str, process: subprocess.Popen):
        self.name, self.url, self.paced_url, self.process = name, url, paced_url, process

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def cpu_seconds(self) -> float:
        total = 0
        for pid in process_tree(self.process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident_mib(self) -> float:
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in process_tree(self.process.pid))
        return pages * PAGE / (1 << 20)

    def settle(self, requests: int) -> None:
        """Waits until what so many answered requests leave to be done is done."""

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def compiled(folder: Path, name: str) -> Path:
    binary = folder / name
    if not binary.exists():
        source = Path(__file__).with_name(f"{name}.c")
        subprocess.run(["cc", "-O2", "-o", str(binary), str(source)], check=True)
    return binary


class Mock:
    """The upstream: one process on several ports, which stand for as many deployments."""

    def __init__(self, folder: Path, core: int, pace_microseconds: int, ports: int):
        self.ports = [free_port() for _ in range(ports)]
        command = [str(compiled(folder, "mock")), str(pace_microseconds), *map(str, self.ports)]
        self.process = subprocess.Popen(pinned(core, command))
        wait_for(lambda: self.counts()["requests"], 5, "the mock")

    def counts(self) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/counts", timeout=5) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(5)


def start_mock(folder: Path, core: int, pace_microseconds: int) -> tuple[subprocess.Popen, int]:
    mock = Mock(folder, core, pace_microseconds, 1)
    return mock.process, mock.ports[0]


class Volery(System):
    """The platform as it is served: keys, usage journal, database, logs, metrics."""

    model = "bench"

    def __init__(self, folder: Path, core: int | None, settings: dict[str, str] | None = None):
        self.data_dir = folder / "data"
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.metrics_port = free_port()
        self.environment = os.environ | {"VOLERY_METRICS_PORT": str(self.metrics_port), "NO_COLOR": "1"}
        self.environment |= settings or {}
        command = [str(VOLERY), "serve", "--data-dir", str(self.data_dir), "--host", "127.0.0.1", "--port", str(port)]
        command.append("--no-default-models")
        with open(folder / "volery.log", "ab") as log:
            process = subprocess.Popen(
                command if core is None else pinned(core, command), stdout=log, stderr=log, env=self.environment
            )
        super().__init__("Volery", url, url, process)
        wait_for(lambda: urllib.request.urlopen(f"{url}/readyz", timeout=1).status == 200, 30, "volery serve")
        self.key = (self.data_dir / "initial-api-key").read_text().strip()

    def command(self, *arguments: str) -> str:
        command = [str(VOLERY), "--data-dir", str(self.data_dir), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=self.environment).stdout

    def register(self, model: str, port: int, protocol: str = "openai") -> None:
        self.command(
            *("registry", "register", "--model", model, "--endpoint", f"http://127.0.0.1:{port}/v1"),
            *("--protocol", protocol, "--upstream-model", "mock"),
        )

    def requests_recorded(self) -> int:
        """From the table itself: a soak leaves millions of rows, which the report takes long to add up."""
        place = f"file:{self.data_dir}/volery.db?mode=ro"
        with contextlib.closing(sqlite3.connect(place, uri=True, timeout=30)) as database:
            return database.execute("SELECT count(*) FROM usage").fetchone()[0]
