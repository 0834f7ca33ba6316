"""The systems that are measured, each as processes of its own, and what /proc says of them."""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VOLERY = ROOT / ".build/release/volery"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(check, seconds: float, what: str):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, ValueError):
            value = check()
            if value:
                return value
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.02)


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
    """A program under measurement: `url` answers at once, `paced_url` through the paced upstream."""

    name: str
    model = paced_model = "mock"
    key = "none"

    def __init__(self, name: str, url: str, paced_url: str, process: subprocess.Popen):
        self.name, self.url, self.paced_url, self.process = name, url, paced_url, process

    def cpu_seconds(self) -> float:
        total = 0
        for pid in process_tree(self.process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident_mib(self) -> float:
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in process_tree(self.process.pid))
        return pages * PAGE / (1 << 20)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def start_mock(folder: Path, core: int, pace_microseconds: int) -> tuple[subprocess.Popen, int]:
    binary = folder / "mock"
    if not binary.exists():
        subprocess.run(["cc", "-O2", "-o", str(binary), str(Path(__file__).with_name("mock.c"))], check=True)
    port = free_port()
    process = subprocess.Popen(pinned(core, [str(binary), str(port), str(pace_microseconds)]))
    wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).status == 200, 5, "the mock")
    return process, port


def start_nginx(folder: Path, core: int, port: int, paced_port: int) -> System:
    here, there = free_port(), free_port()

    def server(listen: int, upstream: int) -> str:
        return f"""
    upstream u{upstream} {{ server 127.0.0.1:{upstream}; keepalive 256; }}
    server {{ listen 127.0.0.1:{listen}; location / {{ proxy_pass http://u{upstream}; proxy_http_version 1.1;
        proxy_set_header Connection ""; proxy_buffering off; }} }}"""

    user = "user root;\n" if os.geteuid() == 0 else ""
    paths = "".join(
        f"    {kind}_temp_path {folder}/nginx-{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""{user}daemon off; worker_processes 1; pid {folder}/nginx.pid;
error_log {folder}/nginx.log; events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_requests 1000000;
{paths}{server(here, port)}{server(there, paced_port)}
}}
""")
    nginx = "/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "nginx"
    command = [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "nginx.log")]
    process = subprocess.Popen(pinned(core, command))
    wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{here}/", timeout=1).status == 200, 5, "nginx")
    return System("nginx", f"http://127.0.0.1:{here}", f"http://127.0.0.1:{there}", process)


class Volery(System):
    """Everything on: keys, usage journal, database, logs, metrics."""

    model, paced_model = "bench", "bench-paced"

    def __init__(self, folder: Path, core: int | None):
        self.data_dir = folder / "data"
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.environment = os.environ | {"VOLERY_METRICS_PORT": str(free_port()), "NO_COLOR": "1"}
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

    def register(self, model: str, port: int) -> None:
        self.command(
            "registry",
            "register",
            "--model",
            model,
            "--endpoint",
            f"http://127.0.0.1:{port}/v1",
            "--protocol",
            "openai",
            "--upstream-model",
            "mock",
        )

    def requests_recorded(self) -> int:
        return sum(row["requests"] for row in json.loads(self.command("usage", "--json")))
