"""The README's commands, run as they stand and in their order, on a platform as `make up` leaves it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import with_default_models
from harness.streams import spoken
from harness.volery import BINARY, UNTIL_IT_ENDS, Platform

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def made_up(downloads, tmp_path_factory) -> Iterator[Platform]:
    """One of its own: the README sets prices, walls and limits."""
    with with_default_models(downloads, tmp_path_factory.mktemp("readme") / "data") as running:
        yield running


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def localized(text: str, platform) -> str:
    """The README's address and data folder become the test's; nothing else is touched."""
    return text.replace("http://127.0.0.1:8080", platform.url).replace("~/.volery", str(platform.data_dir))


def run(command: str, platform) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        timeout=UNTIL_IT_ENDS,
        env={
            "PATH": f"{BINARY.parent}:/usr/local/bin:/usr/bin:/bin",
            "VOLERY_DATA_DIR": str(platform.data_dir),
            "HOME": str(platform.data_dir.parent),
            "LANG": "C.UTF-8",
        },
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_two_commands_are_make_up_and_make_test():
    text = README.read_text()
    makefile = (README.parent / "Makefile").read_text()
    for target in ("up", "test"):
        assert f"make {target}" in text
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_command_of_the_readme_works_in_order(made_up):
    told = [run(localized(block, made_up), made_up) for block in blocks("sh")]
    # The model chooses its words, and one of them is an answer too.
    assert spoken(told[0]).strip() and told[0].rstrip().endswith("data: [DONE]")
    assert sum("volery prices set" in block for block in blocks("sh")) == 1


def test_behind_the_price_and_the_wall_a_request_runs_and_is_charged(made_up):
    """After the block above, by the name that the README's first request uses."""
    command = next(block for block in blocks("sh") if "curl" in block).replace("curl -sN", "curl -siN")
    out = run(localized(command, made_up), made_up)
    assert "200 OK" in out.splitlines()[0] and "[DONE]" in out
    row = made_up.usage_of(re.search(r"^x-request-id: (\S+)", out, re.MULTILINE)[1])
    assert row["bill_state"] == "charged" and float(row["price"]["amount"]) > 0, row
    budget = re.search(r"^volery-budget-remaining: (.*)$", out, re.MULTILINE | re.IGNORECASE)
    assert budget and budget[1].strip().endswith("USD"), out


def test_the_first_request_in_python_works(platform, tmp_path):
    program = tmp_path / "first.py"
    program.write_text(localized(blocks("python")[0], platform))
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=UNTIL_IT_ENDS,
        env={"HOME": str(platform.data_dir.parent), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
