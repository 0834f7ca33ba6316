"""Holds what clients saw against the usage rows: each answer has its row once, and what was cut is counted fairly."""

import re
import sqlite3
import time
from collections import Counter

import httpx2 as httpx

from . import processes
from .load import Seen
from .postgres import Cluster, database_of
from .volery import Platform

#: A stream's progress is journalled when so many words, or so long, passed since the last time.
PROGRESS_WORDS = 64
PROGRESS_SECONDS = 0.250
#: The platform reads its clock once for all that one turn of its loop brings.
CLOCK_SLACK = 0.050


#: What is above nothing while the journal has something to do. A figure is that of the writer's last pass: what was
#: written a moment ago may be in none of them, and so no one of them tells that an answer has its row.
JOURNAL = ("volery_journal_lag_records", "volery_journal_open_requests", "volery_journal_unsynced_bytes")


def all_rows(platform: Platform, **query: str) -> list[dict]:
    """Every usage row, or those of a `workspace`, by the public API's pages."""
    rows, after = [], {}
    while True:
        answer = platform.get(
            "/v1/admin/usage", key=platform.operator_token, params={"each": "true", "limit": 1000, **query, **after}
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["data"]
        if not page["has_more"]:
            return rows
        after = {"after": page["last_id"]}


def faults(seen: list[Seen], rows: list[dict], produced: dict[str, list[float]]) -> list[str]:
    """Every way in which the rows are not what the clients saw; empty when all is right."""
    found = []
    times = Counter(row["request_id"] for row in rows)
    found += [f"{request} has {count} rows" for request, count in times.items() if count > 1]
    by_request = {row["request_id"]: row for row in rows}
    known = set()
    for one in seen:
        if one.request is None:
            continue
        if one.status != 200:
            found.append(f"{one.request} was answered with {one.status} {one.code}")
            continue
        known.add(one.request)
        row = by_request.get(one.request)
        if row is None:
            found.append(f"{one.request} has no row: {_words(one)}")
        else:
            found += [f"{one.request}: {fault}: {_words(one)}, row {row}" for fault in _row_faults(one, row, produced)]
    strangers = [row for row in rows if row["request_id"] not in known]
    # Cut before a head was seen: counted or not, but never more of them than were asked.
    unanswered = sum(one.request is None for one in seen)
    if len(strangers) > unanswered:
        found.append(f"{len(strangers)} rows of requests that nobody saw answered; only {unanswered} were cut so early")
    for row in strangers:
        if row["status"] not in ("succeeded", "interrupted"):
            found.append(f"a request that was cut before its head is {row['status']}: {row}")
    return found


def _words(one: Seen) -> str:
    state = "complete" if one.is_complete else f"cut ({one.broken})"
    return f"{one.ask.model} {one.ask.prompt!r} stream={one.ask.is_stream}, {len(one.words)} words, {state}"


def _row_faults(one: Seen, row: dict, produced: dict[str, list[float]]) -> list[str]:
    if row["model"] != one.ask.model:
        return ["the model is another"]
    out = row["output_tokens"]
    whole = one.ask.tokens or one.told
    if one.is_complete or row["status"] == "succeeded":
        # A cut client may have missed the end of an answer that was closed in the journal.
        if row["status"] != "succeeded":
            return ["not succeeded"]
        if whole and (row["input_tokens"], out) != whole:
            return [f"tokens should be {whole}"]
        return []
    if row["status"] != "interrupted":
        return ["cut by the kill, and not interrupted"]
    if not one.ask.is_stream:
        return ["the head of a whole answer went out, and it was not closed"]
    if one.words and row["input_tokens"] < 1:
        return ["words went out, and no input was counted"]
    made = produced.get(one.request, one.words) if one.ask.model != "demo-echo" else None
    # An estimate is a token for each word or for each four bytes, of which `word ` has five.
    most = len(made) * 5 // 4 if made is not None else (one.ask.max_tokens or 0)
    least = len(one.words) and max(1, len(one.words) - PROGRESS_WORDS, _known_by_time(one, made))
    return [] if least <= out <= most else [f"output tokens should be {least} to {most}"]


def _known_by_time(one: Seen, made: list[float] | None) -> int:
    """Words that arrived so long before the last one was even sent that a progress record between them counts them."""
    if not made:
        return 0
    last = made[len(one.words) - 1]
    return sum(arrived < last - PROGRESS_SECONDS - CLOCK_SLACK for arrived in one.words)


def metric(platform: Platform, name: str) -> float:
    text = httpx.get(platform.metrics_url, timeout=30).text
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not among the metrics"
    return float(found.group(1))


def figures_above_nothing(platform: Platform, *names: str) -> dict[str, float]:
    text = httpx.get(platform.metrics_url, timeout=30).text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(figures[name]) for name in names if float(figures[name]) != 0}


def wait_until_shipped(platform: Platform, count: float, seconds: float = 60) -> None:
    """For whoever has no rows to name: until so many records are stored since the start. While more of them come, there
    may be no moment at which none waits."""
    processes.wait_until(
        lambda: metric(platform, "volery_journal_shipped_records_total") >= count, seconds, "the journal is shipped"
    )


def settled_rows(platform: Platform, requests: set[str], seconds: float = 60, **query: str) -> list[dict]:
    """The rows, when nothing runs, nothing waits in the journal, and each of the requests has its row."""
    deadline = time.monotonic() + seconds
    while True:
        waiting = figures_above_nothing(platform, "volery_requests_in_flight", *JOURNAL)
        rows = [] if waiting else all_rows(platform, **query)
        missing = requests - {row["request_id"] for row in rows}
        if not waiting and not missing:
            return rows
        assert time.monotonic() < deadline, (
            f"not settled within {seconds} s: {waiting}, {len(missing)} rows are missing, as {sorted(missing)[:5]}"
        )
        time.sleep(0.05)


def check_books(platform: Platform, seen: list[Seen], produced: dict) -> list[dict]:
    """Every answer has its row once, everything was settled, and the journal is whole. Returns the rows."""
    rows = settled_rows(platform, {one.request for one in seen if one.request and one.status == 200})
    found = faults(seen, rows, produced)
    assert not found, f"{len(found)} of {len(seen)} requests:\n" + "\n".join(found[:20])
    verified = platform.volery("journal", "verify")
    assert verified.code == 0, verified.out + verified.err
    return rows


def rows_in_database(platform: Platform, cluster: Cluster | None, settings: dict[str, str]) -> list:
    """Request, status and output tokens as the database holds them, past the platform."""
    if cluster:
        return cluster.usage_rows(database_of(settings["VOLERY_DATABASE"]))
    with sqlite3.connect(f"file:{platform.data_dir}/volery.db?mode=ro", uri=True) as database:
        return database.execute("SELECT request_id, status, output_tokens FROM usage").fetchall()
