"""The first request of the README, run as it stands."""

import re
import subprocess
from pathlib import Path

from harness.volery import BINARY

README = Path(__file__).parents[2] / "README.md"


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
        timeout=120,
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


def test_the_first_request_streams_real_text(platform):
    command = next(block for block in blocks("sh") if "curl" in block)
    out = run(localized(command, platform), platform)
    assert out.count("data: {") > 3 and "[DONE]" in out


def test_the_first_request_in_python_works(platform, tmp_path):
    import sys

    program = tmp_path / "first.py"
    program.write_text(localized(blocks("python")[0], platform))
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=120,
        env={"HOME": str(platform.data_dir.parent), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_command_lines_of_the_readme_work(platform):
    block = next(block for block in blocks("sh") if "volery chat" in block)
    for line in block.strip().splitlines():
        run(localized(line, platform), platform)
