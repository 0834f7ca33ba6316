#!/usr/bin/env python3
"""Measures transactions a second: SQLite with and without group commit and PostgreSQL, beside a plain GRDB `write` and
pgbench's comparable script, and the journal's cost for a record. Writes the table of docs/performance.md.

All systems are measured in turn within each round, so that a change of the machine meets all of them; medians of the
rounds. Each transaction is one INSERT and one UPDATE of the caller's own row, and durable when it is acknowledged
(SQLite synchronous=FULL, PostgreSQL synchronous_commit=on). The raw rows go to Benchmarks/results/storage.json.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"
RAW = ROOT / "Benchmarks/results/storage.json"
BENCH = ROOT / ".build/release/storage-bench"
CALLERS = [1, 16, 64]
PGBENCH_SETUP = """
DROP TABLE IF EXISTS pgbench_event, pgbench_account;
CREATE TABLE pgbench_event (caller BIGINT NOT NULL, turn BIGINT NOT NULL, note TEXT NOT NULL);
CREATE TABLE pgbench_account (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL);
INSERT INTO pgbench_account SELECT id, 0 FROM generate_series(0, 99999) AS id;
ANALYZE pgbench_account;
"""
PGBENCH_SCRIPT = """
\\set account :client_id * 1500
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO pgbench_event (caller, turn, note)
    VALUES (:client_id, 1, 'a transaction of the measurement, about as long as a usage row''s texts are');
