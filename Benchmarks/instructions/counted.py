"""The release binary under callgrind: what it executes for each request, and for each chunk of a stream.

callgrind counts instructions and not time, so that a busy machine changes little. A request is counted in two parts:
until the last one is answered and in the journal, which is its own path, and then until all are stored and settled,
which the shipper does in batches. What the platform does when nobody asks is counted too, and taken off.
"""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gateway"))

from systems import VOLERY, System, Volery, free_port, start_mock, wait_for  # noqa: E402

SYSTEM_CORE, LOAD_CORE = 0, 1
CLIENTS = 64
EVENTS = 64
# Between two events of a paced stream, so that the platform, slow as it is here, reads each by itself.
PACE_MICROSECONDS = 200_000
SHIPPED = "volery_journal_shipped_records_total"
LAG = "volery_journal_lag_records"
# Of the journal's shipper: callgrind makes the platform some fifty times slower, and its clock not. With the usual
# 200 ms a batch would hold a dozen requests, and not the hundreds that it holds under load. All requests of a round are
# answered between two of its turns, so that the two parts can be told apart.
INTERVAL_SECONDS = 45
STORED_SECONDS = 20
IDLE_SECONDS = 10


class Counted(Volery):
    """The platform under callgrind, which counts only between `begin` and `end`."""

    def __init__(self, folder: Path, binary: Path, shim: Path):
        folder.mkdir()
        self.folder, self.binary, self.data_dir = folder, binary, folder / "data"
        port, metrics = free_port(), free_port()
        url = f"http://127.0.0.1:{port}"
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        self.environment = os.environ | {
            "VOLERY_METRICS_PORT": str(metrics),
            "VOLERY_JOURNAL_INTERVAL": f"{INTERVAL_SECONDS}s",
            "NO_COLOR": "1",
        }
        command = ["taskset", "-c", str(SYSTEM_CORE), "valgrind", "--tool=callgrind", "--instr-atstart=no"]
        command += ["--fair-sched=try", f"--callgrind-out-file={folder}/callgrind.out", str(binary), "serve"]
        command += ["--data-dir", str(self.data_dir), "--host", "127.0.0.1", "--port", str(port), "--no-default-models"]
        with open(folder / "volery.log", "ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment | {"LD_PRELOAD": str(shim)}
            )
        System.__init__(self, "Volery", url, url, process)
        wait_for(lambda: urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200, 180, "volery serve")
        self.key = (self.data_dir / "initial-api-key").read_text().strip()

    def command(self, *arguments: str) -> str:
        command = [str(VOLERY), "--data-dir", str(self.data_dir), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=self.environment).stdout

    def control(self, *arguments: str) -> None:
        subprocess.run(["callgrind_control", *arguments, str(self.process.pid)], check=True, capture_output=True)

    def metric(self, name: str) -> float:
        text = urllib.request.urlopen(self.metrics_url, timeout=60).read().decode()
        rows = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, rows))

    def begin(self) -> None:
        self.control("-i", "on")
        self.dump()

    def dump(self) -> tuple[int, Path]:
        """What was counted since the last time, and the largest file that says so."""
        before = set(self.folder.glob("callgrind.out.*"))
        self.control("-d")
        new = wait_for(lambda: set(self.folder.glob("callgrind.out.*")) - before, 60, "a dump of callgrind")

        def total(path: Path) -> int:
            found = re.search(r"^totals: (\d+)", path.read_text(errors="replace"), re.MULTILINE)
            return int(found.group(1)) if found else 0

        return sum(map(total, new)), max(new, key=total)


def ask(system: Counted, model: str, count: int, stream: bool) -> None:
    """As many at a time as there are clients, each on one connection; then waits until the last ones are stored."""
    body = json.dumps({
        "model": model,
        "stream": stream,
        # What the mock says that it used is within what is held for this.
        "max_tokens": 256,
        # The mock paces where the body says so; the model's name is rewritten on the way.
        "messages": [{"role": "user", "content": (f"{model} " if model == "paced" else "") + "Hello. " * 72}],
    })
    headers = {"authorization": f"Bearer {system.key}", "content-type": "application/json"}

    def client(requests: int) -> None:
        connection = http.client.HTTPConnection(system.url.removeprefix("http://"), timeout=300)
        for _ in range(requests):
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {text[:500]!r}")
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, [len(range(number, count, CLIENTS)) for number in range(CLIENTS)]))


