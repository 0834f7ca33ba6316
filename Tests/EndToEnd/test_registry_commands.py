"""The registry and a workspace's routing, as operators set them: every command, and what is wrong with its input."""

import time
from collections.abc import Callable, Iterator

import httpx2 as httpx
import pytest
from harness import processes
from harness.postgres import shared_cluster
from harness.tenancy import Admin, share_master_key
from harness.volery import Platform

ENDPOINT = "http://127.0.0.1:9"
UNKNOWN = "dep_01JZ0000000000000000000000"


@pytest.fixture
def registered(echo) -> Iterator[Callable[..., dict]]:
    """Registers deployments, and takes away what is left of them and of what they were promoted to."""
    before = {row["id"] for row in echo.volery("registry", "list", "--json").json()}

    def register(model: str, *more: str, endpoint: str = ENDPOINT) -> dict:
        result = echo.volery(
            "registry", "register", "--model", model, "--endpoint", endpoint, "--protocol", "openai", "--json", *more
        )
        assert result.code == 0, result.err
        return result.json()

    yield register
    for row in echo.volery("registry", "list", "--json").json():
        if row["id"] not in before:
            assert echo.volery("registry", "deregister", row["id"]).code == 0


@pytest.fixture
def unrouted(echo) -> Iterator[None]:
    yield
    echo.volery("routing", "remove")


def ok(platform: Platform, *arguments: str):
    result = platform.volery(*arguments, "--json")
    assert result.code == 0, result.err
    return result.json()


def test_every_term_is_registered_shown_listed_and_changed(echo, registered):
    made = registered(
        "qwen", "--environment", "staging", "--model-version", "2", "--priority", "3", "--weight", "10",
        "--context-limit", "8192", "--region", "eu-west", "--data-policy", "no-training", "eu-only",
        "--first-token-ms", "300", "--concurrency", "adaptive:8", "--disabled",
    )  # fmt: skip
    wanted = {
        "model": "qwen",
        "environment": "staging",
        "model_version": "2",
        "priority": 3,
        "weight": 10,
        "context_limit": 8192,
        "region": "eu-west",
        "data_policies": ["eu-only", "no-training"],
        "first_token_ms": 300,
        "concurrency": "adaptive:8",
        "enabled": False,
        "health": None,
        "revision": 1,
    }
    assert {name: made[name] for name in wanted} == wanted
    assert ok(echo, "registry", "show", made["id"]) == made
    assert made in ok(echo, "registry", "list")
    table = echo.volery("registry", "list").out.splitlines()
    assert table[0].split() == [
        "ID", "MODEL", "VERSION", "ENVIRONMENT", "ENDPOINT", "PROVIDER", "WEIGHT", "PRIORITY", "ENABLED", "HEALTH",
    ]  # fmt: skip
    row = next(line for line in table if made["id"] in line)
    assert row.split()[1:] == ["qwen", "2", "staging", ENDPOINT, "-", "10", "3", "no", "-"]
    shown = echo.volery("registry", "show", made["id"]).out
    assert "concurrency           adaptive:8" in shown and "revision              1" in shown
    changed = ok(
        echo, "registry", "update", made["id"], "--weight", "0", "--region", "none", "--data-policy", "none",
        "--concurrency", "4", "--model-version", "none", "--alias", "quick", "--revision", "1",
    )  # fmt: skip
    differences = {
        "weight": 0, "region": None, "data_policies": [], "concurrency": 4, "model_version": None,
        "aliases": ["quick"], "revision": 2,
    }  # fmt: skip
    assert changed == made | differences
    late = echo.volery("registry", "update", made["id"], "--weight", "9", "--revision", "1")
    assert late.code == 5 and "revision 2, not 1" in late.err


def test_another_endpoint_adds_a_deployment_and_the_same_one_is_refused(echo, registered):
    registered("twice")
    registered("twice", endpoint="http://127.0.0.1:10")
    registered("twice", "--upstream-model", "twice-large")
    again = echo.volery("registry", "register", "--model", "twice", "--endpoint", ENDPOINT, "--protocol", "openai")
    assert again.code == 5 and "registry update" in again.err
    assert len([row for row in ok(echo, "registry", "list") if row["model"] == "twice"]) == 3