UPDATE pgbench_account SET balance = balance + 1 WHERE id = :account;
COMMIT;
"""
NAMES = {
    "sqlite-grouped": "Volery on SQLite, group commit",
    "sqlite-alone": "Volery on SQLite, one body a transaction",
    "grdb": "GRDB `write`",
    "postgres": "Volery on PostgreSQL 18, 8 connections",
    "pgbench-8": "pgbench, 8 connections at most",
    "pgbench": "pgbench, one connection a caller",
}


class Postgres:
    def __init__(self) -> None:
        self.parent = Path(tempfile.mkdtemp(prefix="volery-bench-", dir="/tmp"))
        self.parent.chmod(0o755)
        self.folder = self.parent / "pg18"
        self.url = self._script("start", "18", str(self.folder)).split()[-1]

    def _script(self, *arguments: str) -> str:
        return subprocess.run(
            [ROOT / "dev/postgres.sh", *arguments], check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def sql(self, text: str) -> None:
        subprocess.run([tool("psql"), "-q", self.url], input=text, check=True, text=True, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        self._script("stop", str(self.folder))
        shutil.rmtree(self.parent, ignore_errors=True)


def tool(name: str) -> str:
    found = shutil.which(name)
    if found:
        return found
    for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True):
        return str(path)
    raise SystemExit(f"{name} is not installed")


def ours(system: str, callers: int, seconds: int, place: str) -> dict:
    command = [str(BENCH), system, str(callers), str(seconds), place]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def pgbench(postgres: Postgres, callers: int, seconds: int, most: int | None) -> dict:
    clients = callers if most is None else min(callers, most)
    with tempfile.NamedTemporaryFile("w", suffix=".sql", dir="/tmp") as script:
        script.write(PGBENCH_SCRIPT)
        script.flush()
        command = [tool("pgbench"), "-n", "-M", "prepared", "-f", script.name, "-T", str(seconds), "--max-tries=100"]
        command += ["-c", str(clients), "-j", str(min(2, clients)), postgres.url]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    tps = float(re.search(r"tps = ([0-9.]+)", out).group(1))
    latency = float(re.search(r"latency average = ([0-9.]+)", out).group(1))
    system = "pgbench" if most is None else f"pgbench-{most}"
    return {"system": system, "callers": callers, "tps": tps, "mean_us": latency * 1000, "clients": clients}


def sync_time(folder: str) -> float:
    """Median microseconds of a 4 KiB write and its fdatasync."""
    path = os.path.join(folder, "sync-probe")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        os.pwrite(descriptor, b"x" * 4096, 0)
        os.fdatasync(descriptor)
        times.append((time.perf_counter() - begin) * 1e6)
    os.close(descriptor)
    return statistics.median(times)


def measure(rounds: int, seconds: int) -> dict:
    folder = tempfile.mkdtemp(prefix="volery-bench-", dir=os.environ.get("TMPDIR", "/tmp"))
    postgres = Postgres()
    rows: list[dict] = []
    journal: list[dict] = []
    syncs: list[float] = []
    try:
        postgres.sql(PGBENCH_SETUP)
        for number in range(1, rounds + 1):
            syncs.append(sync_time(folder))
            for callers in CALLERS:
                turn = [ours(s, callers, seconds, folder) for s in ("sqlite-grouped", "sqlite-alone", "grdb")]
                turn.append(ours("postgres", callers, seconds, postgres.url))
                turn.append(pgbench(postgres, callers, seconds, 8))
                turn.append(pgbench(postgres, callers, seconds, None))
                for row in turn:
                    rows.append(row | {"round": number})
                    figures = f"{row['system']:15} {callers:3} callers {row['tps']:10,.0f} tx/s"
                    print(f"round {number}: {figures}", flush=True)
            place = tempfile.mkdtemp(dir=folder)
            journal.append(ours("journal", 1, 0, place) | {"round": number})
            print(f"round {number}: journal {journal[-1]}", flush=True)
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return {"rows": rows, "journal": journal, "sync_us": syncs, "seconds": seconds, "rounds": rounds}


def median(rows: list[dict], system: str, callers: int, figure: str) -> float | None:
    values = [row[figure] for row in rows if row["system"] == system and row["callers"] == callers and figure in row]
    return statistics.median(values) if values else None


def table(result: dict) -> str:
    rows = result["rows"]
    head = "| transactions a second | " + " | ".join(f"{n} caller{'s' * (n > 1)}" for n in CALLERS)
    lines = [head + " | p50 / p99 µs at 64 |", "|---|" + "---|" * (len(CALLERS) + 1)]
    for system, name in NAMES.items():
        cells = [f"{median(rows, system, callers, 'tps'):,.0f}" for callers in CALLERS]
        p50, p99 = (median(rows, system, 64, figure) for figure in ("p50_us", "p99_us"))
        cells.append(f"{p50:,.0f} / {p99:,.0f}" if p50 else f"mean {median(rows, system, 64, 'mean_us'):,.0f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for name, ours_, theirs in [
        ("**group commit / GRDB `write`**", "sqlite-grouped", "grdb"),
        ("**Volery on PostgreSQL / pgbench, 8**", "postgres", "pgbench-8"),
    ]:
        ratios = [median(rows, ours_, c, "tps") / median(rows, theirs, c, "tps") for c in CALLERS]
        lines.append(f"| {name} | " + " | ".join(f"**{ratio:.2f}**" for ratio in ratios) + " | |")
    costs = {f: statistics.median(row[f] for row in result["journal"]) for f in ("open_us", "progress_us", "close_us")}
    lines += [
        "",
        f"Journal, CPU of the calling thread for each record: open {costs['open_us']:.2f} µs, "
        f"progress {costs['progress_us']:.2f} µs, close {costs['close_us']:.2f} µs.",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}; a 4 KiB write with fdatasync took "
        f"{statistics.median(result['sync_us']):,.0f} µs. Medians of {result['rounds']} interleaved rounds of "
        f"{result['seconds']} s each.",
    ]
    return "\n".join(lines)


def write_page(text: str) -> None:
    page = PAGE.read_text()
    begin, end = "<!-- storage:begin -->", "<!-- storage:end -->"
    if begin not in page:
        raise SystemExit(f"{PAGE} lacks the marker {begin}")
    before, rest = page.split(begin, 1)
    after = rest.split(end, 1)[1]
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    result = measure(arguments.rounds, arguments.seconds)
    RAW.write_text(json.dumps(result, indent=1) + "\n")
    text = table(result)
    write_page(text)
    print(text)


if __name__ == "__main__":
    main()
