"""The audit log: what is in it, how it is taken away, and that nobody changes it unseen."""

import json
import shutil

import httpx2 as httpx
import pytest
from harness import processes, tampering
from harness.postgres import database_of, own_cluster, shared_cluster
from harness.tenancy import Admin, chat, organization, refused, signing_in, unique
from harness.volery import Platform


@pytest.fixture
def admin(echo) -> Admin:
    return Admin(echo)


def events(admin: Admin, tenant: str | None = None) -> list[dict]:
    """Oldest first."""
    query = {"tenant": tenant} if tenant else {}
    return admin.pages("/v1/admin/audit", 50, **query)[::-1]


# MARK: What is in it


def test_every_act_is_there_with_who_what_on_what_from_where_and_outcome(echo, admin):
    tenant = admin.tenant()["id"]
    workspace = admin.workspace(tenant)["id"]
    key = admin.key(workspace)
    robot = admin.service_account(tenant)["id"]
    member = admin.member(unique("ada"), "admin", tenant)
    rule = admin.rule(tenant, models=["nothing"])["id"]
    rotated = admin.ok("POST", f"/v1/admin/keys/{key['id']}/rotate", {"overlap_seconds": 60})
    admin.revoke(key["id"])
    admin.ok("PATCH", f"/v1/admin/members/{member['id']}", {"role": "analyst"})
    admin.ok("DELETE", f"/v1/admin/members/{member['id']}")
    admin.ok("PUT", f"/v1/admin/rules/{rule}", {"name": "other", "effect": "deny", "models": ["nothing"]})
    admin.ok("DELETE", f"/v1/admin/rules/{rule}")
    admin.state("workspaces", workspace, "suspended")
    admin.state("workspaces", workspace, "active")
    admin.ok("PATCH", f"/v1/admin/workspaces/{workspace}", {"name": unique("renamed")})
    admin.ok("DELETE", f"/v1/admin/workspaces/{workspace}")
    seen = events(admin, tenant)
    subjects = {event["subject"] for event in seen}
    assert {tenant, workspace, key["id"], robot, member["id"], rule, rotated["id"]} <= subjects | {
        value for event in seen for value in event["details"].values()
    }
    verbs = [event["action"] for event in seen]
    for word in ("tenant", "workspace", "key", "member", "rule"):
        assert any(verb.startswith(word + ".") for verb in verbs), f"nothing about {word} in {verbs}"
    assert sum(verb.startswith("workspace.") for verb in verbs) >= 5, verbs
    assert sum(verb.startswith("key.") for verb in verbs) >= 3, verbs
    assert [event["sequence"] for event in seen] == list(range(1, len(seen) + 1)), "no gap"
    for event in seen:
        assert event["actor"] == "operator" and event["address"] == "127.0.0.1" and event["outcome"] == "succeeded"
        assert event["request_id"].startswith("req_") and event["tenant_id"] == tenant and event["at"]
        assert len(event["seal"]) == len(event["previous"]) == 64
    for earlier, later in zip(seen, seen[1:], strict=False):
        assert later["previous"] == earlier["seal"]
    assert seen[0]["previous"] == "0" * 64
    assert key["key"] not in json.dumps(seen)


def test_an_act_on_the_command_line_has_no_address(echo, admin):
    made = echo.volery("tenants", "create", "--name", unique("cli"), "--json")
    assert made.code == 0, made.err
    seen = events(admin, made.json()["id"])
    assert seen and seen[0]["actor"] == "operator" and seen[0]["outcome"] == "succeeded"


def test_sign_ins_refusals_and_exports_are_acts(echo, admin):
    org = organization(echo)
    refused(org.owner.call("POST", "/v1/admin/tenants", {"name": unique("mine")}), 403, "POLICY_DENIED")
    signing_in(echo, org.person, "a wrong password for sure")
    org.owner.call("GET", "/v1/admin/audit/export")
    everything = events(admin, org.tenant["id"]) + events(admin)
    mine = [event for event in everything if org.member["user_id"] in (event["actor"], event["subject"])]
    outcomes = {(event["action"], event["outcome"]) for event in mine}
    assert ("session.begin", "succeeded") in outcomes, outcomes
    assert any(outcome == "denied" for _, outcome in outcomes), outcomes
    assert any("export" in action for action, _ in outcomes), outcomes


def test_failed_credentials_are_counted_and_not_appended(fresh):
    platform = fresh(environment={"VOLERY_FAILED_CREDENTIAL_LIMIT": "0"}).start()
    admin = Admin(platform)
    count = len(events(admin))
    for _ in range(20):
        refused(chat(platform, "vk_0000000000_" + "0" * 40), 401, "INVALID_API_KEY")
        assert platform.get("/v1/admin/keys", key="vo_" + "0" * 40).status_code == 401
    assert len(events(admin)) == count
    text = httpx.get(platform.metrics_url, timeout=30).text
    lines = [line for line in text.splitlines() if line.startswith("volery_failed_credentials_total")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in lines) >= 40, lines


