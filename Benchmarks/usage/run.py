#!/usr/bin/env python3
"""How long `volery usage` takes over many millions of requests, on SQLite, with the platform running.

The rows are written into a stopped platform's database as settlements leave them: of three models and one key, one
every 200 microseconds. The first report reads them from the disk's cache at best; each is timed once.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gateway"))

from systems import VOLERY, free_port, wait_for  # noqa: E402

APART = 200  # microseconds
INSERT = """
WITH RECURSIVE number (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :end)
INSERT INTO usage (request_id, workspace_id, key_id, operation, model, deployment_id, is_stream, status, http_status,
    input_tokens, output_tokens, count_source, started, latency, bill_state, price, price_currency, cost, cost_currency,
    tags)
SELECT printf('req_01M83%021d', n), (SELECT id FROM workspace), (SELECT id FROM api_key), 'chat', 'model-' || (n % 3),
    'dep_0RJA9W42QEDB2JEG0M1KQCVWXT', 0, 'succeeded', 200, 100, 250, 'provider', :begin + n * :apart, 1000, 'charged',
    5, 'USD', 3, 'USD', ''
FROM number
"""


@contextmanager
def served(folder: str):
    port = free_port()
    command = [str(VOLERY), "serve", "--data-dir", folder, "--port", str(port), "--no-default-models"]
    with open(f"{folder}.log", "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        ready = ["curl", "-sf", f"http://127.0.0.1:{port}/readyz"]
        wait_for(lambda: subprocess.run(ready, stdout=subprocess.DEVNULL).returncode == 0, 30, "volery serve")
        yield process
    finally:
        process.terminate()
        process.wait(60)


def fill(database: sqlite3.Connection, rows: int) -> None:
    database.execute("PRAGMA synchronous = OFF")
    begin = int(time.time() * 1e6) - rows * APART - 3_600_000_000
    for first in range(0, rows, 1_000_000):
        end = min(rows, first + 1_000_000)
        database.execute(INSERT, {"first": first, "end": end, "begin": begin, "apart": APART})
        database.commit()
        print(f"{end:,} of {rows:,} rows", file=sys.stderr)
    database.execute("PRAGMA wal_checkpoint (TRUNCATE)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=12_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="volery-usage-") as base:
        folder = os.path.join(base, "data")
        with served(folder):
            pass
        database = sqlite3.connect(os.path.join(folder, "volery.db"))
        fill(database, options.rows)
        database.close()
        print("| report | seconds | rows a second |\n|---|---|---|")
        with served(folder) as process:
            for words in ([], ["--by", "model"], ["--by", "day,model", "--zone", "Asia/Tehran"]):
                command = [str(VOLERY), "--data-dir", folder, "usage", *words]
                began = time.monotonic()
                answer = subprocess.run(command, capture_output=True, text=True)
                took = time.monotonic() - began
                if answer.returncode != 0 or f"{options.rows} requests" not in answer.stderr:
                    raise SystemExit(answer.stdout + answer.stderr)
                print(f"| `{' '.join(['volery', 'usage', *words])}` | {took:.1f} | {options.rows / took:,.0f} |")
            status = Path(f"/proc/{process.pid}/status").read_text()
            print(next(line for line in status.splitlines() if line.startswith("VmHWM")))


if __name__ == "__main__":
    main()
