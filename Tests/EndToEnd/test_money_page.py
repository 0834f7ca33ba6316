"""docs/money.md, run from top to bottom: each block prints what the page says. VOLERY_WRITE_DOCS=1 writes it."""

import os
import re
from pathlib import Path

from harness.pages import STEP, comparable, outputs

PAGE = Path(__file__).parents[2] / "docs/money.md"


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
