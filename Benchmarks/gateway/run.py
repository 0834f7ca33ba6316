#!/usr/bin/env python3
"""Measures Volery beside nginx on this machine, and writes the table of docs/performance.md.

The system under measurement has core 0; upstream, load and this script have core 1. Both systems run at the same time
and are measured in turn within each round, so that a change of the machine meets both. Medians of the rounds; the raw
rows go to Benchmarks/results/latest.json.
"""

import argparse
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from systems import ROOT, VOLERY, System, Volery, start_mock, start_nginx, wait_for

PAGE = ROOT / "docs/performance.md"
RAW = ROOT / "Benchmarks/results/latest.json"
SYSTEM_CORE, LOAD_CORE = 0, 1
CHUNKS = 64
OPEN_STREAMS = 1000


def load(system: System, paced: bool, stream: bool, connections: int, seconds: int) -> dict:
    """Runs wrk once, and adds the CPU time that the system took meanwhile."""
    environment = os.environ | {
        "BENCH_MODEL": system.paced_model if paced else system.model,
        "BENCH_STREAM": "true" if stream else "false",
        "BENCH_KEY": system.key,
    }
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(Path(__file__).with_name("load.lua")), system.paced_url if paced else system.url]
    before = system.cpu_seconds()
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    result = json.loads(re.search(r"RESULT (.*)", out).group(1))
    result["cpu_seconds"] = system.cpu_seconds() - before
    if result["errors"] or not result["requests"]:
        raise SystemExit(
            f"{system.name} answered {result['errors']} requests with errors; the figures mean nothing:\n{out}"
        )
    return result


def rss_with_open_streams(system: System) -> float:
    """Opens streams whose upstream says one word and is then silent, and looks at the memory that they hold."""
    body = json.dumps(
        {"model": system.paced_model, "stream": True, "messages": [{"role": "user", "content": "silent"}]},
        separators=(",", ":"),
    )
    host, port = system.paced_url.removeprefix("http://").split(":")
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {system.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    ).encode()
    sockets = []
    try:
        for _ in range(OPEN_STREAMS):
            sock = socket.create_connection((host, int(port)), 10)
            sockets.append(sock)
            sock.sendall(request)
        for sock in sockets:
            data = b""
            while b"data: " not in data:
                more = sock.recv(4096)
                if not more or (data and not data.startswith(b"HTTP/1.1 200")):
                    raise SystemExit(f"{system.name} did not open a stream: {data[:200]!r}")
                data += more
        return system.resident_mib()
    finally:
        for sock in sockets:
            sock.close()