def test_a_tenant_reads_its_own_log_and_an_analyst_does_not(echo):
    org = organization(echo)
    own = events(org.owner)
    assert own and {event["tenant_id"] for event in own} == {org.tenant["id"]}
    person = unique("person")
    org.admin.member(person, "analyst", org.tenant["id"])
    org.admin.password(person)
    analyst = Admin(echo, org.admin.sign_in(person))
    refused(analyst.call("GET", "/v1/admin/audit"), 403, "POLICY_DENIED")
    refused(analyst.call("GET", "/v1/admin/audit/export"), 403, "POLICY_DENIED")


def test_an_export_is_json_lines_in_order_and_complete(echo, admin, tmp_path):
    tenant = admin.tenant()["id"]
    for number in range(120):
        admin.ok("PATCH", f"/v1/admin/tenants/{tenant}", {"name": unique(f"renamed{number}")})
    answer = admin.call("GET", "/v1/admin/audit/export", params={"tenant": tenant})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1)) and len(rows) >= 121
    file = tmp_path / "export.jsonl"
    done = echo.volery("audit", "export", "--tenant", tenant, "--output", str(file))
    assert done.code == 0, done.err
    exported = [json.loads(line) for line in file.read_text().splitlines()]
    assert exported[: len(rows)] == rows
    assert file.stat().st_mode & 0o077 == 0, "a log of acts is nobody else's"


def test_nothing_changes_the_log_through_the_api(admin):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert admin.call(method, "/v1/admin/audit").status_code == 405
        assert admin.call(method, "/v1/admin/audit/export").status_code == 405


# MARK: What somebody does to it who can write the database


def busy_tenant(platform: Platform) -> str:
    admin = Admin(platform)
    tenant = admin.tenant()["id"]
    for number in range(5):
        admin.workspace(tenant, f"w{number}")
        # Accounts of people are the platform's own.
        admin.ok("POST", "/v1/admin/users", {"name": unique("person")})
    return tenant


def verify(platform: Platform) -> tuple[int, dict]:
    result = platform.volery("audit", "verify", "--json", timeout=120, **platform.environment)
    assert result.out, result.err
    return result.code, result.json()


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> tuple[Platform, str]:
    """A stopped platform whose log holds what a few acts left."""
    platform = Platform(tmp_path_factory.mktemp("kept") / "data", ("--no-default-models",)).start()
    tenant = busy_tenant(platform)
    assert platform.stop() == 0
    return platform, tenant


@pytest.fixture
def copied(kept, tmp_path) -> tuple[Platform, str]:
    platform, tenant = kept
    shutil.copytree(platform.data_dir, tmp_path / "data", symlinks=True)
    return Platform(tmp_path / "data", platform.arguments), tenant


def test_an_untouched_log_holds(copied):
    platform, tenant = copied
    code, verdict = verify(platform)
    assert (code, verdict["ok"], verdict["faults"]) == (0, True, [])
    chains = {chain["tenant_id"]: chain for chain in verdict["chains"]}
    assert chains[tenant]["events"] == chains[tenant]["anchored"] >= 6
    assert None in chains, "the platform's own chain too"


@pytest.mark.parametrize("chain", ["tenant", "platform"])
@pytest.mark.parametrize("way", tampering.WAYS)
def test_tampering_with_sqlite_is_found(copied, way, chain):
    platform, tenant = copied
    whose = tenant if chain == "tenant" else None
    with tampering.sqlite_of(platform) as execute:
        before = execute("SELECT * FROM audit_event ORDER BY 1, 2")
        tampering.WAYS[way](execute, whose)
        assert before != execute("SELECT * FROM audit_event ORDER BY 1, 2"), "or there is nothing to find"
    code, verdict = verify(platform)
    assert code == 1 and verdict["ok"] is False, verdict
    assert verdict["faults"] and {fault["tenant_id"] for fault in verdict["faults"]} == {whose}, verdict
    told = platform.volery("audit", "verify")
    assert told.code == 1 and (whose or "platform") in told.out + told.err


def test_the_tail_is_missed_also_by_a_running_platform_that_goes_on_writing(copied):
    platform, tenant = copied
    with tampering.sqlite_of(platform) as execute:
        tampering.cut_tail(execute, tenant)
    platform.start()
    admin = Admin(platform)
    for _ in range(4):
        admin.workspace(tenant)
    code, verdict = verify(platform)
    assert code == 1 and not verdict["ok"], "new events over the cut do not hide it"
    assert admin.call("GET", "/v1/admin/audit/verify").json()["ok"] is False
    assert platform.stop() == 0


