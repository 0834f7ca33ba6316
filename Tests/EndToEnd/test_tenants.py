"""Tenants, workspaces, users, members, service accounts: their life by the API, and signing in."""

import pytest
from harness import processes
from harness.streams import OpenStream, endless
from harness.tenancy import Admin, chat, refused, settings_of, signing_in, unique
from harness.volery import done

SOON = "suspension is to be in force within a second"


# MARK: Life


@pytest.fixture
def admin(echo) -> Admin:
    return Admin(echo)


@pytest.fixture
def slow(upstream, model_at) -> str:
    """A model whose streams do not end by themselves."""
    upstream.script = endless
    return model_at(upstream)


@pytest.mark.parametrize("kind", ["workspaces", "tenants"])
def test_a_suspended_one_is_refused_within_a_second_its_stream_is_cut_and_it_can_resume(echo, admin, slow, kind):
    tenant = admin.tenant()["id"]
    workspace = admin.workspace(tenant)["id"]
    key = admin.key(workspace)["key"]
    other = admin.key(admin.workspace(admin.tenant()["id"])["id"])["key"]
    identifier = workspace if kind == "workspaces" else tenant
    stream, bystander = (OpenStream(echo.port, token, slow).wait_for_words() for token in (key, other))
    assert admin.state(kind, identifier, "suspended")["state"] == "suspended"
    processes.wait_until(lambda: chat(echo, key).status_code == 401, 1, SOON)
    stream.wait_for_end(2)
    assert b"INVALID_API_KEY" in stream.text and b"[DONE]" not in stream.text, "the cut is said, and is no end"
    words = bystander.words
    bystander.wait_for_words(words + 5)
    assert bystander.ended is None, "nobody else's stream is cut"
    bystander.close()
    refused(chat(echo, key), 401, "INVALID_API_KEY")
    assert admin.state(kind, identifier, "active")["state"] == "active"
    processes.wait_until(lambda: chat(echo, key).status_code == 200, 60, "it works again")


def test_suspending_a_user_ends_its_keys_and_sessions_and_nobody_elses(echo, admin):
    tenant = admin.tenant()["id"]
    workspace = admin.workspace(tenant)["id"]
    person = unique("person")
    user = admin.member(person, "developer", tenant)["user_id"]
    admin.password(person)
    session = admin.sign_in(person)
    key, plain = admin.key(workspace, user=user)["key"], admin.key(workspace)["key"]
    assert chat(echo, key).status_code == chat(echo, plain).status_code == 200
    assert Admin(echo, session).call("GET", "/v1/admin/workspaces").status_code == 200
    admin.state("users", user, "suspended")
    processes.wait_until(lambda: chat(echo, key).status_code == 401, 1, SOON)
    assert Admin(echo, session).call("GET", "/v1/admin/workspaces").status_code == 401
    assert chat(echo, plain).status_code == 200
    assert signing_in(echo, person).status_code == 401
    admin.state("users", user, "active")
    processes.wait_until(lambda: chat(echo, key).status_code == 200, 60, "the key works again")
    assert Admin(echo, session).call("GET", "/v1/admin/workspaces").status_code == 401, "an ended session stays ended"


def test_a_deleted_workspace_can_be_restored_until_its_grace_is_over(echo, admin):
    tenant = admin.tenant()["id"]
    workspace = admin.workspace(tenant)
    key = admin.key(workspace["id"])["key"]
    assert chat(echo, key).status_code == 200
    gone = admin.ok("DELETE", f"/v1/admin/workspaces/{workspace['id']}")
    assert gone["state"] == "deleted" and gone["purge"] > gone["since"]
    assert admin.ok("DELETE", f"/v1/admin/workspaces/{workspace['id']}")["purge"] == gone["purge"], "once is enough"
    processes.wait_until(lambda: chat(echo, key).status_code == 401, 1, SOON)
    assert admin.state("workspaces", workspace["id"], "active")["state"] == "active"
    processes.wait_until(lambda: chat(echo, key).status_code == 200, 60, "restored")


def delete_at_once(echo, admin) -> tuple[dict, dict]:
    workspace = admin.workspace(admin.tenant()["id"])
    made = admin.key(workspace["id"])
    admin.ok("DELETE", f"/v1/admin/workspaces/{workspace['id']}", params={"grace_seconds": 0})
    processes.wait_until(lambda: chat(echo, made["key"]).status_code == 401, 1, SOON)
    return workspace, made


def test_without_grace_nothing_brings_it_back(echo, admin):
    workspace, _ = delete_at_once(echo, admin)
    refused(admin.call("PATCH", f"/v1/admin/workspaces/{workspace['id']}", {"state": "active"}), 404, "NOT_FOUND")


@pytest.mark.long
def test_when_its_grace_is_over_its_keys_go_and_its_name_is_free(echo, admin):
    workspace, made = delete_at_once(echo, admin)
    path = f"/v1/admin/keys/{made['id']}"
    # Looked for every minute.
    processes.wait_until(lambda: admin.call("GET", path).status_code == 404, 120, "its keys are removed", 0.5)
    assert admin.workspace(workspace["tenant_id"], workspace["name"])["id"] != workspace["id"]


