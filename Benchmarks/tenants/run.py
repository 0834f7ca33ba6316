#!/usr/bin/env python3
"""Measures what many tenants cost: 1,000 tenants with 20 workspaces each and 100,000 keys, on SQLite and on PostgreSQL.

- Start-up and memory beside an empty database of the same engine, in turn, medians of the rounds.
- A key's check: CPU of a request whose key is known, with one key and with 10,000 in turn; what the first use of a key
  adds: the look-up in the database, and argon2.
  With `perf` on the machine, also the share of a request that is the check, by samples.
- Memory after 10,000 different keys were used.

Writes the table of docs/performance.md and Benchmarks/results/tenants.json.
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gateway"))

import seed  # noqa: E402
from systems import VOLERY, System, free_port, pinned, wait_for  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"
RAW = ROOT / "Benchmarks/results/tenants.json"
SYSTEM_CORE, LOAD_CORE = 0, 1
REAL_KEYS, FREE_KEYS = 200, 10_000
BODY = json.dumps({"model": "demo-echo", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]})


class Postgres:
    """A server of this run's own, with two databases."""

    def __init__(self) -> None:
        self.parent = Path(tempfile.mkdtemp(prefix="volery-bench-", dir="/tmp"))
        self.parent.chmod(0o755)
        self.folder = self.parent / "pg18"
        self.url = self._script("start", "18", str(self.folder)).split()[-1]

    def _script(self, *arguments: str) -> str:
        command = [str(ROOT / "dev/postgres.sh"), *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def new_database(self, name: str) -> str:
        subprocess.run(["psql", "-X", "-q", "-c", f"CREATE DATABASE {name} TEMPLATE template0", self.url], check=True)
        return re.sub(r"/[^/]*$", f"/{name}", self.url)

    @staticmethod
    def as_superuser(url: str) -> str:
        return re.sub(r"//[^@/]*@", "//postgres@", url)

    def stop(self) -> None:
        self._script("stop", str(self.folder))
        shutil.rmtree(self.parent, ignore_errors=True)


class Volery(System):
    """The platform, started again and again on one data folder."""

    def __init__(self, data_dir: Path, database: str | None) -> None:
        self.data_dir, self.database = data_dir, database

    def start(self) -> float:
        """Seconds until it is ready."""
        port = free_port()
        environment = os.environ | {
            "VOLERY_METRICS_PORT": str(free_port()),
            "VOLERY_LOG_LEVEL": "warning",
            "VOLERY_FAILED_CREDENTIAL_LIMIT": "0",
        }
        if self.database:
            environment["VOLERY_DATABASE"] = self.database
        command = [str(VOLERY), "serve", "--data-dir", str(self.data_dir), "--host", "127.0.0.1", "--port", str(port)]
        command.append("--no-default-models")
        with open(self.data_dir.parent / f"{self.data_dir.name}.log", "ab") as log:
            began = time.monotonic()
            process = subprocess.Popen(pinned(SYSTEM_CORE, command), stdout=log, stderr=log, env=environment)
        self.port = port
        url = f"http://127.0.0.1:{port}"
        super().__init__("Volery", url, url, process)
        wait_for(lambda: urllib.request.urlopen(f"{url}/readyz", timeout=1).status == 200, 60, "volery serve")
        return time.monotonic() - began

    def settled_mib(self) -> float:
        time.sleep(2)
        return self.resident_mib()


@dataclass
class Figures:
    """Rows of each round, by name."""

    rows: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        self.rows.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> float:
        return statistics.median(self.rows[name])


def starts(empty: Volery, seeded: Volery, rounds: int, figures: Figures) -> None:
    """In turn, so that a change of the machine meets both."""
    for number in range(rounds):
        for name, system in [("empty", empty), ("seeded", seeded)][:: 1 if number % 2 == 0 else -1]:
            figures.note(f"start_{name}_s", system.start())
            figures.note(f"rss_{name}_mib", system.settled_mib())
            system.stop()


def each_once(system: Volery, tokens: list[str]) -> float:
    """Asks once with each key, one after the other; CPU microseconds for each."""
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)
    before = system.cpu_seconds()
    for token in tokens:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", BODY, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{token[:13]}…: {answer.status} {text[:300]!r}")
    return 1e6 * (system.cpu_seconds() - before) / len(tokens)