def test_a_disabled_model_is_listed_as_such_and_comes_back(echo, registered):
    made = registered("switched")

    def states() -> dict:
        return {row["model"]: row["state"] for row in ok(echo, "models", "list")}

    ready = lambda: [row["model"] for row in echo.get("/readyz").json()["models"]]  # noqa: E731
    assert states()["switched"] == "ready" and "switched" in ready()
    for _ in range(2):
        assert ok(echo, "registry", "disable", made["id"])["enabled"] is False
    assert states()["switched"] == "disabled" and "switched" not in ready()
    assert ok(echo, "registry", "enable", made["id"])["enabled"] is True
    assert states()["switched"] == "ready" and "switched" in ready()
    acts = [row["action"] for row in ok(echo, "audit", "list")]
    assert {"deployment.register", "deployment.disable", "deployment.enable"} <= set(acts)


def test_a_deployment_is_promoted_with_no_share_beside_others(echo, registered):
    staged = registered("promoted", "--environment", "staging", "--model-version", "2", "--weight", "70")
    other = registered("promoted", "--environment", "staging", endpoint="http://127.0.0.1:10")
    first = ok(echo, "registry", "promote", staged["id"], "--to", "production")
    assert first["environment"] == "production" and first["weight"] == 70 and first["model_version"] == "2"
    assert ok(echo, "registry", "promote", other["id"], "--to", "production")["weight"] == 0
    for deployment, to in [(first, "staging"), (staged, "development"), (staged, "live")]:
        refused = echo.volery("registry", "promote", deployment["id"], "--to", to)
        assert refused.code == 5, refused.err
    assert echo.volery("registry", "promote", other["id"], "--to", "production").code == 5, "it is there already"


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--weight", "-1", "weight"),
        ("--weight", "1000001", "1000000"),
        ("--priority", "1001", "1000"),
        ("--model-version", "a b", "--model-version"),
        ("--region", "eu west", "region"),
        ("--data-policy", "a,b", "data_policies[0]"),
        ("--first-token-ms", "0", "--first-token-ms"),
        ("--concurrency", "many", "adaptive:8"),
        ("--concurrency", "adaptive:0", "100000"),
        ("--protocol", "grpc", "openai, anthropic"),
        ("--environment", "prod", "production"),
    ],
)
def test_what_is_wrong_with_a_deployment_is_told(echo, option, value, told):
    result = echo.volery("registry", "register", "--model", "bad", "--endpoint", ENDPOINT, option, value)
    assert result.code == 5, result.err
    assert told in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["registry", "show", UNKNOWN], 3, "registry list"),
        (["registry", "enable", UNKNOWN], 3, "registry list"),
        (["registry", "disable", UNKNOWN], 3, "registry list"),
        (["registry", "update", UNKNOWN, "--weight", "1"], 3, "registry list"),
        (["registry", "promote", UNKNOWN, "--to", "production"], 3, "registry list"),
        (["registry", "deregister", UNKNOWN], 3, "registry list"),
        (["registry", "show", "qwen"], 64, "dep_"),
        (["registry", "update", UNKNOWN, "--weight", "heavy"], 64, "weight"),
        (["registry", "update", UNKNOWN, "--data-policy", "a", "--data-policy", "none"], 64, "alone"),
        (["registry", "promote", UNKNOWN], 64, "--to"),
        (["registry", "promot"], 64, "promote"),
        (["routing", "set"], 5, "lowest_latency"),
        (["routing", "set", "--strategy", "fastest"], 5, "lowest_latency"),
        (["routing", "set", "--strategy", "weighted", "--region", "eu west"], 5, "regions[0]"),
        (["routing", "set", "--strategy", "weighted", "--sticky", "session"], 5, "key, user"),
        (["routing", "set", "--strategy", "weighted", "--attempts", "11"], 5, "10"),
        (["routing", "set", "--strategy", "weighted", "--priority", "urgent"], 5, "normal"),
        (["routing", "set", "--strategy", "weighted", "--max-cost", "cheap"], 5, "--max-cost"),
        (["routing", "set", "--strategy", "weighted", "--max-latency-ms", "0"], 5, "--max-latency-ms"),
        (["routing", "set", "--strategy", "weighted", "--output-cap", "0"], 5, "--output-cap"),
        (["routing", "set", "--strategy", "weighted", "--hint", "qwen"], 64, "NAME=MODEL"),
        (["routing", "set", "--strategy", "weighted", "--hint", "a=b", "a=c"], 64, "twice"),
        (["routing", "set", "--strategy", "weighted", "--hint", "demo-echo=qwen"], 5, "own name"),
        (["routing", "set", "--file", "/no/such/routing.yaml"], 3, "no such file"),
        (["routing", "set", "--workspace", "nowhere", "--strategy", "weighted"], 3, "nowhere"),
        (["routing", "remove"], 3, "routing show"),
    ],
)
def test_what_is_wrong_with_a_command_is_told(echo, arguments, code, told):
    result = echo.volery(*arguments)
    assert result.code == code, result.err
    assert told in result.err


