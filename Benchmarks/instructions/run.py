#!/usr/bin/env python3
"""Counts the instructions that money and limits add to a request: admission, a longer journal record, settlement.

The release binary runs under callgrind, which counts instructions and not time, so that a busy machine changes little.
Two platforms are measured: one on which nothing is set, and one on which the model has prices, the workspace a hard
budget and the key limits. Both answer the same requests, which are counted in two parts: until the last is answered and
in the journal, which is a request's own path, and then until all are stored and settled, which the shipper does in
batches. What the platform does when nobody asks is counted too, and taken off.

Prints a table and writes Benchmarks/results/instructions.json; ends with 1 where a share is above the bound.
"""

import argparse
import http.client
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gateway"))

from systems import ROOT, VOLERY, System, Volery, free_port, start_mock, wait_for  # noqa: E402

RAW = ROOT / "Benchmarks/results/instructions.json"
PAGE = ROOT / "docs/performance.md"
BOUND = 0.15
SYSTEM_CORE, LOAD_CORE = 0, 1
CLIENTS = 64
SHIPPED = "volery_journal_shipped_records_total"
LAG = "volery_journal_lag_records"
# Of the journal's shipper: callgrind makes the platform some fifty times slower, and its clock not. With the usual
# 200 ms a batch would hold a dozen requests, and not the hundreds that it holds under load. All requests of a round are
# answered between two of its turns, so that the two parts can be told apart.
INTERVAL_SECONDS = 45
STORED_SECONDS = 20
IDLE_SECONDS = 10
# Parts of the whole that can be told from the call tree: names as callgrind writes them, of functions that do not call
# each other.
PARTS = {
    "admission: asked and ended": ["AdmissionFlowV5admity", "SpendingTicketC3end"],
    "the answer's header fields": ["AnswerTermsO6fields"],
    "settlement: what is posted": ["SettlementRulesV6settle", "Bookings.*4book", "LedgerRowsV5write"],
    "settlement: accounts and escrows": ["LedgerRowsV8accounts"],
}


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
        "messages": [{"role": "user", "content": "Hello. " * 72}],
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


def set_money(system: Counted) -> None:
    keys = json.loads(system.command("keys", "list", "--json"))
    key = (keys["data"] if isinstance(keys, dict) else keys)[0]
    workspace = ("--workspace", key.get("workspace") or key["workspace_id"])
    system.command(
        *("prices", "set", "--model", "bench", "--input", "0.15", "--output", "0.6", "--per", "1m"),
        *("--currency", "USD"),
    )
    system.command(
        *("budgets", "set", *workspace, "--amount", "1000000", "--currency", "USD", "--period", "month", "--hard")
    )
    system.command(*("limits", "set", "--key", key["id"], "--rpm", "10000000", "--tpm", "1000000000"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-only", action="store_true", help="without money: for a look at the platform alone")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    parser.add_argument("--keep", type=Path, help="a folder for what callgrind wrote")
    parser.add_argument("--streams", action="store_true", help="streams of 64 events instead of whole answers")
    options = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {}
    parts: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="volery-instructions-") as name:
        folder = Path(name)
        # Without what is there for debuggers, which valgrind reads and does not always understand.
        binary, shim = folder / "volery", folder / "sigsuspend.so"
        subprocess.run(["strip", "-g", "-o", str(binary), str(VOLERY)], check=True)
        source = Path(__file__).with_name("sigsuspend.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(source)], check=True)
        mock, port = start_mock(folder, LOAD_CORE, 0)
        try:
            for kind in ["plain"] if options.plain_only else ["plain", "money"]:
                system = Counted(folder / kind, binary, shim)
                try:
                    system.register("bench", port)
                    if kind == "money":
                        set_money(system)
                    rows[kind], trees = measure(system, options.requests, options.rounds, options.streams)
                    parts[kind] = tree(trees, options.requests)
                    if options.keep:
                        shutil.copytree(system.folder, options.keep / kind, ignore=shutil.ignore_patterns("data"))
                finally:
                    system.stop()
        finally:
            mock.kill()
            mock.wait(5)
    report(options, rows, parts)


def tree(paths: list[Path], count: int) -> dict[str, float]:
    """Inclusive instructions for each request of the parts that are looked for."""
    parts = dict.fromkeys(PARTS, 0.0)
    for path in paths:
        command = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(path)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        found: dict[str, int] = {}
        for line in lines:
            row = re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+\S*?:(\S+)", line)
            if row:
                found[row.group(2)] = int(row.group(1).replace(",", ""))
        for part, names in PARTS.items():
            # Of a function and its specializations and thunks, which call each other, the largest.
            largest = (max((n for f, n in found.items() if re.search(name, f)), default=0) for name in names)
            parts[part] += sum(largest) / count
    return parts


def report(options, rows: dict[str, list[dict[str, float]]], parts: dict[str, dict[str, float]]) -> None:
    def middle(kind: str, part: str) -> float:
        return statistics.median(row[part] for row in rows[kind])

    for kind, own in rows.items():
        for part in own[0]:
            low, high = min(row[part] for row in own), max(row[part] for row in own)
            print(f"{kind:6} {part:7} {middle(kind, part):12,.0f} instructions a request ({low:,.0f} to {high:,.0f})")
    if options.plain_only:
        return
    figures = {kind: {part: middle(kind, part) for part in ("path", "stored")} for kind in rows}
    for own in figures.values():
        own["all"] = own["path"] + own["stored"]
    shares = {
        part: (figures["money"][part] - figures["plain"][part]) / figures["money"][part] for part in ("path", "all")
    }

    def line(name: str, before: float, after: float, share: str = "") -> str:
        return f"| {name} | {before:,.0f} | {after:,.0f} | {after - before:,.0f} | {share} |"

    lines = [
        "| instructions a request | nothing set | prices, a hard budget, limits | added | added / whole |",
        "|---|---|---|---|---|",
        line("**the request's own path**, to its record in the journal", figures["plain"]["path"],
             figures["money"]["path"], f"**{shares['path']:.1%}**"),
        line("stored and settled by the shipper, in batches", figures["plain"]["stored"], figures["money"]["stored"]),
        line("**both**", figures["plain"]["all"], figures["money"]["all"], f"**{shares['all']:.1%}**"),
    ]
    lines += [line(f"of them {part}", parts["plain"][part], parts["money"][part]) for part in PARTS]
    lines += [
        "",
        f"{platform.machine()}, Linux {platform.release()}; {CLIENTS} clients, {options.requests:,} "
        + ("streams of 64 events" if options.streams else "whole answers")
        + f" in each of {options.rounds} rounds; medians.",
    ]
    text = "\n".join(lines)
    print(text)
    result = {"requests": options.requests, "streams": options.streams, "instructions": rows, "shares": shares}
    if not options.dry:
        RAW.write_text(json.dumps(result | {"parts": parts}, indent=1) + "\n")
        write_page(text)
    above = [f"{part}: {share:.1%}" for part, share in shares.items() if share > BOUND]
    sys.exit(f"money and limits add more than {BOUND:.0%} ({', '.join(above)})" if above else 0)


def write_page(text: str) -> None:
    page = PAGE.read_text()
    begin, end = "<!-- instructions:begin -->", "<!-- instructions:end -->"
    before, rest = page.split(begin, 1)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")


if __name__ == "__main__":
    main()
