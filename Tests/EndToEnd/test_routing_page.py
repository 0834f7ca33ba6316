"""docs/routing.md, run from top to bottom: each block prints what the page says. VOLERY_WRITE_DOCS=1 writes it."""

import os
import re
from pathlib import Path

from harness.pages import STEP, comparable, outputs

PAGE = Path(__file__).parents[2] / "docs/routing.md"


def test_the_page_prints_what_it_says(fresh, tmp_path):
    # Nobody asks for the health of what the page registers, which it shows as unknown.
    platform = fresh(environment={"VOLERY_HEALTH_INTERVAL": "0s"}).start()
    text = PAGE.read_text().replace("~/volery-routing", str(platform.data_dir))
    steps = list(STEP.finditer(text))
    printed = outputs([step["commands"] for step in steps], platform, tmp_path)
    assert len(printed) == len(steps) >= 5
    page = PAGE.read_text()
    if os.environ.get("VOLERY_WRITE_DOCS") == "1":
        for step, output in reversed(list(zip(STEP.finditer(page), printed, strict=True))):
            if step["output"] is not None:
                page = page[: step.start("output")] + output + page[step.end("output") :]
        PAGE.write_text(page)
        return
    for step, output in zip(steps, printed, strict=True):
        assert comparable(output) == comparable(step["output"] or ""), step["commands"]
    assert platform.stop() == 0, platform.output[-3000:]


def test_the_page_names_every_option_of_routing_set(run_volery):
    said = set(re.findall(r"--[a-z-]+", run_volery("routing", "set", "--help").out))
    unsaid = {"--json", "--data-dir", "--config", "--version", "--help", "--tenant"}
    text = PAGE.read_text()
    assert {option for option in said - unsaid if option not in text} == set()
