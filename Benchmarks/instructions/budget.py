#!/usr/bin/env python3
"""Compares what a request and a streamed chunk execute with the budget, which only goes down.

Everything is set: prices, a hard budget and limits. Ends with 1 where a figure is above its budget by more than the
noise that two starts of one binary show; `--write` lowers the budget where a figure is below it by more than that.
"""

import argparse
import json
import sys
from pathlib import Path

from counted import chunk, measure, workbench

BUDGET = Path(__file__).with_name("budget.json")


def count(requests: int) -> dict[str, float]:
    with workbench() as bench, bench.platform("money") as system:
        rows, _ = measure(system, requests, 1, False)
        request = rows[0]["path"]
        return {"request": request, "chunk": chunk(system, request)}


def verdict(name: str, counted: float, budget: int, noise: float) -> str:
    if counted > budget * (1 + noise):
        return f"{name}: above the budget by {counted / budget - 1:.1%}"
    if counted < budget * (1 - noise):
        return f"{name}: below the budget by {1 - counted / budget:.1%}: lower it with --write"
    return f"{name}: within the budget and its noise of {noise:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="lower the budget to what was counted")
    options = parser.parse_args()
    stated = json.loads(BUDGET.read_text())
    budget, noise = stated["instructions"], stated["noise"]
    counted = count(options.requests)
    above = []
    for name, figure in counted.items():
        print(f"{name:8} {figure:10,.0f} instructions; budget {budget[name]:,}")
        print("         " + verdict(name, figure, budget[name], noise[name]))
        if figure > budget[name] * (1 + noise[name]):
            above.append(name)
        elif options.write and figure < budget[name] * (1 - noise[name]):
            budget[name] = round(figure)
    if options.write:
        BUDGET.write_text(json.dumps(stated, indent=1) + "\n")
    sys.exit(f"above the budget: {', '.join(above)}" if above else 0)


if __name__ == "__main__":
    main()
