"""`volery.yaml`: what a platform is to hold, checked, compared, applied, and read again without a drop."""

import json
import re
import signal
import threading
from pathlib import Path

import pytest
from harness import processes
from harness.ports import free_port
from harness.streams import OpenStream, endless
from harness.tenancy import Admin, chat
from harness.upstream import Upstream, well_behaved
from harness.volery import Platform, volery

GOOD = """\
tenants:
  - name: acme
    workspaces:
      - research
      - name: production
        state: suspended
    members:
      - user: ada@example.com
        role: owner
      - user: grace@example.com
        role: developer
        workspace: research
    service_accounts:
      - name: ci
        role: developer
    rules:
      - name: office hours
        effect: require
        actions: [inference:execute]
        times: ["mon-fri 08:00-18:00"]
  - name: umbrella
    workspaces: [hive]
providers:
  - name: upstream
    endpoint: {endpoint}
    key_file: {key_file}
models:
  - name: declared
    aliases: [said]
    deployments:
      - provider: upstream
        upstream_model: scripted
"""

PROVIDER_KEY = "sk-declared-QmVyZ2VuLU9w42"


@pytest.fixture
def file(tmp_path, upstream) -> Path:
    """A file that declares one of everything."""
    (tmp_path / "provider.key").write_text(PROVIDER_KEY + "\n")
    (tmp_path / "provider.key").chmod(0o600)
    path = tmp_path / "declared.yaml"
    path.write_text(GOOD.format(endpoint=upstream.url, key_file=tmp_path / "provider.key"))
    return path


def config(platform: Platform, *arguments, **more):
    return platform.volery("config", *map(str, arguments), timeout=120, **more)


def names(platform: Platform, kind: str, **query) -> set[str]:
    admin, path = Admin(platform), f"/v1/admin/{kind}"
    return {row["name"] for row in (admin.all(path, **query) if kind == "rules" else admin.pages(path, 1000, **query))}


# MARK: Check


def test_a_good_file_is_said_to_be_good_without_a_platform(file):
    result = volery("config", "check", str(file))
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("tenants:\n  - name: acme\n    workspacs: [a]\n", 3, "workspaces"),
        ("tenant:\n  - name: acme\n", 1, "tenants"),
        ("budgets:\n  - name: x\n", 1, "budgets"),
        ("tenants:\n  - name: acme\n  - name: acme\n", 3, "acme"),
        ("tenants:\n  - workspaces: [a]\n", 2, "name"),
        ("tenants:\n  - name: acme\n    members:\n      - {user: ada, role: ownr}\n", 4, "owner"),
        ("tenants:\n  - name: acme\n    state: gone\n", 3, "suspended"),
        ("tenants:\n  - name: acme\n    rules:\n      - {name: r, effect: allow}\n", 4, "deny"),
        ("tenants:\n  - name: acme\n    rules:\n      - {name: r, effect: deny, times: ['8-9']}\n", 4, "times"),
        ("tenants:\n  - name: a\n    workspaces: [w]\n    members: [{user: x, role: owner, workspace: v}]\n", 4, "v"),
        ("providers:\n  - name: p\n    endpoint: ftp://x\n", 3, "endpoint"),
        ("providers:\n  - name: p\n    key: sk-live-plain\n", 3, "key"),
        ("deployments:\n  - model: m\n    provider: nowhere\nproviders: []\n", 2, "nowhere"),
        ("models:\n  - name: m\n", 2, "deployments"),
        ("tenants: acme\n", 1, "tenants"),
        ("tenants:\n  - name: [a\n", 2, ""),
        ("tenants:\n  - name: a\n    name: b\n", 3, "name"),
        ("prot: 8080\n", 1, "port"),
    ],
    ids=lambda value: value.splitlines()[-1].strip()[:40] if isinstance(value, str) and "\n" in value else None,
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, line, words):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    result = volery("config", "check", str(file))
    assert result.code not in (0, 64), result.out + result.err
    said = result.out + result.err
    lines = [int(number) for number in re.findall(r"(?:yaml:|^\s*)(\d+):", said, re.MULTILINE)]
    assert any(abs(number - line) <= (1 if "[a\n" in text else 0) for number in lines), said
    assert words in said, said
    assert "sk-live-plain" not in said, "a secret that was put there by mistake is not repeated"


