#!/bin/sh
# Posting throughput on SQLite and PostgreSQL 18, beside a plain single-row UPDATE loop in the same run.
#
#     Benchmarks/ledger/run.sh [SECONDS for each figure]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/volery-bench-XXXXXX")
chmod 0755 "$folder"
trap '"$root/dev/postgres.sh" stop "$folder/pg18" > /dev/null || true; rm -rf "$folder"' EXIT
url=$("$root/dev/postgres.sh" start 18 "$folder/pg18" | tail -n 1)
"${LEDGER_BENCH:-$root/.build/release/ledger-bench}" "${1:-5}" "$folder" "$url"