def test_an_update_that_changes_nothing_is_refused(echo, registered):
    made = registered("unchanged")
    result = echo.volery("registry", "update", made["id"])
    assert result.code == 5 and "changes nothing" in result.err


def test_routing_is_set_by_options_which_leave_the_rest(echo, unrouted):
    usual = ok(echo, "routing", "show")
    assert usual["changed"] is None and usual["strategy"] == "priority" and usual["attempts"] == 3
    first = ok(
        echo, "routing", "set", "--workspace", "default", "--strategy", "cheapest", "--region", "eu-west", "us-east",
        "--data-policy", "no-training", "--max-cost", "0.05", "--currency", "EUR", "--max-latency-ms", "2500",
        "--sticky", "user", "--attempts", "2", "--output-cap", "700", "--priority", "high",
        "--hint", "llm:fa-medium=qwen-7b", "llm:x=y",
    )  # fmt: skip
    wanted = {
        "strategy": "cheapest", "regions": ["eu-west", "us-east"], "data_policies": ["no-training"],
        "max_cost": "0.05", "currency": "EUR", "max_latency_ms": 2500, "sticky": "user", "attempts": 2,
        "output_cap": 700, "priority": "high", "hints": {"llm:fa-medium": "qwen-7b", "llm:x": "y"},
    }  # fmt: skip
    assert {name: first[name] for name in wanted} == wanted
    second = ok(echo, "routing", "set", "--strategy", "weighted", "--region", "none", "--hint", "llm:x=none")
    changes = {"strategy": "weighted", "regions": [], "hints": {"llm:fa-medium": "qwen-7b"}}
    assert second == first | changes | {"changed": second["changed"]}
    assert ok(echo, "routing", "show", "--workspace", "default") == second
    assert ok(echo, "routing", "list") == [second]
    assert "for at most" in echo.volery("routing", "set", "--strategy", "weighted").err
    none = ("--max-cost", "none", "--max-latency-ms", "none", "--sticky", "none", "--output-cap", "none")
    cleared = ok(echo, "routing", "set", *none)
    assert cleared["max_cost"] is cleared["max_latency_ms"] is cleared["sticky"] is cleared["output_cap"] is None
    assert "llm:fa-medium for qwen-7b" in echo.volery("routing", "show").out
    assert ok(echo, "routing", "remove")["strategy"] == "weighted"
    assert ok(echo, "routing", "show") == usual


def test_routing_is_set_by_a_file_which_says_everything(echo, unrouted, tmp_path):
    ok(echo, "routing", "set", "--strategy", "cheapest", "--region", "eu-west")
    file = tmp_path / "routing.yaml"
    file.write_text("strategy: sla_preferred\ndata_policies: [no-training]\nhints:\n  llm:fa-next: qwen-7b@2\n")
    said = ok(echo, "routing", "set", "--file", str(file), "--attempts", "1")
    assert said["strategy"] == "sla_preferred" and said["regions"] == [] and said["attempts"] == 1
    assert said["hints"] == {"llm:fa-next": "qwen-7b@2"}
    told = echo.volery("routing", "set", "--file", str(file))
    assert told.code == 0 and "No model has the name `qwen-7b@2` yet." in told.err
    for text, complaint in [
        ("strategy: weighted\nregion: [eu]\n", "routing.yaml:2:1: region is not known; did you mean `regions`?"),
        ("strategy: fastest\n", "routing.yaml:1:11: strategy is `fastest`"),
        ("strategy: weighted\nhints: [a]\n", "routing.yaml:2:8: hints must be a mapping"),
    ]:
        file.write_text(text)
        refused = echo.volery("routing", "set", "--file", str(file))
        assert refused.code == 5 and complaint in refused.err, refused.err
    assert ok(echo, "routing", "show")["strategy"] == "sla_preferred"