def test_all_faults_are_told_at_once(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("tenants:\n  - name: acme\n    workspacs: [a]\n    stat: active\n  - nam: x\n")
    said = volery("config", "check", str(file))
    assert said.code != 0
    for word in ("workspacs", "stat", "nam"):
        assert word in said.err + said.out
    machine = volery("config", "check", str(file), "--json")
    faults = json.loads(machine.out)
    faults = faults["faults"] if isinstance(faults, dict) else faults
    assert len(faults) >= 3 and all(fault["line"] and fault["column"] for fault in faults)


@pytest.mark.parametrize("command", ["check", "diff", "apply"])
def test_a_file_that_is_not_there_is_named(echo, tmp_path, command):
    result = config(echo, command, tmp_path / "nothing.yaml")
    assert result.code != 0 and "nothing.yaml" in result.err


# MARK: Diff and apply


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_apply_makes_what_is_declared_and_a_second_time_nothing(fresh, file, upstream, state):
    platform = fresh().start()
    if state == "stopped":
        assert platform.stop() == 0
    before = config(platform, "diff", file)
    assert before.code not in (0, 64), "there is a difference"
    for word in ("acme", "umbrella", "research", "ci", "office hours", "upstream", "declared"):
        assert re.search(rf"^\s*\+.*{word}", before.out, re.MULTILINE), f"{word} in {before.out}"
    planned = config(platform, "apply", file, "--dry-run")
    assert planned.code == 0, planned.err
    assert config(platform, "diff", file).out == before.out, "a dry run does nothing"
    done = config(platform, "apply", file)
    assert done.code == 0, done.out + done.err
    after = config(platform, "diff", file)
    assert after.code == 0, after.out + after.err
    again = config(platform, "apply", file)
    assert again.code == 0 and not re.search(r"^\s*[+~-] ", again.out, re.MULTILINE), again.out
    if state == "stopped":
        platform.start()
    tenants = {row["name"]: row["id"] for row in Admin(platform).pages("/v1/admin/tenants")}
    assert {"acme", "umbrella"} <= tenants.keys()
    assert names(platform, "workspaces", tenant=tenants["acme"]) >= {"research", "production"}
    assert names(platform, "members", tenant=tenants["acme"]) >= {"ada@example.com", "grace@example.com", "ci"}
    assert names(platform, "rules", tenant=tenants["acme"]) == {"office hours"}
    assert chat(platform, platform.key, "said").status_code == 200
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    for result in (before, planned, done, after, again):
        assert PROVIDER_KEY not in result.out + result.err
    verified = platform.volery("audit", "verify", "--json")
    assert verified.code == 0 and verified.json()["ok"]


def test_a_change_is_a_change_and_not_a_new_thing(fresh, file):
    platform = fresh().start()
    assert config(platform, "apply", file).code == 0
    tenants = {row["name"]: row["id"] for row in Admin(platform).pages("/v1/admin/tenants")}
    file.write_text(
        file.read_text().replace("role: developer\n        workspace", "role: analyst\n        workspace")
    )
    shown = config(platform, "diff", file)
    assert re.search(r"^\s*~.*grace", shown.out, re.MULTILINE), shown.out
    assert "ada" not in shown.out
    assert config(platform, "apply", file).code == 0
    rows = Admin(platform).pages("/v1/admin/members", tenant=tenants["acme"])
    assert {row["name"]: row["role"] for row in rows}["grace@example.com"] == "analyst"
    assert {row["name"]: row["id"] for row in Admin(platform).pages("/v1/admin/tenants")} == tenants


def test_nothing_goes_without_being_asked_for(fresh, file):
    platform = fresh().start()
    assert config(platform, "apply", file).code == 0
    text = file.read_text()
    file.write_text(text[: text.index("  - name: umbrella")] + text[text.index("providers:") :])
    assert config(platform, "apply", file).code == 0
    assert "umbrella" in names(platform, "tenants")
    pruned = config(platform, "apply", file, "--prune")
    assert pruned.code == 0, pruned.err
    rows = {row["name"]: row["state"] for row in Admin(platform).pages("/v1/admin/tenants")}
    assert rows.get("umbrella", "deleted") == "deleted" and rows["default"] == "active", rows
    assert chat(platform, platform.key).status_code == 200, "keys and the default tenant are never pruned"


def test_diff_has_json_for_machines(fresh, file):
    platform = fresh().start()
    result = config(platform, "diff", file, "--json")
    assert result.code not in (0, 64)
    assert "acme" in json.dumps(json.loads(result.out))
    assert PROVIDER_KEY not in result.out


def test_apply_stops_at_the_first_failure_and_says_what_was_done(fresh, tmp_path):
    platform = fresh().start()
    file = tmp_path / "half.yaml"
    file.write_text(
        "tenants:\n  - name: good\nproviders:\n  - name: p\n    endpoint: http://127.0.0.1:9/v1\n"
        "    key_file: /nonexistent/key\n"
    )
    result = config(platform, "apply", file)
    assert result.code not in (0, 64), result.out
    assert "/nonexistent/key" in result.err


# MARK: Serve


def test_serve_applies_its_file_at_the_start_and_again_at_sighup(fresh, upstream, tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    file = data_dir / "volery.yaml"
    declared = "max_concurrent_requests: 64\ntenants:\n  - name: acme\n    workspaces: [research]\n"
    file.write_text(declared)
    platform = fresh(data_dir=data_dir).start()
    processes.wait_until(lambda: "acme" in names(platform, "tenants"), 60, "it is applied")
    upstream.script = endless
    platform.register(upstream.url)
    stream = OpenStream(platform.port, platform.key, "scripted").wait_for_words()
    failures, is_over, asked = [], threading.Event(), [0]

    def ask() -> None:
        while not is_over.is_set():
            answer = chat(platform, platform.key)
            asked[0] += 1
            if answer.status_code != 200:
                failures.append(answer.text)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    for number in range(5):
        file.write_text(declared + f"  - name: added{number}\n")
        platform.process.send_signal(signal.SIGHUP)
        processes.wait_until(lambda: f"added{number}" in names(platform, "tenants"), 60, f"added{number} is applied")
    file.write_text("tenants:\n  - nam: broken\n")
    platform.process.send_signal(signal.SIGHUP)
    processes.wait_until(
        lambda: re.search(r"volery\.yaml|nam\b.*name", platform.stderr_file.read_text()), 60, "what is wrong is logged"
    )
    before = asked[0]
    processes.wait_until(lambda: asked[0] > before + 10, 60, "requests go on")
    is_over.set()
    for thread in asking:
        thread.join(30)
    assert failures == [] and stream.ended is None and platform.process.poll() is None
    assert "acme" in names(platform, "tenants"), "a file that is wrong takes nothing away"
    stream.close()
    assert platform.stop() == 0


def test_a_file_that_is_wrong_stops_the_start_with_its_line(tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    (data_dir / "volery.yaml").write_text("tenants:\n  - name: acme\n    workspacs: [a]\n")
    result = volery("serve", "--no-default-models", "--port", str(free_port()), data_dir=data_dir)
    assert result.code == 1
    assert "3" in result.err and "workspaces" in result.err, result.err


def test_the_command_line_and_the_file_are_one_way(fresh, tmp_path):
    """What a command made is there for the file, and the other way about: by name, and not twice."""
    platform = fresh().start()
    assert platform.volery("tenants", "create", "--name", "acme").code == 0
    file = tmp_path / "d.yaml"
    file.write_text("tenants:\n  - name: acme\n    workspaces: [research]\n")
    assert config(platform, "apply", file).code == 0
    assert [row["name"] for row in Admin(platform).pages("/v1/admin/tenants")].count("acme") == 1
    assert platform.volery("workspaces", "create", "--tenant", "acme", "--name", "research").code == 5
    with Upstream(well_behaved) as upstream:
        assert platform.volery(
            "registry", "register", "--model", "m", "--endpoint", upstream.url, "--protocol", "openai"
        ).code == 0
        file.write_text(f"deployments:\n  - model: m\n    endpoint: {upstream.url}\n")
        assert config(platform, "diff", file).code == 0
