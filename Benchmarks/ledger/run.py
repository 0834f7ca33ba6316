#!/usr/bin/env python3
"""Measures what the ledger posts in a second on SQLite and on PostgreSQL 15 and 18, beside a plain loop of single-row
UPDATEs on the same engine with the same durability. Writes the table of docs/performance.md.

The loop is one client, one statement and one commit for each request. It is run by our own engine, and by a program
that knows nothing of us: Python's sqlite3 module, and pgbench with a prepared statement. What is compared with is the
faster of the two. All engines are measured in turn within each round; medians of the rounds. The raw rows go to
Benchmarks/results/ledger.json.
"""

import argparse
import json
import os
import platform
import re
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"
RAW = ROOT / "Benchmarks/results/ledger.json"
BENCH = Path(os.environ.get("LEDGER_BENCH", ROOT / ".build/release/ledger-bench"))
ENGINES = ["SQLite", "PostgreSQL 15", "PostgreSQL 18"]
BOUND = 5
UPDATE = "UPDATE bench_balance SET balance = balance - 1 WHERE id = 1"
# (work, callers, batch, accounts): as the rows of `ledger-bench` say, in the order of the table.
ROWS = [
    (("foreign", 1, 1, 1), "plain UPDATE loop, a program without Volery"),
    (("foreign", 16, 1, 1), "the same, 16 clients"),
    (("loop", 1, 1, 1), "plain UPDATE loop, Volery's engine"),
    (("post", 1, 1, 1), "posting one by one, 1 caller, hot account"),
    (("post", 64, 1, 1), "64 callers, one each at a time, hot account"),
    (("post", 64, 1, 64), "64 callers, one each at a time, 64 accounts"),
    (("post", 1, 500, 1), "500 in a call, hot account"),
    (("post", 1, 500, 64), "500 in a call, 64 accounts"),
    (("post", 4, 500, 1), "500 in a call, 4 callers, hot account"),
    (("settle", 1, 500, 1), "settling, 500 requests in a batch, hot account: requests"),
    (("settle", 1, 500, 64), "settling, 500 requests in a batch, 64 accounts: requests"),
]
# What is posted for a request that is settled, beside its usage row and its attempt.
TRANSFERS = 3


class Postgres:
    """A server of its own, with its defaults: every commit is synced."""

    def __init__(self, version: str):
        self.parent = Path(tempfile.mkdtemp(prefix="volery-bench-", dir="/tmp"))
        self.parent.chmod(0o755)
        self.folder = self.parent / f"pg{version}"
        self.place = self._script("start", version, str(self.folder)).split()[-1]

    def _script(self, *arguments: str) -> str:
        command = [ROOT / "dev/postgres.sh", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def loop(self, clients: int, seconds: float) -> dict:
        with tempfile.NamedTemporaryFile("w", suffix=".sql", dir="/tmp") as script:
            script.write(UPDATE + ";\n")
            script.flush()
            command = [pgbench(), "-n", "-M", "prepared", "-f", script.name, "-T", str(max(1, round(seconds)))]
            command += ["-c", str(clients), "-j", str(min(2, clients)), self.place]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {"count": int(re.search(r"actually processed: (\d+)", out).group(1)), "seconds": seconds}

    def stop(self) -> None:
        self._script("stop", str(self.folder))
        shutil.rmtree(self.parent, ignore_errors=True)


class SQLite:
    def __init__(self, folder: str):
        self.place = folder

    def loop(self, clients: int, seconds: float) -> dict | None:
        if clients > 1:
            return None  # One file has one writer: more of them only wait for each other.
        database = sqlite3.connect(f"{self.place}/ledger-bench.db", isolation_level=None, timeout=30)
        database.execute("PRAGMA synchronous = FULL")
        if database.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            raise SystemExit("the file is not as Volery made it")
        count, begin = 0, time.perf_counter()
        while (took := time.perf_counter() - begin) < seconds:
            count += database.execute(UPDATE).rowcount
        database.close()
        return {"count": count, "seconds": took}

    def stop(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)


def pgbench() -> str:
    found = shutil.which("pgbench") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))), None)
    if not found:
        raise SystemExit("pgbench is not installed")
    return str(found)


