"""openapi/volery.yaml against the running platform: what it promises is what is answered, also to nonsense."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from harness.tenancy import Admin, Organization, organization, settings_of
from harness.volery import Platform

ROOT = Path(__file__).parents[2]
DESCRIPTION = ROOT / "openapi/volery.yaml"
SECONDS = 900
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
ADMIN = ("--include-path-regex", "^/v1/(admin|auth)/")
INFERENCE = ("--exclude-path-regex", "^/v1/(admin|auth)/")
pytestmark = pytest.mark.timeout(SECONDS + 60)


def run_schemathesis(platform: Platform, token: str | None, *arguments: str) -> None:
    credential = ["--header", f"Authorization: Bearer {token}"] if token else []
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        str(DESCRIPTION),
        "--url",
        platform.url,
        *credential,
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
        command, capture_output=True, text=True, timeout=SECONDS, cwd=platform.data_dir.parent, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout or "No issues found" in done.stdout, done.stdout[-2000:]


@pytest.fixture(scope="module", params=["sqlite", "15"])
def described(request, tmp_path_factory) -> Iterator[Platform]:
    """A platform to be asked nonsense, so that nobody is throttled for it."""
    with settings_of(request.param) as settings:
        settings = {"VOLERY_FAILED_CREDENTIAL_LIMIT": "0", "VOLERY_LOG_LEVEL": "warning"} | settings
        folder = tmp_path_factory.mktemp(f"described-{request.param}")
        platform = Platform(folder / "data", ("--no-default-models",), settings).start()
        yield platform
        assert Admin(platform).call("GET", "/v1/admin/audit/verify").json()["ok"] is True
        assert platform.stop() == 0, platform.output[-3000:]


@pytest.fixture(scope="module")
def org(described) -> Organization:
    return organization(described)


def test_the_description_that_is_served_is_the_one_in_the_tree(echo):
    assert echo.get("/openapi.yaml").text == DESCRIPTION.read_text()


def test_every_path_that_is_described_is_there(echo):
    described = yaml.safe_load(DESCRIPTION.read_text())["paths"]
    assert len(described) >= 30
    for path, operations in described.items():
        for method in operations:
            if method == "get" and "{" not in path:
                assert echo.get(path, key=echo.operator_token).status_code != 404, path


def test_the_inference_api_keeps_its_description(described):
    run_schemathesis(described, described.key, *INFERENCE)


def test_the_admin_api_keeps_its_description_to_the_operator(described):
    run_schemathesis(described, described.operator_token, *ADMIN)


def test_the_api_keeps_its_description_to_an_owner(described, org):
    run_schemathesis(described, org.session, *ADMIN)


def test_the_api_keeps_its_description_to_a_key_with_every_scope(described, org):
    run_schemathesis(described, org.token, *ADMIN)


def test_the_api_keeps_its_description_without_a_credential(described):
    run_schemathesis(described, None)
