"""openapi/volery.yaml against the running platform: what it promises is what is answered, also to nonsense."""

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DESCRIPTION = ROOT / "openapi/volery.yaml"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def run_schemathesis(echo, token: str, *arguments: str) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        str(DESCRIPTION),
        "--url",
        echo.url,
        "--header",
        f"Authorization: Bearer {token}",
        "--checks",
        CHECKS,
        "--seed",
        "20261121",
        "--max-examples",
        "20",
        "--phases",
        "examples,coverage,fuzzing",
        "--mode",
        "all",
        "--workers",
        "1",
        "--request-timeout",
        "30",
        "--no-shrink",
        "--suppress-health-check",
        "all",
        *arguments,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, cwd=echo.data_dir.parent, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout or "No issues found" in done.stdout, done.stdout[-2000:]


def test_the_description_that_is_served_is_the_one_in_the_tree(echo):
    assert echo.get("/openapi.yaml").text == DESCRIPTION.read_text()


def test_every_path_that_is_described_is_there(echo):
    described = yaml.safe_load(DESCRIPTION.read_text())["paths"]
    assert len(described) >= 12
    for path, operations in described.items():
        for method in operations:
            if method == "get" and "{" not in path:
                assert echo.get(path, key=echo.operator_token).status_code != 404, path


def test_the_inference_api_keeps_its_description(echo):
    run_schemathesis(echo, echo.key, "--exclude-path-regex", "^/v1/admin/")


def test_the_admin_api_keeps_its_description(echo):
    run_schemathesis(echo, echo.operator_token, "--include-path-regex", "^/v1/admin/")