def sync_time(folder: str) -> float:
    """Median microseconds of a 4 KiB write and its fdatasync."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(200):
            begin = time.perf_counter()
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(times)


def measure(rounds: int, seconds: float) -> dict:
    folder = tempfile.mkdtemp(prefix="volery-bench-", dir=os.environ.get("TMPDIR", "/tmp"))
    engines: dict[str, SQLite | Postgres] = {"SQLite": SQLite(folder)}
    rows, syncs = [], []
    try:
        for version in ("15", "18"):
            engines[f"PostgreSQL {version}"] = Postgres(version)
        for number in range(1, rounds + 1):
            syncs.append(sync_time(folder))
            for name, engine in engines.items():
                own = subprocess.run([BENCH, str(seconds), engine.place], check=True, stdout=subprocess.PIPE, text=True)
                turn = [json.loads(line) for line in own.stdout.splitlines()]
                for clients in (1, 16):
                    figure = engine.loop(clients, seconds)
                    if figure:
                        turn.append(
                            {"work": "foreign", "callers": clients, "batch": 1, "accounts": 1, "transfers": 0} | figure
                        )
                for row in turn:
                    row |= {"engine": name, "round": number, "per_second": row["count"] / row["seconds"]}
                    what = f"{row['work']} {row['callers']} x {row['batch']} on {row['accounts']}"
                    print(f"round {number}: {name:14} {what:20} {row['per_second']:10,.0f} a second", flush=True)
                rows += turn
    finally:
        for engine in engines.values():
            engine.stop()
    return {"rows": rows, "sync_us": syncs, "seconds": seconds, "rounds": rounds}


def medians(rows: list[dict]) -> dict[tuple, float]:
    found: dict[tuple, list[float]] = {}
    for row in rows:
        key = (row["engine"], (row["work"], row["callers"], row["batch"], row["accounts"]))
        found.setdefault(key, []).append(row["per_second"])
    return {key: statistics.median(values) for key, values in found.items()}


def base(rates: dict[tuple, float], engine: str) -> float:
    return max(rates[engine, (work, 1, 1, 1)] for work in ("foreign", "loop"))


def table(result: dict) -> str:
    rates = medians(result["rows"])
    lines = ["| a second | " + " | ".join(ENGINES) + " |", "|---|" + "---|" * len(ENGINES)]
    for key, name in ROWS:
        cells = []
        for engine in ENGINES:
            rate = rates.get((engine, key))
            is_ours = key[0] in ("post", "settle")
            ratio = f" ({rate / base(rates, engine):.1f}x)" if rate and is_ours else ""
            cells.append(f"{rate:,.0f}{ratio}" if rate else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    hot = slowest_hot(rates)
    lines.append(
        f"| **hot account, transfers / plain loop** ({TRANSFERS} for each settled request; the slower of posting and "
        "settling, 500 each) | " + " | ".join(f"**{hot[engine]:.1f}x**" for engine in ENGINES) + " |"
    )
    return "\n".join([
        *lines,
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}; a 4 KiB write with fdatasync took "
        f"{statistics.median(result['sync_us']):,.0f} µs. Medians of {result['rounds']} interleaved rounds of "
        f"{result['seconds']:g} s each.",
    ])


def slowest_hot(rates: dict[tuple, float]) -> dict[str, float]:
    """The slower of the two ways in which batches are posted to a hot account, in transfers, beside the plain loop."""
    return {
        engine: min(rates[engine, ("post", 1, 500, 1)], TRANSFERS * rates[engine, ("settle", 1, 500, 1)])
        / base(rates, engine)
        for engine in ENGINES
    }


def write_page(text: str) -> None:
    page = PAGE.read_text()
    begin, end = "<!-- ledger:begin -->", "<!-- ledger:end -->"
    if begin not in page:
        raise SystemExit(f"{PAGE} lacks the marker {begin}")
    before, rest = page.split(begin, 1)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="for each figure")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    result = measure(arguments.rounds, arguments.seconds)
    text = table(result)
    print(text)
    if not arguments.dry:
        RAW.write_text(json.dumps(result, indent=1) + "\n")
        write_page(text)
    if min(slowest_hot(medians(result["rows"])).values()) < BOUND:
        raise SystemExit(f"a hot account is posted to less than {BOUND} times as fast as the plain loop runs")


if __name__ == "__main__":
    main()
