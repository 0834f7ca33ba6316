#!/usr/bin/env python3
"""Measures Volery, with everything on and set, beside other gateways on this machine, and holds it to its goals.

The system under measurement has core 0; upstream, load and this script have core 1. All systems run at the same time
and are measured in turn within each round, so that a change of the machine meets all. The raw rows go to
Benchmarks/results/gateway.json, the tables made from them to docs/performance.md. A part of the systems (--only) or a
quick run is printed and written nowhere.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import peers
from bench import FEWER, LOAD_CORE, Bench
from report import goal_table, measured_table, write_page
from streams import raise_descriptor_limit, streams_that_fit
from systems import ROOT, VOLERY

RAW = ROOT / "Benchmarks/results/gateway.json"
NAMES = ["nginx", "Envoy", "vllm-router", "smg", "LiteLLM", "Volery"]
ALL = {"whole": 40_000, "paced": 1_000, "burst": 4_000, "seconds": 5, "leave": 200, "opening_seconds": 60}
QUICK = {"whole": 2_000, "paced": 128, "burst": 400, "seconds": 1, "leave": 20, "opening_seconds": 20}


def machine(descriptors: int, names: list[str]) -> dict:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release().split("-")[0],
        "descriptors": descriptors,
        "peers": {name: peers.version(name) for name in names if name != "Volery"},
        "date": time.strftime("%Y-%m-%d"),
        "volery": subprocess.run([str(VOLERY), "--version"], capture_output=True, text=True).stdout.strip(),
    }


def asked_for(options: argparse.Namespace, descriptors: int) -> dict:
    wanted = {name.lower() for name in options.only.split(",")} if options.only else {name.lower() for name in NAMES}
    names = [name for name in NAMES if name.lower() in wanted]
    if unknown := wanted - {name.lower() for name in NAMES}:
        raise SystemExit(f"--only: not known: {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}")
    streams = [200, 1000] if options.quick else [1000, streams_that_fit(10_000, descriptors)]
    return (QUICK if options.quick else ALL) | {"systems": names, "streams": streams, "fewer": FEWER}


def run(options: argparse.Namespace, descriptors: int) -> None:
    asked = asked_for(options, descriptors)
    is_whole = not options.quick and asked["systems"] == NAMES

    def keep(raw: dict) -> None:
        if is_whole:
            RAW.parent.mkdir(parents=True, exist_ok=True)
            RAW.write_text(json.dumps(raw, indent=1) + "\n")
            write_page(raw)
        elif options.out:
            options.out.write_text(json.dumps(raw, indent=1) + "\n")

    with tempfile.TemporaryDirectory(prefix="volery-bench-") as name, ExitStack() as stack:
        bench = Bench(Path(name), asked, stack, strict=is_whole)
        if options.rounds:
            bench.start_all()
            rounds = [bench.round(number) for number in range(options.rounds)]
            raw = {"machine": machine(descriptors, list(bench.systems)), "asked": asked, "rounds": rounds}
            raw |= {"unavailable": bench.unavailable, "volery": bench.checked()}
        else:
            raw = json.loads(RAW.read_text())
        keep(raw)
        if options.soak:
            raw["soak"] = bench.soak(options.soak)
            keep(raw)
    print(measured_table(raw) + "\n\n" + goal_table(raw))
    if not is_whole:
        print("\nA part of the run, or a quick one: nothing was written to docs/performance.md.", file=sys.stderr)
    if bench.failed:
        raise SystemExit("failed: " + "; ".join(bench.failed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="0 keeps those of the last whole run, for --soak alone")
    parser.add_argument("--only", help=f"some of: {','.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the requests: for trying the harness")
    parser.add_argument("--soak", type=int, default=0, metavar="SECONDS", help="Volery at saturation for so long, too")
    parser.add_argument("--out", type=Path, help="where the raw rows of a partial run go")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the system, one for the load")
    if not VOLERY.exists():
        raise SystemExit(f"{VOLERY} is missing: run `make build`")
    descriptors = raise_descriptor_limit()
    os.sched_setaffinity(0, {LOAD_CORE})
    run(options, descriptors)


if __name__ == "__main__":
    main()