def under_load(system: Volery, tokens: list[str], seconds: int) -> float:
    """CPU microseconds for each request of a load that goes through the keys in turn."""
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
        file.write("\n".join(tokens) + "\n")
        file.flush()
        before = system.cpu_seconds()
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(Path(__file__).with_name("chat.lua")), system.url]
        done = subprocess.run(
            pinned(LOAD_CORE, command),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"KEYS": file.name},
        )
        spent = system.cpu_seconds() - before
    counts = dict(re.findall(r"^(requests|failed) (\d+)", done.stdout, re.MULTILINE))
    requests, failed = int(counts["requests"]), int(counts["failed"])
    if failed:
        raise SystemExit(f"{failed} of {requests} requests failed:\n{done.stdout}")
    return 1e6 * spent / requests


def shares(system: Volery, tokens: list[str], figures: Figures) -> None:
    """By samples of the stacks: which part of a request's CPU is the check of its key, and which the decision."""
    if not shutil.which("perf"):
        return
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/perf.data"
        command = ["perf", "record", "-e", "cpu-clock", "-F", "1999", "--call-graph", "fp", "-o", data]
        command += ["-p", str(system.process.pid)]
        sampling = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        under_load(system, tokens, 5)
        sampling.send_signal(signal.SIGINT)
        sampling.wait(60)
        report = ["perf", "report", "-i", data, "--children", "--no-inline", "--stdio", "-g", "none"]
        report += ["--sort", "symbol"]
        text = subprocess.run(report, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    for name, symbol in (("check_share", "11KeyVerifierC6cached"), ("decision_share", "13BuiltInAccessV6decide")):
        found = [float(share) for share in re.findall(rf"^\s*([0-9.]+)%.*{symbol}", text, re.MULTILINE)]
        if found:
            figures.note(name, max(found) / 100)


def checks(system: Volery, keys: seed.Seeded, rounds: int, seconds: int, figures: Figures) -> None:
    """The same process in one round: what is in its memory stays from one measurement to the next."""
    one = keys.free[:1]
    for number in range(rounds):
        system.start()
        each_once(system, one * 2000)
        figures.note("rss_before_mib", system.settled_mib())
        figures.note("plain_us", each_once(system, one * 2000))
        figures.note("cold_argon2_us", each_once(system, keys.real))
        figures.note("cold_lookup_us", each_once(system, keys.free[1:]))
        figures.note("rss_after_mib", system.settled_mib())
        for name, tokens in [("cached_one_us", one), ("cached_many_us", keys.free)][:: 1 if number % 2 == 0 else -1]:
            figures.note(name, under_load(system, tokens, seconds))
        shares(system, keys.free, figures)
        system.stop()


def measure(engine: str, folder: Path, postgres: Postgres | None, arguments: argparse.Namespace) -> Figures:
    figures = Figures()
    systems = []
    for name in ("empty", "seeded"):
        database = postgres.new_database(name) if postgres else None
        systems.append(Volery(folder / f"{engine}-{name}", database))
        systems[-1].start()
        systems[-1].stop()
    empty, seeded = systems
    tables, keys = seed.rows(REAL_KEYS, FREE_KEYS)
    if postgres:
        seed.into_postgres(Postgres.as_superuser(seeded.database), tables)
    else:
        seed.into_sqlite(seeded.data_dir / "volery.db", tables)
    print(f"{engine}: seeded", file=sys.stderr)
    starts(empty, seeded, arguments.rounds, figures)
    print(f"{engine}: started {2 * arguments.rounds} times", file=sys.stderr)
    checks(seeded, keys, arguments.rounds, arguments.seconds, figures)
    return figures


def table(results: dict[str, Figures]) -> str:
    def line(name: str, cell) -> str:
        return f"| {name} | " + " | ".join(cell(figures) for figures in results.values()) + " |"

    def ratio(over: str, under: str):
        return lambda figures: f"**{figures[over] / figures[under]:.2f}**"

    def share(name: str):
        return lambda figures: f"{100 * figures[name]:.1f} %" if name in figures.rows else "–"

    def kept(figures: Figures) -> str:
        return f"{(figures['rss_after_mib'] - figures['rss_before_mib']) * 1024 / (FREE_KEYS + REAL_KEYS):.1f}"

    return "\n".join(
        [
            "| | " + " | ".join(results) + " |",
            "|---" * (len(results) + 1) + "|",
            line("start until ready, empty database, ms", lambda f: f"{1000 * f['start_empty_s']:.0f}"),
            line("the same with 100,000 keys, ms", lambda f: f"{1000 * f['start_seeded_s']:.0f}"),
            line("**with / without**", ratio("start_seeded_s", "start_empty_s")),
            line("RSS after the start, empty database, MiB", lambda f: f"{f['rss_empty_mib']:.1f}"),
            line("the same with 100,000 keys, MiB", lambda f: f"{f['rss_seeded_mib']:.1f}"),
            line("**with / without**", ratio("rss_seeded_mib", "rss_empty_mib")),
            line("CPU µs/request under load, one key, known", lambda f: f"{f['cached_one_us']:.1f}"),
            line("CPU µs/request under load, 10,000 keys in turn, known", lambda f: f"{f['cached_many_us']:.1f}"),
            line("**10,000 keys / one key**", ratio("cached_many_us", "cached_one_us")),
            line("of it the check of a known key", share("check_share")),
            line("of it the decision whether it may", share("decision_share")),
            line("CPU µs/request, one caller, key known", lambda f: f"{f['plain_us']:.0f}"),
            line("first use of a key adds, CPU µs: look-up", lambda f: f"{f['cold_lookup_us'] - f['plain_us']:.0f}"),
            line("and argon2id (19 MiB, 2 passes)", lambda f: f"{f['cold_argon2_us'] - f['cold_lookup_us']:,.0f}"),
            line("**first request of a key / a later one**", ratio("cold_argon2_us", "plain_us")),
            line("RSS before 10,200 keys were used, MiB", lambda f: f"{f['rss_before_mib']:.1f}"),
            line("after, MiB", lambda f: f"{f['rss_after_mib']:.1f}"),
            line("for each key that was used, KiB", kept),
        ]
    )


def write_page(text: str) -> None:
    page = PAGE.read_text()
    begin, end = "<!-- tenants:begin -->", "<!-- tenants:end -->"
    if begin not in page:
        raise SystemExit(f"{PAGE} lacks the marker {begin}")
    before, rest = page.split(begin, 1)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")


def run(folder: Path, arguments: argparse.Namespace) -> None:
    results = {"SQLite": measure("sqlite", folder, None, arguments)}
    postgres = Postgres()
    try:
        results["PostgreSQL 18"] = measure("postgres", folder, postgres, arguments)
    finally:
        postgres.stop()
    version = subprocess.run([str(VOLERY), "--version"], capture_output=True, text=True).stdout.strip()
    note = (
        f"{version}; {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, Linux "
        f"{platform.release().split('-')[0]}. Medians of {arguments.rounds} rounds. 1,000 tenants with 20 workspaces "
        f"each, 100,000 keys."
    )
    text = f"{table(results)}\n\n{note}"
    RAW.parent.mkdir(parents=True, exist_ok=True)
    RAW.write_text(json.dumps({name: figures.rows for name, figures in results.items()}, indent=1) + "\n")
    write_page(text)
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement under load")
    arguments = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the platform, one for the load")
    if not VOLERY.exists():
        raise SystemExit(f"{VOLERY} is missing: run `make build`")
    os.sched_setaffinity(0, {LOAD_CORE})
    folder = Path(tempfile.mkdtemp(prefix="volery-bench-", dir="/tmp"))
    try:
        run(folder, arguments)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
