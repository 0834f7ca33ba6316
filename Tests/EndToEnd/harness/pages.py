"""Pages of the manual that are run from top to bottom, and hold what each of their blocks prints."""

import re
import subprocess
from pathlib import Path

from .accounts import JOURNAL
from .volery import BINARY, Platform

STEP = re.compile(r"```sh\n(?P<commands>.*?)```\n(?:\n```text\n(?P<output>.*?)```\n)?", re.DOTALL)
MARK = "---- next block ----"

#: What differs from run to run.
VARIABLE = [
    (r"\b([a-z]+)_[0-9A-HJKMNP-TV-Z]{26}", r"\1_ID"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\b\d{4}-\d\d(-\d\d)?\b", "DAY"),
    (r"(?m)^(retry-after|x-ratelimit-reset-requests): .*", r"\1: SOON"),
    (r"(?m)^(transfers|escrows|links|waiting|anchored) .*", r"\1"),
    # What a node holds for requests to come is given back after a while, and how long a request takes is the machine's.
    (r"(?m)^(bud|crd)_ID .*", lambda row: re.sub(r"\d+\.\d+", "N", row[0])),
    (r"(?m)^(TIME  req_ID .*)", lambda row: re.sub(r"\d+\.\d{3}  ", "S  ", row[0])),
]


def comparable(text: str) -> str:
    for pattern, put in VARIABLE:
        text = re.sub(pattern, put, text)
    return re.sub(r" +", " ", text)


def localized(text: str, platform: Platform) -> str:
    return text.replace("http://127.0.0.1:8090", platform.url).replace("~/volery-tour", str(platform.data_dir))


def outputs(blocks: list[str], platform: Platform, folder: Path) -> list[str]:
    """All blocks in one shell, as a reader runs them; each begins when the usage of those before is stored."""
    names = "|".join(("volery_requests_in_flight", *JOURNAL))
    count = f"$(curl -s {platform.metrics_url} | grep -cE '^({names}) 0(\\.0)?$')"
    # Not at once: the figures are those of the journal's last pass, of which there is one every few milliseconds.
    stored = f'sleep 0.2; until [ "{count}" = {1 + len(JOURNAL)} ]; do sleep 0.05; done'
    script = f"\n{stored}\necho '{MARK}'\n".join(localized(block, platform) for block in blocks)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        cwd=folder,
        env={
            "PATH": f"{BINARY.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
        },
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.split(MARK + "\n")
