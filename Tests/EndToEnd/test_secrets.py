"""Secrets go where they must, and are found nowhere else: a whole run that uses every kind of them is searched."""

import base64
import hashlib
import hmac
import os
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx2 as httpx
import pytest
from harness import processes
from harness.postgres import Cluster, own_cluster
from harness.searching import Search, forms
from harness.tenancy import Admin, chat, refused, signing_in, unique
from harness.upstream import Connection, Request, Upstream, well_behaved
from harness.volery import Platform, volery

PROVIDER_KEY = "sk-live-QmVyZ2VuLU9w/+Zm5ZcXyzzyPlugh42"
OTHER_PROVIDER_KEY = "sk-live-AnotherOneAltogether/+7788990011"
DATABASE_PASSWORD = "dbpass/xyzzy@plugh:word?1"
PERSON_PASSWORD = "Tr0ub4dor&3 horse/battery staple"


def one_time_code(secret: str, at: float) -> str:
    """RFC 6238, SHA-1, six digits."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


def add_provider(admin: Admin, upstream: Upstream, key: str = PROVIDER_KEY) -> tuple[dict, str]:
    """A provider at the upstream, with a model there."""
    provider = admin.ok(
        "POST", "/v1/admin/providers", {"name": unique("own"), "endpoint": upstream.url, "key": key}
    )
    model = unique("sealed")
    admin.ok("POST", "/v1/admin/registry", {"model": model, "provider": provider["name"], "protocol": "openai"})
    return provider, model


# MARK: Where a provider's key goes


def test_a_providers_key_goes_to_its_host_and_the_callers_never_does(echo, upstream):
    admin = Admin(echo)
    provider, model = add_provider(admin, upstream)
    assert provider["has_key"] and provider["host"] == "127.0.0.1" and PROVIDER_KEY not in str(provider)
    assert chat(echo, echo.key, model).status_code == 200
    sent = upstream.requests[-1].headers
    assert sent["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert echo.key not in str(sent)


def test_another_place_gets_no_key(echo, upstream):
    admin = Admin(echo)
    provider, _ = add_provider(admin, upstream)
    with Upstream(well_behaved) as elsewhere:
        plain = unique("plain")
        echo.register(elsewhere.url, plain)
        assert chat(echo, echo.key, plain).status_code == 200
        assert "authorization" not in elsewhere.requests[-1].headers
        body = {"model": unique("stolen"), "provider": provider["name"], "protocol": "openai"}
        answer = admin.call("POST", "/v1/admin/registry", body | {"endpoint": elsewhere.url})
        assert answer.status_code == 400, answer.text
        again = {"name": provider["name"], "endpoint": elsewhere.url}
        refused(admin.call("POST", "/v1/admin/providers", again), 409, "ALREADY_EXISTS")
        assert len(elsewhere.requests) == 1


def test_a_redirect_is_not_followed_with_the_key(echo, upstream):
    _, model = add_provider(Admin(echo), upstream)
    with Upstream(well_behaved) as thief:
        upstream.script = lambda connection, request: connection.answer(
            b"", "307 Temporary Redirect", location=f"{thief.url}/chat/completions"
        )
        assert chat(echo, echo.key, model).status_code >= 400
        assert thief.requests == []


def test_a_key_goes_over_plain_http_only_to_this_machine(echo):
    answer = Admin(echo).call(
        "POST", "/v1/admin/providers", {"name": unique("far"), "endpoint": "http://192.0.2.1/v1", "key": PROVIDER_KEY}
    )
    refused(answer, 400, "VALIDATION_ERROR")
    assert PROVIDER_KEY not in answer.text


def test_an_upstream_that_echoes_its_credential_teaches_the_caller_nothing(echo, upstream):
    _, model = add_provider(Admin(echo), upstream)

    def tell(connection: Connection, request: Request) -> None:
        told = f"Incorrect API key provided: {request.headers['authorization']}"
        connection.answer({"error": {"message": told}}, "401 Unauthorized", www_authenticate="Bearer")

    upstream.script = tell
    answer = chat(echo, echo.key, model)
    assert answer.status_code not in (401, 403), "it is not the caller's credential that is wrong"
    assert PROVIDER_KEY not in answer.text + str(answer.headers)


def test_a_callers_own_authorization_header_does_not_pass(echo, upstream, model_at):
    assert chat(echo, echo.key, model_at(upstream)).status_code == 200
    assert echo.key not in str(upstream.requests[-1].headers), "a runtime never sees a caller's key"


def test_another_key_is_in_force_at_once_and_a_removed_provider_has_none(echo, upstream):
    admin = Admin(echo)
    provider, model = add_provider(admin, upstream)
    admin.ok("PUT", f"/v1/admin/providers/{provider['id']}/key", {"key": OTHER_PROVIDER_KEY})
    assert chat(echo, echo.key, model).status_code == 200
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {OTHER_PROVIDER_KEY}"
    used = admin.call("DELETE", f"/v1/admin/providers/{provider['id']}")
    assert used.status_code in (400, 409), "deployments use it"
    for row in admin.all("/v1/admin/registry"):
        if row["model"] == model:
            admin.ok("DELETE", f"/v1/admin/registry/{row['id']}")
    admin.ok("DELETE", f"/v1/admin/providers/{provider['id']}")
    assert not any(provider["id"] in row["name"] for row in admin.all("/v1/admin/secrets"))


def test_the_command_line_takes_a_key_from_a_file_the_environment_or_stdin_and_never_as_an_argument(echo, tmp_path):
    file = tmp_path / "key"
    file.write_text(PROVIDER_KEY + "\n")
    endpoint = ("--endpoint", "http://127.0.0.1:9/v1")
    for more, environment in (
        (("--key-file", str(file)), {}),
        (("--key-env", "OWN_PROVIDER_KEY"), {"OWN_PROVIDER_KEY": PROVIDER_KEY}),
    ):
        name = unique("cli")
        done = echo.volery("providers", "add", name, *endpoint, *more, "--json", **environment)
        assert done.code == 0, done.err
        assert done.json()["has_key"] and PROVIDER_KEY not in done.out + done.err
        assert echo.volery("providers", "remove", name).code == 0
    refused_argument = echo.volery("providers", "add", unique("cli"), *endpoint, "--key", PROVIDER_KEY)
    assert refused_argument.code == 64


def test_the_keys_of_providers_cannot_be_read_back(echo, upstream):
    admin = Admin(echo)
    provider, _ = add_provider(admin, upstream)
    for path in ("/v1/admin/providers", "/v1/admin/secrets", "/v1/admin/registry", "/v1/admin/audit"):
        assert PROVIDER_KEY not in admin.call("GET", path).text, path
    names = [row["name"] for row in admin.all("/v1/admin/secrets")]
    assert any(provider["id"] in name for name in names), names
    assert all(set(row) <= {"name", "stored"} for row in admin.all("/v1/admin/secrets"))


# MARK: The master key


def test_the_master_key_is_made_once_for_its_owner_alone(fresh):
    platform = fresh().start()
    file = platform.data_dir / "master-key"
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert platform.stop() == 0
    platform.start()
    assert file.read_text() == text


def test_a_master_key_that_others_can_read_is_refused(fresh, tmp_path):
    file = tmp_path / "key"
    file.write_text(base64.b64encode(os.urandom(32)).decode())
    file.chmod(0o644)
    platform = fresh(environment={"VOLERY_MASTER_KEY_FILE": str(file)})
    platform.start(wait="")
    assert platform.process.wait(30) == 1
    assert str(file) in platform.output and "chmod" in platform.output
    assert file.read_text() not in platform.output


@pytest.mark.parametrize("text", ["", "short", "zz" * 32, "00" * 32])
def test_a_master_key_that_is_none_is_refused_and_not_repeated(fresh, tmp_path, text):
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    platform = fresh(environment={"VOLERY_MASTER_KEY_FILE": str(file)})
    platform.start(wait="")
    assert platform.process.wait(30) == 1
    assert "master" in platform.output and (not text or text not in platform.output)


def test_a_systemd_credential_is_taken(fresh, tmp_path):
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    file = folder / "master-key"
    file.write_text(base64.b64encode(os.urandom(32)).decode())
    file.chmod(0o400)
    platform = fresh(environment={"CREDENTIALS_DIRECTORY": str(folder)}).start()
    assert not (platform.data_dir / "master-key").exists()
    assert platform.stop() == 0


def test_rotation_of_the_master_key_keeps_every_secret_and_the_audit_log(fresh, upstream, tmp_path):
    old, new = (tmp_path / name for name in ("old", "new"))
    for file in (old, new):
        file.write_text(os.urandom(32).hex())
        file.chmod(0o600)
    data_dir = tmp_path / "data"
    platform = fresh(data_dir=data_dir, environment={"VOLERY_MASTER_KEY_FILE": str(old)}).start()
    _, model = add_provider(Admin(platform), upstream)
    assert platform.stop() == 0
    lost = fresh(data_dir=data_dir, environment={"VOLERY_MASTER_KEY_FILE": str(new)})
    lost.start(wait="")
    assert lost.process.wait(30) == 1, "the old one is missing"
    assert "CONFIGURATION_INVALID" in lost.output and "master" in lost.output
    both = {"VOLERY_MASTER_KEY_FILE": str(new), "VOLERY_MASTER_KEY_PREVIOUS_FILE": str(old)}
    platform = fresh(data_dir=data_dir, environment=both).start()
    assert chat(platform, platform.key, model).status_code == 200
    done = platform.volery("secrets", "reseal", **both)
    assert done.code == 0, done.err
    assert platform.stop() == 0
    platform = fresh(data_dir=data_dir, environment={"VOLERY_MASTER_KEY_FILE": str(new)}).start()
    assert chat(platform, platform.key, model).status_code == 200, "the old key is needed no longer"
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    verified = platform.volery("audit", "verify", "--json", VOLERY_MASTER_KEY_FILE=str(new))
    assert verified.code == 0, verified.out
    assert platform.stop() == 0


def test_kill_9_while_resealing_leaves_everything_readable(fresh, upstream, tmp_path):
    old, new = (tmp_path / name for name in ("old", "new"))
    for file in (old, new):
        file.write_text(os.urandom(32).hex())
        file.chmod(0o600)
    data_dir = tmp_path / "data"
    platform = fresh(data_dir=data_dir, environment={"VOLERY_MASTER_KEY_FILE": str(old)}).start()
    admin = Admin(platform)
    models = [add_provider(admin, upstream, f"{PROVIDER_KEY}-{number}")[1] for number in range(20)]
    assert platform.stop() == 0
    both = {"VOLERY_MASTER_KEY_FILE": str(new), "VOLERY_MASTER_KEY_PREVIOUS_FILE": str(old)}
    for delay in (0, 0.005, 0.02):
        platform = fresh(data_dir=data_dir, environment=both).start()
        asking = threading.Thread(target=reseal_quietly, args=(platform,))
        asking.start()
        time.sleep(delay)
        platform.process.kill()
        platform.process.wait(10)
        asking.join(20)
    platform = fresh(data_dir=data_dir, environment=both).start()
    for number, model in enumerate(models):
        assert chat(platform, platform.key, model).status_code == 200
        assert upstream.requests[-1].headers["authorization"] == f"Bearer {PROVIDER_KEY}-{number}"
    assert platform.stop() == 0


def reseal_quietly(platform: Platform) -> None:
    with suppress(httpx.HTTPError):
        Admin(platform).call("POST", "/v1/admin/secrets/reseal")


@pytest.mark.parametrize("way", ["flipped", "cut", "of another secret"])
def test_a_sealed_secret_that_was_changed_is_refused_and_named(fresh, upstream, way):
    platform = fresh().start()
    provider, model = add_provider(Admin(platform), upstream)
    assert platform.stop() == 0
    file = platform.data_dir / "secrets.sealed"
    sealed = file.read_bytes()
    assert not any(form in sealed for form in forms(PROVIDER_KEY))
    assert file.stat().st_mode & 0o777 == 0o600
    if way == "flipped":
        middle = len(sealed) - len(sealed) // 4
        # A letter for another one, so that a text form stays readable.
        other = b"A" if sealed[middle : middle + 1] != b"A" else b"B"
        file.write_bytes(sealed[:middle] + other + sealed[middle + 1 :])
    elif way == "cut":
        file.write_bytes(sealed[: len(sealed) // 2])
    else:
        last = "0" if provider["id"][-1] != "0" else "1"
        file.write_bytes(sealed.replace(provider["id"].encode(), (provider["id"][:-1] + last).encode()))
    platform.start(wait="")
    processes.wait_until(
        lambda: platform.process.poll() is not None or is_live(platform), 30, "it starts, or says why not"
    )
    if platform.process.poll() is None:
        asked = len(upstream.requests)
        answer = chat(platform, platform.key, model)
        sent = [request.headers.get("authorization") for request in upstream.requests[asked:]]
        assert answer.status_code >= 500 or PROVIDER_KEY not in str(sent), "a changed secret is not used"
        assert "secret" in platform.output.lower() or answer.status_code >= 500
        platform.stop()
    else:
        assert "secret" in platform.output.lower() or "sealed" in platform.output.lower()


def is_live(platform: Platform) -> bool:
    try:
        return httpx.get(platform.url + "/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


# MARK: A whole run, searched


@pytest.fixture(scope="module")
def locked() -> Iterator[Cluster]:
    """A server that asks for a password."""
    with own_cluster("15") as server:
        server.sql(
            f"CREATE ROLE keeper LOGIN CREATEROLE PASSWORD '{DATABASE_PASSWORD}'; CREATE DATABASE kept OWNER keeper",
            user="postgres",
        )
        rules = Path(server.sql("SHOW hba_file", user="postgres")[0][0])
        rules.write_text("host all keeper 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        server.sql("SELECT pg_reload_conf()", user="postgres")
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
        coded = signing_in(self.platform, person, PERSON_PASSWORD, code=one_time_code(shared, time.time()))
        assert coded.status_code == 201, coded.text
        self.search.add("second session", coded.json()["token"].removeprefix("vs_"))
        again = signing_in(self.platform, person, PERSON_PASSWORD, code=one_time_code(shared, time.time()))
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
        self.hear("errors", chat(platform, key[:-1] + ("0" if key[-1] != "0" else "1")))
        self.hear("errors", platform.get("/v1/admin/keys", key=platform.operator_token[:-1] + "x"))
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
        self.hear("listings", httpx.get(self.platform.url + "/readyz"), httpx.get(self.platform.metrics_url))

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


def assert_nothing(faults: list[str]) -> None:
    assert not faults, "\n".join(faults[:20])


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
        assert search.in_processes(child.pid)
    finally:
        child.kill()
        child.wait()


def test_a_master_key_in_the_environment_goes_no_further(fresh, upstream, tmp_path):
    """It is in the platform's own environment, since that is where it was put; children do not inherit it."""
    key = base64.b64encode(os.urandom(32)).decode()
    platform = fresh(environment={"VOLERY_MASTER_KEY": key}).start()
    search = Search()
    search.add("master key", key)
    add_provider(Admin(platform), upstream)
    for pid in processes.descendants(platform.process.pid):
        assert_nothing(search.found(f"environ of {processes.command_line(pid)}", processes._read(pid, "environ")))
    checked = volery("serve", "--check-config", data_dir=tmp_path / "other", VOLERY_MASTER_KEY=key)
    assert_nothing(search.found("check-config", checked.out + checked.err))
    assert platform.stop() == 0
    assert_nothing(search.in_folder(platform.data_dir) + search.found("output", platform.output))