def test_the_api_refuses_fields_that_it_does_not_know(echo, registered):
    made = registered("fields")
    workspace = ok(echo, "routing", "show")["workspace_id"]
    for method, path, body in [
        ("PUT", f"/v1/admin/workspaces/{workspace}/routing", {"strategy": "weighted", "region": ["eu"]}),
        ("PATCH", f"/v1/admin/registry/{made['id']}", {"wieght": 1}),
        ("POST", f"/v1/admin/registry/{made['id']}/promote", {"to": "production", "share": 1}),
    ]:
        answer = Admin(echo).call(method, path, body)
        assert answer.status_code == 400 and answer.json()["param"] in ("region", "wieght", "share"), answer.text
    answer = Admin(echo).call("PATCH", f"/v1/admin/registry/{made['id']}", {"weight": 1.5})
    assert answer.status_code == 400 and answer.json()["param"] == "weight"


def test_the_readiness_tells_what_is_routed_by(echo, registered):
    before = echo.get("/readyz").json()["registry"]
    assert before["state"] == "current" and before["detail"] is None
    registered("counted")
    assert echo.get("/readyz").json()["registry"]["snapshot"] == before["snapshot"] + 1


def test_the_commands_work_without_a_platform(fresh):
    platform = fresh().start()
    assert platform.stop() == 0
    made = platform.volery("registry", "register", "--model", "m", "--endpoint", ENDPOINT, "--json")
    assert made.code == 0, made.err
    assert ok(platform, "registry", "disable", made.json()["id"])["revision"] == 2
    assert ok(platform, "routing", "set", "--strategy", "weighted", "--hint", "a=m")["hints"] == {"a": "m"}
    platform.start()
    assert ok(platform, "routing", "show")["strategy"] == "weighted"
    assert "m" not in [row["model"] for row in platform.get("/readyz").json()["models"]]


def test_a_tenants_admin_sets_routing_but_neither_deployments_nor_what_is_the_operators(echo):
    ok(echo, "tenants", "create", "--name", "routed")
    workspace = ok(echo, "workspaces", "create", "--tenant", "routed", "--name", "main")["id"]
    scopes = [option for name in ("routing:read", "routing:write", "model:read") for option in ("--scope", name)]
    key = ok(echo, "keys", "create", "--workspace", workspace, "--name", "admin", *scopes)["key"]
    path, admin = f"/v1/admin/workspaces/{workspace}/routing", Admin(echo, key)

    def put(body: dict) -> int:
        return admin.call("PUT", path, body).status_code

    assert put({"strategy": "lowest_latency", "regions": ["eu-west"]}) == 200
    assert put({"strategy": "lowest_latency", "priority": "high"}) == 403
    assert put({"strategy": "lowest_latency", "max_cost": "1"}) == 403
    assert admin.ok("GET", path)["regions"] == ["eu-west"]
    other = ok(echo, "routing", "show")["workspace_id"]
    assert admin.call("GET", f"/v1/admin/workspaces/{other}/routing").status_code == 404
    assert admin.call("GET", "/v1/admin/registry").status_code == 403
    assert admin.call("DELETE", path).status_code == 200


@pytest.mark.parametrize("version", ["15", "18"])
def test_what_one_node_disables_the_other_does_not_ask_two_seconds_later(fresh, tmp_path, version):
    with shared_cluster(version) as cluster:
        folders = [tmp_path / "node0", tmp_path / "node1"]
        share_master_key(*folders)
        settings = {"VOLERY_DATABASE": cluster.new_database()}
        first, second = [fresh(data_dir=folder, environment=settings).start() for folder in folders]
        made = first.volery("registry", "register", "--model", "shared", "--endpoint", ENDPOINT, "--json")
        assert made.code == 0, made.err

        def ready() -> bool:
            answer = httpx.get(f"{second.url}/readyz", timeout=60)
            return "shared" in [row["model"] for row in answer.json()["models"]]

        processes.wait_until(ready, 60, "registered there too")
        for verb, wanted in [("disable", False), ("enable", True)] * 3:
            assert first.volery("registry", verb, made.json()["id"]).code == 0
            began, lost = time.monotonic(), processes.time_lost(first.process.pid, second.process.pid)
            processes.wait_until(lambda wanted=wanted: ready() == wanted, 60, f"{verb} there too")
            assert time.monotonic() - began < 2 + lost()
        assert first.stop() == second.stop() == 0