def test_a_service_account_works_through_its_role_and_dies_with_it(echo, admin):
    tenant = admin.tenant()["id"]
    workspace = admin.workspace(tenant)["id"]
    robot = admin.service_account(tenant, "developer")
    assert robot["kind"] == "service" and robot["tenant_id"] == tenant
    key = admin.key(workspace, user=robot["id"])
    assert key["user_id"] == robot["id"]
    assert chat(echo, key["key"]).status_code == 200
    place = next(row for row in admin.pages("/v1/admin/members", tenant=tenant) if row["user_id"] == robot["id"])
    admin.ok("DELETE", f"/v1/admin/members/{place['id']}")
    processes.wait_until(lambda: chat(echo, key["key"]).status_code == 403, 60, "no place, no rights")


def test_the_last_owner_stays(admin):
    tenant = admin.tenant()["id"]
    member = admin.member(unique("boss"), "owner", tenant)
    for answer in (
        admin.call("DELETE", f"/v1/admin/members/{member['id']}"),
        admin.call("PATCH", f"/v1/admin/members/{member['id']}", {"role": "analyst"}),
    ):
        assert answer.status_code in (400, 409), answer.text
        assert "owner" in answer.text
    second = admin.member(unique("boss"), "owner", tenant)
    assert admin.call("DELETE", f"/v1/admin/members/{member['id']}").status_code == 200
    assert [row["id"] for row in admin.pages("/v1/admin/members", tenant=tenant)] == [second["id"]]


def test_nobody_gives_more_than_they_have(echo, admin):
    tenant = admin.tenant()["id"]
    workspace = admin.workspace(tenant)["id"]
    made = {}
    for role in ("admin", "developer"):
        person = unique(role)
        member = admin.member(person, role, tenant)
        admin.password(person)
        made[role] = Admin(echo, admin.sign_in(person)), member
    developer, _ = made["developer"]
    refused(
        developer.call("POST", "/v1/admin/keys", {"workspace": workspace, "name": "x", "scopes": ["*"]}),
        403,
        "POLICY_DENIED",
    )
    for path, body in (
        ("/v1/admin/members", {"tenant": tenant, "user": "mallory", "role": "owner"}),
        ("/v1/admin/service-accounts", {"tenant": tenant, "name": "m", "role": "owner"}),
    ):
        for role in ("admin", "developer"):
            refused(made[role][0].call("POST", path, body), 403, "POLICY_DENIED")
    administrator, member = made["admin"]
    own = administrator.call("PATCH", f"/v1/admin/members/{member['id']}", {"role": "owner"})
    refused(own, 403, "POLICY_DENIED")
    refused(developer.call("POST", "/v1/admin/tenants", {"name": unique("mine")}), 403, "POLICY_DENIED")


def test_names_are_unique_where_they_must_be_and_only_there(admin):
    name = unique("same")
    one, two = admin.tenant()["id"], admin.tenant()["id"]
    admin.workspace(one, name)
    admin.workspace(two, name)
    again = admin.call("POST", "/v1/admin/workspaces", {"tenant": one, "name": name})
    refused(again, 409, "ALREADY_EXISTS")


