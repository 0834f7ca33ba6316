"""Secrets are found nowhere else: a whole run that uses every kind of them is searched."""

import base64
import hashlib
import hmac
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx2 as httpx
import pytest
from harness import processes
from harness.postgres import Cluster, own_cluster
from harness.sealed import OTHER_PROVIDER_KEY, PROVIDER_KEY, add_provider
from harness.searching import Search, assert_nothing
from harness.tenancy import Admin, chat, signing_in, unique, wrong
from harness.upstream import Upstream, well_behaved
from harness.volery import Platform

DATABASE_PASSWORD = "dbpass/xyzzy@plugh:word?1"
PERSON_PASSWORD = "Tr0ub4dor&3 horse/battery staple"


def one_time_code(secret: str, at: float) -> str:
    """RFC 6238, SHA-1, six digits."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


@pytest.fixture(scope="module")
def locked() -> Iterator[Cluster]:
    """A server that asks for a password."""
    with own_cluster("15") as server:
        server.sql(
            f"CREATE ROLE keeper LOGIN CREATEROLE PASSWORD '{DATABASE_PASSWORD}'; CREATE DATABASE kept OWNER keeper",
            user="postgres",
        )
        server.ask_for_passwords("kept", "keeper")
        yield server


class Run:
    """Uses every secret there is, rightly and wrongly, and keeps everything that was said."""

    def __init__(self, platform: Platform, upstream: Upstream, settings: dict[str, str], folder: Path):
        self.platform, self.upstream, self.settings, self.folder = platform, upstream, settings, folder
        self.admin, self.search = Admin(platform), Search()
        #: What was said, by where.
        self.said: dict[str, str] = {}

    def hear(self, place: str, *answers) -> None:
        for answer in answers:
            text = answer.out + answer.err if hasattr(answer, "err") else answer.text + str(answer.headers)
            self.said[place] = self.said.get(place, "") + text

    def run(self) -> None:
        self.tokens()
        self.passwords()
        self.provider()
        self.mistakes()
        self.listings()
        self.commands()

    def tokens(self) -> None:
        platform, search = self.platform, self.search
        search.add("operator token", platform.operator_token, "operator-token")
        # Printed once, for whoever starts it first.
        search.add("first key", platform.key.rsplit("_", 1)[1], "initial-api-key", "stdout")
        search.add("master key", (platform.data_dir / "master-key").read_text().strip(), "master-key")
        tenant = self.admin.tenant()["id"]
        self.workspace = self.admin.workspace(tenant)["id"]
        self.member = self.admin.member(unique("person"), "owner", tenant)
        self.keys = [
            self.admin.key(self.workspace),
            self.admin.key(self.workspace, user=self.member["user_id"]),
        ]
        made = platform.volery("keys", "create", "--name", "cli", "--json", **self.settings)
        assert made.code == 0, made.err
        self.keys.append(made.json())
        rotated = self.admin.ok("POST", f"/v1/admin/keys/{self.keys[0]['id']}/rotate", {"overlap_seconds": 600})
        self.keys.append(rotated)
        for number, key in enumerate(self.keys):
            search.add(f"key {number}", key["key"].rsplit("_", 1)[1])
            for headers in ({}, {"idempotency-key": f"run-{number}"}):
                assert chat(platform, key["key"], headers=headers).status_code == 200

    def passwords(self) -> None:
        person = self.member["name"]
        self.search.add("password", PERSON_PASSWORD)
        self.admin.password(person, PERSON_PASSWORD)
        file = self.folder / "owner-password"
        file.write_text(PERSON_PASSWORD + "\n")
        done = self.platform.volery("owner", "set-password", "--password-file", str(file), **self.settings)
        assert done.code == 0, done.err
        self.hear("owner set-password", done)
        session = self.admin.sign_in(person, PERSON_PASSWORD)
        self.search.add("session", session.removeprefix("vs_"))
        assert Admin(self.platform, session).call("GET", "/v1/admin/workspaces").status_code == 200
        setup = self.admin.ok("PUT", f"/v1/admin/users/{self.member['user_id']}/one-time-codes")
        uri = urlsplit(setup["uri"])
        shared = parse_qs(uri.query)["secret"][0]
        self.search.add("shared secret of codes", shared)
        self.search.add("shared secret of codes, its bytes", base64.b32decode(shared + "=" * (-len(shared) % 8)).hex())
        assert unquote(uri.path), "it names the account"
        self.hear("sign-in", signing_in(self.platform, person, PERSON_PASSWORD))
        # The same one twice: half a minute later there would be another.
        code = one_time_code(shared, time.time())
        coded = signing_in(self.platform, person, PERSON_PASSWORD, code=code)
        assert coded.status_code == 201, coded.text
        self.search.add("second session", coded.json()["token"].removeprefix("vs_"))
        again = signing_in(self.platform, person, PERSON_PASSWORD, code=code)
        assert again.status_code == 401, "a code works once"
        self.hear("sign-in", again, signing_in(self.platform, person, PERSON_PASSWORD[:-1]))

    def provider(self) -> None:
        self.search.add("provider key", PROVIDER_KEY)
        provider, self.model = add_provider(self.admin, self.upstream)
        assert chat(self.platform, self.keys[0]["key"], self.model).status_code == 200
        self.search.add("other provider key", OTHER_PROVIDER_KEY)
        self.hear(
            "providers",
            self.admin.call("PUT", f"/v1/admin/providers/{provider['id']}/key", {"key": OTHER_PROVIDER_KEY}),
            self.admin.call("POST", "/v1/admin/secrets/reseal"),
        )

    def mistakes(self) -> None:
        """Secrets where they do not belong, and things that break while they are in use."""
        platform, key = self.platform, self.keys[0]["key"]
        self.hear("errors", chat(platform, wrong(key)))
        self.hear("errors", platform.get("/v1/admin/keys", key=wrong(platform.operator_token)))
        self.hear("errors", platform.get("/v1/admin/keys", key=key))
        # The answer repeats the name to whoever sent it; logs and files must not.
        platform.get(f"/v1/models/{key}", key=key)
        chat(platform, key, key)
        self.hear("errors", platform.get(f"/v1/admin/keys/{key}", key=platform.operator_token))
        self.hear("errors", platform.get(f"/{quote(PROVIDER_KEY)}", key=key))
        self.hear("errors", platform.get("/v1/admin/keys", key=platform.operator_token, params={"after": key}))
        self.hear("errors", self.admin.call("POST", "/v1/admin/keys", {"name": "x", "expires": key}))
        self.hear("errors", self.admin.call("POST", "/v1/admin/providers", {"name": "x", "key": {"k": PROVIDER_KEY}}))
        self.hear(
            "errors",
            self.admin.call("PUT", "/v1/admin/users/password", {"user": "nobody at all", "password": PERSON_PASSWORD}),
        )
        self.upstream.script = lambda connection, request: connection.answer(
            {"error": {"message": f"bad key {request.headers['authorization']}"}}, "401 Unauthorized"
        )
        self.hear("errors", chat(platform, key, self.model))
        self.upstream.script = lambda connection, request: connection.reset()
        self.hear("errors", chat(platform, key, self.model))
        self.upstream.script = well_behaved

    def listings(self) -> None:
        for path in (
            *("tenants", "workspaces", "users", "service-accounts", "members", "keys", "rules", "audit", "providers"),
            *("secrets", "registry", "runtimes", "models", "usage", "usage?each=true", "audit/export", "audit/verify"),
            f"keys?workspace={self.workspace}",
        ):
            self.hear("listings", self.admin.call("GET", f"/v1/admin/{path}"))
        for url in (self.platform.url + "/readyz", self.platform.metrics_url):
            self.hear("listings", httpx.get(url, timeout=60))

    def commands(self) -> None:
        for command in (
            ("doctor", "--json"),
            ("serve", "--check-config"),
            ("keys", "list", "--json"),
            ("providers", "list", "--json"),
            ("secrets", "list", "--json"),
            ("audit", "list", "--json"),
            ("journal", "inspect", "--json"),
            ("usage", "--each", "--json"),
        ):
            self.hear(" ".join(command), self.platform.volery(*command, timeout=120, **self.settings))


@pytest.mark.parametrize("engine", ["sqlite", "15"])
def test_a_whole_run_leaves_no_secret_anywhere(fresh, upstream, tmp_path, engine, request):
    data_dir = tmp_path / "run" / "data"
    data_dir.mkdir(parents=True, mode=0o700)
    data_dir.chmod(0o700)
    cluster = None
    if engine != "sqlite":
        cluster = request.getfixturevalue("locked")
        url = cluster.url_of("kept", "keeper", quote(DATABASE_PASSWORD, safe=""))
        (data_dir / "volery.yaml").write_text(f"database: {url}\n")
        (data_dir / "volery.yaml").chmod(0o600)
    platform = fresh(data_dir=data_dir, environment={"VOLERY_LOG_LEVEL": "trace"}).start()
    run = Run(platform, upstream, {}, tmp_path)
    search = run.search
    search.add("database password", DATABASE_PASSWORD, "volery.yaml")
    run.run()
    assert len(search.secrets) >= 12
    assert_nothing(search.in_processes(platform.process.pid))
    for place, text in run.said.items():
        assert_nothing(search.found(place, text))
    assert_nothing(search.in_folder(data_dir))
    if cluster:
        dumped = subprocess.run(
            ["pg_dump", "--inserts", cluster.url_of("kept", "postgres")], capture_output=True, timeout=120
        )
        assert dumped.returncode == 0 and len(dumped.stdout) > 10_000, dumped.stderr
        assert_nothing(search.found("the database's dump", dumped.stdout))
        logs = b"".join(path.read_bytes() for path in cluster.folder.rglob("*log*") if path.is_file())
        assert_nothing(search.found("the database server's own log", logs))
    assert platform.stop() == 0
    assert_nothing(search.in_folder(data_dir))
    assert_nothing(search.found("stdout", platform.stdout_file.read_bytes()))
    assert_nothing(search.found("the log", platform.stderr_file.read_bytes()))


def test_the_search_finds_what_it_is_looking_for(tmp_path):
    """A search that finds nothing anywhere would prove nothing."""
    search = Search()
    secret = search.add("it", "sk-live-Qm/+xyzzy?&plugh 42", "here")
    wrapped = f'{{"key": "{secret}"}}'
    for text in (
        secret,
        quote(secret, safe=""),
        secret.encode().hex(),
        secret[::-1],
        *(base64.b64encode(b"x" * n + secret.encode() + b"tail").decode() for n in range(3)),
        base64.b64encode(wrapped.encode()).decode(),
    ):
        assert search.found("there", f"before {text} after"), text
        assert not search.found("here", text)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text(wrapped)
    assert search.in_folder(tmp_path)
    assert not search.found("there", "nothing of it")
    child = subprocess.Popen(["sleep", "60"], env={"X": secret})
    try:
        processes.wait_until(lambda: search.in_processes(child.pid), 60, "its environment is seen")
    finally:
        child.kill()
        child.wait()