def measure(system: Counted, count: int, rounds: int, stream: bool) -> tuple[list[dict[str, float]], list[Path]]:
    """Instructions for each request, of each round and part; and the last round's trees of calls."""
    rows, trees = [], []
    ask(system, "bench", 2 * CLIENTS, stream)
    system.begin()
    for _ in range(rounds):
        turn = shipping(system, stream)
        shipped = system.metric(SHIPPED)
        system.dump()
        began = time.monotonic()
        ask(system, "bench", count, stream)
        took = time.monotonic() - began
        own, own_tree = system.dump()
        if time.monotonic() > turn + INTERVAL_SECONDS:
            raise SystemExit(f"{count} requests took {took:.0f} s, longer than the shipper waits; ask for fewer")
        rest = turn + INTERVAL_SECONDS + STORED_SECONDS - time.monotonic()
        time.sleep(rest)
        later, later_tree = system.dump()
        # Looked at only now: a look costs more than a request.
        if system.metric(SHIPPED) < shipped + count or system.metric(LAG):
            raise SystemExit("not all is stored in time; the figures mean nothing")
        system.dump()
        time.sleep(IDLE_SECONDS)
        idle = system.dump()[0] / IDLE_SECONDS
        rows.append({"path": (own - idle * took) / count, "stored": (later - idle * rest) / count})
        trees = [own_tree, later_tree]
    system.control("-i", "off")
    return rows, trees


def shipping(system: Counted, stream: bool) -> float:
    """Waits for a turn of the shipper. Returns when it was over."""
    before = system.metric(SHIPPED)
    ask(system, "bench", 1, stream)
    wait_for(lambda: system.metric(SHIPPED) > before and not system.metric(LAG), 180, "a turn of the shipper")
    return time.monotonic()


def set_money(system: Counted, model: str) -> None:
    keys = json.loads(system.command("keys", "list", "--json"))
    key = (keys["data"] if isinstance(keys, dict) else keys)[0]
    workspace = ("--workspace", key.get("workspace") or key["workspace_id"])
    system.command(
        *("prices", "set", "--model", model, "--input", "0.15", "--output", "0.6", "--per", "1m"),
        *("--currency", "USD"),
    )
    system.command(
        *("budgets", "set", *workspace, "--amount", "1000000", "--currency", "USD", "--period", "month", "--hard")
    )
    system.command(*("limits", "set", "--key", key["id"], "--rpm", "10000000", "--tpm", "1000000000"))


def chunk(system: Counted, request: float, streams: int = 2 * CLIENTS) -> float:
    """Instructions for each event of streams from the model `paced`.

    `request` is what a whole answer takes: a stream takes that too, and what is above it is its events'.
    """
    ask(system, "paced", CLIENTS, True)
    system.control("-i", "on")
    shipping(system, True)
    system.dump()
    time.sleep(IDLE_SECONDS)
    idle = system.dump()[0] / IDLE_SECONDS
    began = time.monotonic()
    ask(system, "paced", streams, True)
    took = time.monotonic() - began
    own = system.dump()[0]
    system.control("-i", "off")
    if took > INTERVAL_SECONDS - IDLE_SECONDS:
        raise SystemExit(f"{streams} streams took {took:.0f} s, longer than the shipper waits; the machine is too busy")
    return (own - idle * took - streams * request) / (streams * EVENTS)


@contextlib.contextmanager
def workbench():
    """A folder with what callgrind needs, and the ports of two upstreams: one answers at once, the other is paced."""
    with tempfile.TemporaryDirectory(prefix="volery-instructions-") as name, contextlib.ExitStack() as mocks:
        folder = Path(name)
        # Without what is there for debuggers, which valgrind reads and does not always understand.
        binary, shim = folder / "binary", folder / "sigsuspend.so"
        subprocess.run(["strip", "-g", "-o", str(binary), str(VOLERY)], check=True)
        source = Path(__file__).with_name("sigsuspend.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(source)], check=True)
        ports = []
        for pace in (0, PACE_MICROSECONDS):
            mock, port = start_mock(folder, LOAD_CORE, pace)
            mocks.callback(mock.wait, 5)
            mocks.callback(mock.kill)
            ports.append(port)
        yield Bench(folder, binary, shim, ports[0], ports[1])


class Bench:
    def __init__(self, folder: Path, binary: Path, shim: Path, port: int, paced_port: int):
        self.folder, self.binary, self.shim, self.port, self.paced_port = folder, binary, shim, port, paced_port

    @contextlib.contextmanager
    def platform(self, kind: str):
        """A running platform: `plain`, with nothing set, or `money`, with prices, a hard budget and limits."""
        system = Counted(self.folder / kind, self.binary, self.shim)
        try:
            system.register("bench", self.port)
            system.register("paced", self.paced_port)
            if kind == "money":
                for model in ("bench", "paced"):
                    set_money(system, model)
            yield system
        finally:
            system.stop()
