"""docs/money.md, run from top to bottom: each block prints what the page says. VOLERY_WRITE_DOCS=1 writes it."""

import os
import re
import subprocess
from pathlib import Path

import httpx2 as httpx
from harness.volery import BINARY, Platform

PAGE = Path(__file__).parents[2] / "docs/money.md"
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
    stored = f"until curl -s {platform.metrics_url} | grep -q '^volery_journal_lag_records 0'; do :; done"
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


def test_the_page_begins_with_a_folder_and_a_port_of_its_own():
    """The README's platform may be running."""
    serve = re.search(r"```\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1)
    assert "export VOLERY_DATA_DIR=~/volery-tour\n" in serve and "volery serve --port 8090" in serve
    first = STEP.search(PAGE.read_text())["commands"]
    assert first.startswith("export VOLERY_DATA_DIR=~/volery-tour\n") and "127.0.0.1:8090" in first
    assert "~/.volery" not in PAGE.read_text() and ":8080" not in PAGE.read_text()


def test_the_page_prints_what_it_says(fresh, tmp_path):
    platform = fresh().start()
    text = PAGE.read_text()
    steps = list(STEP.finditer(text))
    printed = outputs([step["commands"] for step in steps], platform, tmp_path)
    assert len(printed) == len(steps) >= 10
    if os.environ.get("VOLERY_WRITE_DOCS") == "1":
        for step, output in reversed(list(zip(steps, printed, strict=True))):
            if step["output"] is not None:
                text = text[: step.start("output")] + output + text[step.end("output") :]
        PAGE.write_text(text)
        return
    for step, output in zip(steps, printed, strict=True):
        assert comparable(output) == comparable(step["output"] or ""), step["commands"]
    assert platform.stop() == 0, platform.output[-3000:]
