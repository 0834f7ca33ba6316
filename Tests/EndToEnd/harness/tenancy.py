"""Organizations on a platform, made through the admin API, and the callers that belong to them."""

import base64
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx

from .postgres import shared_cluster
from .volery import Platform

PASSWORD = "correct horse battery staple 7"
MESSAGES = [{"role": "user", "content": "Hi"}]


def unique(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def wrong(text: str) -> str:
    """The same but for its last character."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


@contextmanager
def settings_of(engine: str) -> Iterator[dict[str, str]]:
    """The settings of a platform on `sqlite`, or on a new database of PostgreSQL `15` or `18`."""
    if engine == "sqlite":
        yield {}
        return
    with shared_cluster(engine) as cluster:
        yield {"VOLERY_DATABASE": cluster.new_database()}


def share_master_key(*folders: Path) -> None:
    """Several nodes on one database seal with one key."""
    text = base64.b64encode(secrets.token_bytes(32)).decode()
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "master-key"
        file.write_text(text + "\n")
        file.chmod(0o600)


def signing_in(platform: Platform, user: str, password: str = PASSWORD, **more) -> httpx.Response:
    body = {"user": user, "password": password} | more
    return httpx.post(platform.url + "/v1/auth/sessions", json=body, timeout=60)


@dataclass
class Admin:
    """The admin API in the hands of one credential; the operator's when none is given."""

    platform: Platform
    token: str | None = None

    def call(self, method: str, path: str, body=None, headers: dict | None = None, **more) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token or self.platform.operator_token}"} | (headers or {})
        content = {} if body is None else {"json": body}
        return httpx.request(method, self.platform.url + path, headers=headers, timeout=60, **content, **more)

    def ok(self, method: str, path: str, body=None, **more) -> dict:
        answer = self.call(method, path, body, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def pages(self, path: str, limit: int = 100, **query) -> list[dict]:
        """Everything in a listing, page by page."""
        rows, after = [], {}
        while True:
            page = self.ok("GET", path, params={"limit": limit, **query, **after})
            assert page["object"] == "list" and len(page["data"]) <= limit
            rows += page["data"]
            if not page["has_more"]:
                return rows
            assert page["last_id"] != after.get("after"), "a page that goes nowhere"
            after = {"after": page["last_id"]}

    def all(self, path: str, **query) -> list[dict]:
        """Everything in a listing that has one page."""
        page = self.ok("GET", path, params=query)
        assert page["has_more"] is False
        return page["data"]

    def tenant(self, name: str | None = None) -> dict:
        return self.ok("POST", "/v1/admin/tenants", {"name": name or unique("tenant")})

    def workspace(self, tenant: str, name: str | None = None) -> dict:
        return self.ok("POST", "/v1/admin/workspaces", {"tenant": tenant, "name": name or unique("workspace")})

    def key(self, workspace: str, **members) -> dict:
        return self.ok("POST", "/v1/admin/keys", {"workspace": workspace, "name": unique("key")} | members)

    def revoke(self, key: str) -> dict:
        return self.ok("DELETE", f"/v1/admin/keys/{key}")

    def rule(self, tenant: str, effect: str = "deny", **conditions) -> dict:
        return self.ok(
            "POST", "/v1/admin/rules", {"tenant": tenant, "name": unique("rule"), "effect": effect} | conditions
        )

    def state(self, kind: str, identifier: str, state: str) -> dict:
        return self.ok("PATCH", f"/v1/admin/{kind}/{identifier}", {"state": state})

    def service_account(self, tenant: str, role: str | None = None) -> dict:
        more = {"role": role} if role else {}
        return self.ok("POST", "/v1/admin/service-accounts", {"tenant": tenant, "name": unique("robot")} | more)

    def member(self, user: str, role: str, tenant: str, **more) -> dict:
        return self.ok("POST", "/v1/admin/members", {"user": user, "role": role, "tenant": tenant} | more)

    def password(self, user: str, password: str = PASSWORD) -> dict:
        return self.ok("PUT", "/v1/admin/users/password", {"user": user, "password": password})

    def sign_in(self, user: str, password: str = PASSWORD, **more) -> str:
        answer = signing_in(self.platform, user, password, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()["token"]


@dataclass
class Organization:
    """A tenant with everything that one can have."""

    admin: Admin
    tenant: dict
    workspace: dict
    #: A workspace's own key with every scope that a tenant can give.
    key: dict
    person: str
    member: dict
    robot: dict
    rule: dict
    #: The session of its owner.
    session: str
    more: dict = field(default_factory=dict)

    @property
    def owner(self) -> Admin:
        return Admin(self.admin.platform, self.session)

    @property
    def token(self) -> str:
        return self.key["key"]


def organization(platform: Platform, name: str | None = None) -> Organization:
    admin = Admin(platform)
    tenant = admin.tenant(name)
    workspace = admin.workspace(tenant["id"])
    person = unique("person") + "@example.com"
    member = admin.member(person, "owner", tenant["id"])
    admin.password(person)
    return Organization(
        admin,
        tenant,
        workspace,
        admin.key(workspace["id"], scopes=["*"]),
        person,
        member,
        admin.service_account(tenant["id"], "developer"),
        # A rule that never bites: it asks for a model that nobody has.
        admin.rule(tenant["id"], models=["no-such-model"]),
        admin.sign_in(person),
    )


def chat(platform: Platform, key: str, model: str = "demo-echo", text: str = "Hi", headers=None, **more):
    """A chat request with this key; headers of one's own win."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    headers = {"authorization": f"Bearer {key}"} | (headers or {})
    return httpx.post(platform.url + "/v1/chat/completions", json=body, headers=headers, timeout=120)


def code_of(answer) -> str | None:
    """The catalog's code, in either shape of an error."""
    body = answer.json()
    return body.get("error", body).get("code")


def refused(answer, status: int, code: str) -> None:
    assert (answer.status_code, code_of(answer)) == (status, code), f"{answer.status_code} {answer.text}"
