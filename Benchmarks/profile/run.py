#!/usr/bin/env python3
"""Asks an instrumented Volery for what its users ask, and writes down how often each branch of its code was taken.

`dev/profile-release.sh` builds that binary and calls this. The load is that of the gateway's benchmark: whole answers,
paced and burst streams, both dialects and the translations between them, with everything on and set, and clients that
leave. What it never runs is built as it was before.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gateway"))

from bench import Bench  # noqa: E402
from loads import MESSAGES, Request  # noqa: E402
from streams import leave  # noqa: E402
from volery import MESSAGES_MODEL  # noqa: E402

WHOLE, STREAMS, LEFT = 20_000, 500, 50


def ask(folder: Path) -> int:
    """The process that answered."""
    asked = {"systems": ["Volery"], "whole": WHOLE, "paced": STREAMS, "burst": STREAMS, "seconds": 3}
    with ExitStack() as stack:
        bench = Bench(folder, asked, stack, strict=True)
        bench.start_all()
        volery = bench.systems["Volery"]
        for word, number in (("whole", WHOLE), ("paced", STREAMS), ("burst", STREAMS)):
            for model in (volery.model, MESSAGES_MODEL):
                for path in ({}, {"path": MESSAGES}):
                    # What most of them are, most often.
                    share = 1 if model == volery.model and not path else 8
                    print(f"{number // share} {word}, {model} {path.get('path', '')}", file=sys.stderr)
                    bench.count(volery, Request(model, volery.key, word, **path), number // share)
        leave(volery, bench.mock, LEFT)
        return volery.process.pid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profdata", default="llvm-profdata", help="that of the compiler")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="volery-profile-") as folder:
        os.environ["LLVM_PROFILE_FILE"] = f"{folder}/%p.profraw"
        raw = Path(folder) / f"{ask(Path(folder))}.profraw"
        if not raw.exists():
            raise SystemExit("the binary wrote no profile: is it the instrumented one?")
        # Without the functions that were never called: the rest is small enough to be kept beside the sources.
        merge = [options.profdata, "merge", "-sparse", "-o", str(options.output), str(raw)]
        subprocess.run(merge, check=True)
    print(f"{options.output}: {options.output.stat().st_size >> 10} KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