def test_without_its_anchors_the_log_says_that_it_has_none(copied):
    platform, tenant = copied
    anchors = [path for path in platform.data_dir.iterdir() if "anchor" in path.name]
    assert anchors, "the anchors are in the data folder"
    for path in anchors:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    code, verdict = verify(platform)
    chain = next(chain for chain in verdict["chains"] if chain["tenant_id"] == tenant)
    # What is whole in itself may hold; nobody may take it for anchored.
    assert chain["anchored"] is None or not verdict["ok"], verdict


def test_an_older_copy_of_the_database_is_found_out(kept, tmp_path):
    """The whole file put back as it was: every chain in it is whole, and shorter than what was anchored."""
    source, tenant = kept
    shutil.copytree(source.data_dir, tmp_path / "data", symlinks=True)
    platform = Platform(tmp_path / "data", source.arguments).start()
    admin = Admin(platform)
    for _ in range(3):
        admin.workspace(tenant)
    assert platform.stop() == 0
    for name in ("volery.db", "volery.db-wal", "volery.db-shm"):
        (platform.data_dir / name).unlink(missing_ok=True)
        if (source.data_dir / name).exists():
            shutil.copy(source.data_dir / name, platform.data_dir / name)
    code, verdict = verify(platform)
    assert code == 1 and any(fault["kind"] == "truncated" for fault in verdict["faults"]), verdict


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory):
    with shared_cluster("15") as cluster:
        url = cluster.new_database()
        platform = Platform(
            tmp_path_factory.mktemp("pg") / "data", ("--no-default-models",), {"VOLERY_DATABASE": url}
        ).start()
        tenant = busy_tenant(platform)
        assert platform.stop() == 0
        yield platform, tenant, cluster, url


@pytest.mark.parametrize("way", tampering.WAYS)
def test_tampering_with_postgresql_as_superuser_is_found(on_postgres, tmp_path, way):
    platform, tenant, cluster, url = on_postgres
    database = database_of(url)
    copy = cluster.url_of(f"{database}_{way.replace(' ', '_')}"[:60])
    cluster.sql(f'CREATE DATABASE "{database_of(copy)}" TEMPLATE "{database}"')
    shutil.copytree(platform.data_dir, tmp_path / "data", symlinks=True)
    # Another database by name, and the same one to whoever asks it who it is.
    tampered = Platform(tmp_path / "data", platform.arguments, {"VOLERY_DATABASE": copy})
    with tampering.superuser_of(cluster, database_of(copy)) as execute:
        tampering.WAYS[way](execute, tenant)
    code, verdict = verify(tampered)
    assert code == 1 and verdict["ok"] is False and verdict["faults"], verdict


@pytest.mark.parametrize("role", ["volery_app", "volery_system"])
@pytest.mark.parametrize("act", ["UPDATE audit_event SET actor = 'x'", "DELETE FROM audit_event"])
def test_the_platforms_own_roles_may_only_add(on_postgres, role, act):
    _, _, cluster, url = on_postgres
    with pytest.raises(AssertionError, match="permission denied|append-only|row-level"):
        cluster.sql(f"SET ROLE {role}; {act}", database_of(url))


def test_kill_9_in_the_middle_of_acts_leaves_a_log_that_holds(fresh):
    platform = fresh().start()
    admin = Admin(platform)
    for _ in range(3):
        for _ in range(10):
            admin.tenant()
        platform.process.kill()
        platform.process.wait(10)
        code, verdict = verify(platform)
        assert code == 0 and verdict["ok"], verdict
        platform.start()
    processes.wait_until(lambda: verify(platform)[1]["ok"], 60, "and beside a running platform")
    assert platform.stop() == 0


def test_an_act_and_its_event_are_one(fresh):
    """While the database is away nothing is done, and so nothing is in the log that was not."""
    with own_cluster("15") as server:
        platform = fresh(environment={"VOLERY_DATABASE": server.url}).start()
        admin = Admin(platform)
        tenant = admin.tenant()["id"]
        server.kill()
        answer = admin.call("POST", "/v1/admin/workspaces", {"tenant": tenant, "name": "lost"})
        assert answer.status_code == 503, answer.text
        server.restart()
        processes.wait_until(lambda: admin.call("GET", "/v1/admin/tenants").status_code == 200, 60, "it is back")
        made = [row["name"] for row in admin.pages("/v1/admin/workspaces", tenant=tenant)]
        logged = [event for event in events(admin, tenant) if event["action"] == "workspace.create"]
        assert len(made) == len(logged), (made, logged)
        code, verdict = verify(platform)
        assert code == 0 and verdict["ok"]
        assert platform.stop() == 0