def measure(system: System, seconds: int) -> dict:
    whole = load(system, False, False, 64, seconds)
    paced = load(system, True, True, 64, seconds)
    burst = load(system, False, True, 64, max(2, seconds // 2))
    single = load(system, False, False, 1, max(2, seconds // 2))
    counted = (whole, paced, burst, single)
    return {
        "requests": sum(part["requests"] for part in counted),
        "cpu_us_request": 1e6 * whole["cpu_seconds"] / whole["requests"],
        "requests_per_second": whole["requests"] / whole["seconds"],
        "cpu_us_paced_stream": 1e6 * paced["cpu_seconds"] / paced["requests"],
        "cpu_us_chunk": 1e6 * paced["cpu_seconds"] / paced["requests"] / CHUNKS,
        "cpu_us_burst_stream": 1e6 * burst["cpu_seconds"] / burst["requests"],
        "p50_us": single["p50_us"],
        "p99_us": single["p99_us"],
    }


def median(rows: list[dict], name: str) -> float:
    return statistics.median(row[name] for row in rows)


def summary(rows: dict[str, list[dict]], direct: list[dict], memory: dict[str, dict]) -> dict[str, dict]:
    """The medians of each system; added latency is against the mock itself, in the same round."""
    result = {}
    for name, own in rows.items():
        result[name] = {key: median(own, key) for key in own[0] if key not in ("requests", "p50_us", "p99_us")}
        for quantile in ("p50_us", "p99_us"):
            result[name]["added_" + quantile] = statistics.median(
                row[quantile] - base[quantile] for row, base in zip(own, direct, strict=True)
            )
        result[name] |= memory[name]
    return result


COLUMNS = [
    ("CPU µs/request", "cpu_us_request", 1),
    ("requests/s, 1 core", "requests_per_second", 0),
    ("CPU µs/paced stream", "cpu_us_paced_stream", 0),
    ("per chunk", "cpu_us_chunk", 1),
    ("CPU µs/burst stream", "cpu_us_burst_stream", 0),
    ("added p50 µs", "added_p50_us", 0),
    ("added p99 µs", "added_p99_us", 0),
    ("RSS MiB idle", "rss_idle", 0),
    (f"RSS MiB, {OPEN_STREAMS:,} open streams", "rss_streams", 0),
]


def table(medians: dict[str, dict]) -> str:
    lines = ["| system | " + " | ".join(title for title, _, _ in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, values in medians.items():
        lines.append(f"| {name} | " + " | ".join(f"{values[key]:,.{digits}f}" for _, key, digits in COLUMNS) + " |")
    ours, floor = medians["Volery"], medians["nginx"]
    ratios = [f"{ours[key] / floor[key]:.2f}" if floor[key] > 0 else "–" for _, key, _ in COLUMNS]
    return "\n".join([*lines, "| Volery / nginx | " + " | ".join(ratios) + " |"])


def machine() -> dict:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    nginx = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True).stderr.strip()
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release().split("-")[0],
        "nginx": nginx.removeprefix("nginx version: "),
        "date": time.strftime("%Y-%m-%d"),
        "volery": subprocess.run([str(VOLERY), "--version"], capture_output=True, text=True).stdout.strip(),
    }


def write_page(text: str) -> None:
    page = PAGE.read_text()
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    head, rest = page.split(begin, 1)
    PAGE.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")


def run(folder: Path, rounds: int, seconds: int) -> None:
    mock, port = start_mock(folder, LOAD_CORE, 0)
    paced_mock, paced_port = start_mock(folder, LOAD_CORE, 5000)
    direct = System("direct", f"http://127.0.0.1:{port}", f"http://127.0.0.1:{paced_port}", mock)
    nginx, volery = start_nginx(folder, SYSTEM_CORE, port, paced_port), Volery(folder, SYSTEM_CORE)
    systems = [nginx, volery]
    try:
        volery.register("bench", port)
        volery.register("bench-paced", paced_port)
        for system in systems:
            load(system, False, False, 64, 1)
        memory = {system.name: {"rss_idle": system.resident_mib()} for system in systems}
        rows, baseline = {system.name: [] for system in systems}, []
        for number in range(rounds):
            single = load(direct, False, False, 1, max(2, seconds // 2))
            baseline.append({"p50_us": single["p50_us"], "p99_us": single["p99_us"]})
            # Taking turns at going first: whoever follows a pause may meet a cooler machine.
            for system in systems if number % 2 == 0 else systems[::-1]:
                rows[system.name].append(measure(system, seconds))
                print(
                    f"round {number + 1}/{rounds}: {system.name}: "
                    f"{rows[system.name][-1]['cpu_us_request']:.1f} µs of CPU for each request",
                    file=sys.stderr,
                )
        for system in systems:
            memory[system.name]["rss_streams"] = rss_with_open_streams(system)
        answered = sum(row["requests"] for row in rows["Volery"])
        # Everything is on: each answered request must have its row, or the figures were bought with lost usage.
        wait_for(lambda: volery.requests_recorded() >= answered, 120, f"{answered} usage rows")
    finally:
        for process in (*systems, direct):
            process.stop()
        paced_mock.kill()
    medians, facts = summary(rows, baseline, memory), machine()
    where = f"{facts['date']}, {facts['cores']} × {facts['cpu']}, Linux {facts['kernel']}, {facts['nginx']}"
    note = (
        f"{facts['volery']}; {where}. Medians of {rounds} interleaved rounds; {answered:,} requests of Volery's were "
        f"measured, and each has its usage row."
    )
    write_page(table(medians) + "\n\n" + note)
    RAW.parent.mkdir(parents=True, exist_ok=True)
    RAW.write_text(
        json.dumps({"machine": facts, "medians": medians, "rounds": rows, "direct": baseline}, indent=1) + "\n"
    )
    print(table(medians))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the system, one for the load")
    if not VOLERY.exists():
        raise SystemExit(f"{VOLERY} is missing: run `make build`")
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="volery-bench-") as folder:
        run(Path(folder), options.rounds, options.seconds)


if __name__ == "__main__":
    main()
