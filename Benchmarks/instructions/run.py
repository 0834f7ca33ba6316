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
import json
import platform
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from counted import CLIENTS, chunk, measure, workbench

ROOT = Path(__file__).resolve().parents[2]
RAW = ROOT / "Benchmarks/results/instructions.json"
PAGE = ROOT / "docs/performance.md"
BOUND = 0.15
# Parts of the whole that can be told from the call tree: names as callgrind writes them, of functions that do not call
# each other.
PARTS = {
    "admission: asked and ended": ["AdmissionFlowV5admity", "SpendingTicketC3end"],
    "the answer's header fields": ["AnswerTermsO6fields"],
    "settlement: what is posted": ["SettlementRulesV6settle", "Bookings.*4book", "LedgerRowsV5write"],
    "settlement: accounts and escrows": ["LedgerRowsV8accounts"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-only", action="store_true", help="without money: for a look at the platform alone")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    parser.add_argument("--keep", type=Path, help="a folder for what callgrind wrote")
    parser.add_argument("--streams", action="store_true", help="streams of 64 events instead of whole answers")
    parser.add_argument("--chunks", action="store_true", help="count an event of a paced stream as well")
    options = parser.parse_args()
    if options.chunks and options.streams:
        parser.error("--chunks counts what a stream takes above a whole answer: leave --streams out")
    rows: dict[str, list[dict[str, float]]] = {}
    parts: dict[str, dict[str, float]] = {}
    with workbench() as bench:
        for kind in ["plain"] if options.plain_only else ["plain", "money"]:
            with bench.platform(kind) as system:
                rows[kind], trees = measure(system, options.requests, options.rounds, options.streams)
                parts[kind] = tree(trees, options.requests)
                if options.chunks:
                    request = statistics.median(row["path"] for row in rows[kind])
                    print(f"{kind:6} {chunk(system, request):,.0f} instructions a streamed chunk")
                if options.keep:
                    shutil.copytree(system.folder, options.keep / kind, ignore=shutil.ignore_patterns("data"))
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