@pytest.mark.parametrize(
    "path, body",
    [
        ("/v1/admin/tenants", {}),
        ("/v1/admin/tenants", {"name": ""}),
        ("/v1/admin/tenants", {"name": "x" * 1000}),
        ("/v1/admin/tenants", {"name": "line\nbreak"}),
        ("/v1/admin/tenants", {"name": "x", "colour": "red"}),
        ("/v1/admin/tenants", {"name": 7}),
        ("/v1/admin/members", {"tenant": "default", "user": "x", "role": "king"}),
        ("/v1/admin/keys", {"name": "x", "addresses": ["10.0.0.0/64"]}),
        ("/v1/admin/keys", {"name": "x", "scopes": ["model=a*b"]}),
        ("/v1/admin/keys", {"name": "x", "environment": "moon"}),
        ("/v1/admin/keys", {"name": "x", "expires_in": -1}),
        ("/v1/admin/keys", {"name": "x", "expires_in": 60, "expires": "2031-01-01T00:00:00Z"}),
        ("/v1/admin/rules", {"tenant": "default", "name": "x", "effect": "allow"}),
        ("/v1/admin/rules", {"tenant": "default", "name": "x", "effect": "deny", "times": ["25:00-26:00"]}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_value_that_is_not_allowed_names_its_parameter(admin, path, body):
    answer = admin.call("POST", path, body)
    refused(answer, 400, "VALIDATION_ERROR")
    assert answer.json().get("parameter") or answer.json().get("param") or answer.json().get("hint"), answer.text


@pytest.mark.parametrize("engine", ["sqlite", "15"])
def test_250_workspaces_are_listed_in_pages_without_a_gap_or_a_repeat(fresh, engine):
    with settings_of(engine) as settings:
        platform = fresh(environment=settings).start()
        admin = Admin(platform)
        tenant, other = admin.tenant()["id"], admin.tenant()["id"]
        made = {admin.workspace(tenant, f"w{number:03}")["id"] for number in range(250)}
        admin.workspace(other)
        for limit in (7, 100, 1000):
            listed = [row["id"] for row in admin.pages("/v1/admin/workspaces", limit, tenant=tenant)]
            assert len(listed) == len(set(listed)) and set(listed) >= made and len(listed) <= 251
            assert listed == sorted(listed, reverse=True), "newest first"
        shown = platform.volery("workspaces", "list", "--tenant", tenant, "--json")
        assert len(done(shown)) >= 100
        assert platform.stop() == 0


def test_a_listing_refuses_what_is_no_cursor(admin):
    for query in ({"limit": 0}, {"limit": 1001}, {"limit": "many"}, {"after": "not-an-id"}):
        answer = admin.call("GET", "/v1/admin/workspaces", params=query)
        refused(answer, 400, "VALIDATION_ERROR")


# MARK: Signing in


def test_a_session_is_a_persons_and_ends_when_told(echo, admin):
    tenant = admin.tenant()["id"]
    person = unique("person")
    admin.member(person, "analyst", tenant)
    admin.password(person)
    session = Admin(echo, admin.sign_in(person))
    assert session.token.startswith("vs_")
    rows = session.pages("/v1/admin/workspaces")
    assert {row["tenant_id"] for row in rows} <= {tenant}
    refused(session.call("POST", "/v1/admin/workspaces", {"name": "x"}), 403, "POLICY_DENIED")
    assert chat(echo, session.token).status_code in (401, 403), "a person's session calls no models"
    assert session.call("DELETE", "/v1/auth/sessions/current").is_success
    refused(session.call("GET", "/v1/admin/workspaces"), 401, "INVALID_API_KEY")


def test_a_wrong_password_and_an_unknown_person_cannot_be_told_apart(admin):
    person = unique("person")
    admin.member(person, "analyst", admin.tenant()["id"])
    admin.password(person)
    said = []
    for user in (person, unique("nobody")):
        answer = signing_in(admin.platform, user, "wrong horse battery")
        body = answer.json()
        said.append((answer.status_code, {k: v for k, v in body.items() if k not in ("request_id", "instance")}))
    assert said[0] == said[1] and said[0][0] == 401, said


@pytest.mark.parametrize("password", ["short", "password", "12345678"])
def test_a_weak_password_is_refused(admin, password):
    answer = admin.call("PUT", "/v1/admin/users/password", {"user": "owner", "password": password})
    refused(answer, 400, "VALIDATION_ERROR")
    assert password not in answer.text or password == "password"


def test_the_local_owner_signs_in_and_may_do_everything(fresh, tmp_path):
    platform = fresh().start()
    file = tmp_path / "password"
    file.write_text("correct horse battery staple 9\n")
    result = platform.volery("owner", "set-password", "--password-file", str(file))
    assert result.code == 0, result.err
    admin = Admin(platform)
    owner = Admin(platform, admin.sign_in("owner", "correct horse battery staple 9"))
    assert owner.tenant()["id"].startswith("ten_")
    refused(signing_in(platform, "owner", "wrong wrong wrong"), 401, "INVALID_API_KEY")


@pytest.mark.parametrize("engine", ["sqlite", "15"])
def test_a_name_that_no_database_could_hold_is_no_fault_of_ours(fresh, engine):
    with settings_of(engine) as settings:
        platform = fresh(environment=settings).start()
        admin, name = Admin(platform), "a\0b"
        for path, body in (
            ("/v1/admin/tenants", {"name": name}),
            ("/v1/admin/users", {"name": name}),
            ("/v1/admin/workspaces", {"name": "x", "tenant": name}),
            ("/v1/admin/service-accounts", {"name": name, "tenant": "default"}),
            ("/v1/admin/members", {"user": name, "role": "analyst", "tenant": "default"}),
            ("/v1/admin/keys", {"name": "x", "workspace": name}),
            ("/v1/admin/keys", {"name": "x", "user": name}),
            ("/v1/admin/rules", {"name": "x", "effect": "deny", "tenant": name}),
            ("/v1/admin/rules", {"name": "x", "effect": "deny", "tenant": "default", "workspace": name}),
            ("/v1/admin/registry", {"model": "m", "protocol": "openai", "provider": name}),
        ):
            answer = admin.call("POST", path, body)
            assert answer.status_code in (400, 404), f"{path} {body}: {answer.status_code} {answer.text}"
        answer = admin.call("PUT", "/v1/admin/users/password", {"user": name, "password": "long enough to be good"})
        assert answer.status_code in (400, 404), answer.text
        assert signing_in(platform, name).status_code in (400, 401)
        assert chat(platform, platform.key, name).status_code in (400, 404)
        assert platform.stop() == 0
