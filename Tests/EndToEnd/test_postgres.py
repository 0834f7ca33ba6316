"""The whole platform on PostgreSQL: first start, two nodes, what it says when it cannot, and what it never says."""

import re
import signal
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx2 as httpx
import pytest
from harness import accounts, processes
from harness.ports import free_port
from harness.postgres import Cluster, database_of, own_cluster, shared_cluster
from harness.searching import contents
from harness.tenancy import share_master_key
from harness.volery import Platform, Result, volery

#: With characters that a URL writes in another way.
PASSWORD = "xyzzy/secret@pass:word?1"
SECRET = quote(PASSWORD, safe="")


@pytest.fixture(scope="module", params=["15", "18"])
def cluster(request) -> Iterator[Cluster]:
    with shared_cluster(request.param) as server:
        yield server


@pytest.fixture
def node(fresh, cluster, tmp_path) -> Iterator[Callable[..., Platform]]:
    """Makes platforms on one new database, each with a data folder of its own, and with one master key."""
    url = cluster.new_database()
    folders = [tmp_path / "node0", tmp_path / "node1"]
    share_master_key(*folders)
    yield lambda **more: fresh(data_dir=folders.pop(0), environment={"VOLERY_DATABASE": url} | more)


def identity(platform: Platform) -> list:
    rows = platform.volery("keys", "list", "--json", VOLERY_DATABASE=platform.environment["VOLERY_DATABASE"]).json()
    return sorted((row["id"], row["name"]) for row in rows)


def test_the_first_start_makes_schema_and_key_and_the_second_keeps_them(node):
    platform = node().start()
    key, keys = platform.key, identity(platform)
    assert len(keys) == 1
    assert platform.chat("demo-echo").status_code == 200
    request = platform.chat("demo-echo").headers["x-request-id"]
    assert platform.usage_of(request)["status"] == "succeeded"
    assert platform.stop() == 0
    platform.start()
    assert (platform.key, identity(platform)) == (key, keys)
    assert platform.chat("demo-echo").status_code == 200
    assert request in [row["request_id"] for row in accounts.all_rows(platform)]
    assert not list(platform.data_dir.glob("*.db*")), "nothing is kept in a file database beside it"
    assert platform.stop() == 0, platform.output[-3000:]


def test_the_command_line_works_on_the_database_of_a_stopped_platform(node):
    platform = node().start()
    assert platform.stop() == 0
    made = platform.volery("keys", "create", "--name", "offline", "--json", **platform.environment)
    assert made.code == 0, made.err
    platform.start()
    assert platform.get("/v1/models", key=made.json()["key"]).status_code == 200


def test_two_nodes_serve_one_database(node, cluster):
    first, second = node().start(), node().start()
    made = first.volery("keys", "create", "--name", "both", "--json")
    assert made.code == 0, made.err
    key = made.json()["key"]
    body = {"model": "demo-echo", "messages": [{"role": "user", "content": "Hi"}]}
    asked = []
    for platform in [first, second] * 5:
        answer = platform.post("/v1/chat/completions", body, key=key)
        assert answer.status_code == 200, answer.text
        asked.append(answer.headers["x-request-id"])
    for platform in (first, second):
        accounts.settled_rows(platform, set(asked))
    for platform in (first, second):
        assert sorted(row["request_id"] for row in accounts.all_rows(platform)) == sorted(asked)
    assert len(cluster.usage_rows(database_of(first.environment["VOLERY_DATABASE"]))) == len(asked)
    assert first.volery("keys", "revoke", made.json()["id"]).code == 0
    assert first.post("/v1/chat/completions", body, key=key).status_code == 401
    processes.wait_until(
        lambda: second.post("/v1/chat/completions", body, key=key).status_code == 401, 60, "revoked there too"
    )


def test_two_nodes_start_at_once_on_an_empty_database(node):
    nodes = [node(), node()]
    for platform in nodes:
        platform.start(wait="")
    for platform in nodes:
        platform.wait_for("/readyz", 60)
        assert platform.get("/v1/admin/keys", key=platform.operator_token).status_code == 200
    assert identity(nodes[0]) == identity(nodes[1])
    assert [platform.stop() for platform in nodes] == [0, 0]


def test_the_database_itself_hides_other_workspaces(node, cluster):
    platform = node().start()
    row = platform.usage_of(platform.chat("demo-echo").headers["x-request-id"])
    database = database_of(platform.environment["VOLERY_DATABASE"])

    def rows_as_app(workspace: str | None) -> int:
        setting = f"SELECT set_config('app.workspace_id', '{workspace}', false);" if workspace else ""
        return int(cluster.sql(f"SET ROLE volery_app; {setting} SELECT count(*) FROM usage", database)[-1][0])

    assert rows_as_app(row["workspace_id"]) == 1
    assert rows_as_app(None) == rows_as_app("ws_01JZ0000000000000000000000") == 0


def test_what_a_killed_node_wrote_is_never_settled_in_another_database(node, cluster):
    platform = node().start()
    identity_file = platform.data_dir / "database-id"
    assert identity_file.stat().st_mode & 0o777 == 0o600
    asked = {platform.chat("demo-echo").headers["x-request-id"] for _ in range(5)}
    platform.stop(signal.SIGKILL)
    journal = {path.name: path.read_bytes() for path in (platform.data_dir / "journal").iterdir()}
    refusal = "This data folder was served on another database"
    elsewhere = {"VOLERY_DATABASE": cluster.new_database()}
    for settings in ({}, elsewhere):
        for command in (("usage", "--json"), ("serve", "--no-default-models", "--port", str(free_port()))):
            refused = platform.volery(*command, **settings)
            assert refused.code != 0 and refusal in refused.err, refused.out + refused.err
            assert str(identity_file) in refused.err
        examined = platform.volery("doctor", "--json", timeout=120, **settings).json()
        row = next(row for row in examined if row["check"] == "database")
        assert row["status"] == "broken" and refusal in row["found"], row
    assert not list(platform.data_dir.glob("*.db*"))
    assert {path.name: path.read_bytes() for path in (platform.data_dir / "journal").iterdir()} == journal
    made = cluster.sql(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database_of(elsewhere["VOLERY_DATABASE"])
    )
    assert made == [["0"]], "nothing was made in the other database"
    listed = platform.volery("usage", "--json", "--each", "--limit", "100", **platform.environment)
    assert listed.code == 0, listed.err
    assert {row["request_id"] for row in listed.json()} == asked
    platform.start()
    assert platform.stop() == 0


def test_the_doctor_examines_postgresql(node):
    platform = node()
    rows = {row["check"]: row for row in doctor(platform).json()}
    assert rows["database"]["status"] == "ok", rows["database"]
    platform.start()
    rows = {row["check"]: row for row in doctor(platform).json()}
    assert rows["database"]["status"] == "ok", "also beside a running platform"
    assert rows["database"]["found"] == "answers"
    assert rows["journal"]["status"] == rows["library libpq"]["status"] == "ok"
    rows = {row["check"]: row for row in platform.volery("doctor", "--json", timeout=120).json()}
    found = rows["database"]["found"]
    assert found.startswith("PostgreSQL at ") and found.endswith(", by the running platform"), found


def test_the_doctor_makes_nothing_on_a_fresh_server(tmp_path):
    with own_cluster("15") as server:
        roles = "SELECT rolname FROM pg_roles ORDER BY 1"
        before = server.sql(roles)
        settings = {"VOLERY_DATABASE": server.url}
        examined = volery("doctor", "--json", data_dir=tmp_path / "data", timeout=120, **settings)
        row = next(row for row in examined.json() if row["check"] == "database")
        assert row["status"] == "ok" and "not prepared yet; the first start does it" in row["found"]
        assert server.sql(roles) == before
        assert server.sql("SELECT count(*) FROM pg_default_acl") == [["0"]]


def doctor(platform: Platform, *arguments: str) -> Result:
    return platform.volery("doctor", *(arguments or ("--json",)), timeout=120, **platform.environment)


# MARK: What it says when it cannot


@pytest.fixture(scope="module")
def locked() -> Iterator[Cluster]:
    """A server that asks for passwords."""
    with own_cluster("15") as server:
        server.sql(
            f"CREATE ROLE keeper LOGIN CREATEROLE PASSWORD '{PASSWORD}'; CREATE DATABASE kept OWNER keeper; "
            f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'",
            user="postgres",
        )
        server.ask_for_passwords("kept", "keeper", "guest")
        yield server


def problems(locked: Cluster) -> dict[str, tuple[str, str]]:
    """What is wrong: the URL, and what the error must name."""
    good = locked.url_of("kept", "keeper", SECRET)
    return {
        "wrong password": (locked.url_of("kept", "keeper", SECRET + "x"), "password|authentication"),
        "no such database": (locked.url_of("nothing", "keeper", SECRET), "nothing|does not exist"),
        "server away": (good.replace(f":{locked.port}/", f":{free_port()}/"), "refused|reach|connect"),
        "role without rights": (locked.url_of("kept", "guest", SECRET), "guest|permission|GRANT"),
        "no such host": (good.replace("127.0.0.1", "no-such-host.invalid"), "no-such-host|host|resolve"),
        "unknown option": (f"{good}?sslmode=none&bogus=1", "URL cannot be read"),
        "bad option": (f"{good}?sslmode=none", "sslmode is one of"),
        # As they are, and not percent-encoded.
        "signs in the password": (locked.url_of("kept", "keeper", "xyzzy@xyzzy#xyzzy"), "URL cannot be read"),
        "question in the password": (locked.url_of("kept", "keeper", "xyzzy?xyzzy"), "is not allowed"),
    }


#: What is told with the settings, before anything is tried.
MISWRITTEN = ["unknown option", "bad option", "signs in the password", "question in the password"]
WRONG = ["wrong password", "no such database", "server away", "role without rights", "no such host", *MISWRITTEN]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_database_that_cannot_be_used_stops_the_start_and_is_named(locked, tmp_path, wrong):
    url, names = problems(locked)[wrong]
    result = volery(
        "serve", "--no-default-models", "--port", str(free_port()), data_dir=tmp_path / "data", VOLERY_DATABASE=url
    )
    assert result.code == 1, result.out + result.err
    assert re.search(names, result.err, re.IGNORECASE), result.err
    assert "volery: error" in result.err or "error:" in result.err.lower()
    examined = volery("doctor", data_dir=tmp_path / "data", timeout=120, VOLERY_DATABASE=url)
    assert examined.code == 1, examined.out + examined.err
    assert re.search(names, examined.out, re.IGNORECASE), f"the doctor names the cause: {examined.out}"
    checked = volery("serve", "--check-config", data_dir=tmp_path / "data", VOLERY_DATABASE=url)
    assert (checked.code != 0) == (wrong in MISWRITTEN), checked.out + checked.err
    listed = volery("keys", "list", data_dir=tmp_path / "data", VOLERY_DATABASE=url)
    assert listed.code != 0
    for one in (result, examined, checked, listed):
        assert_silent(one.out + one.err)


def assert_silent(text: str) -> None:
    for secret in (PASSWORD, SECRET, "xyzzy"):
        assert secret not in text, text


def test_the_password_of_a_working_database_appears_nowhere(locked, fresh):
    url = locked.url_of("kept", "keeper", SECRET)
    platform = fresh(environment={"VOLERY_DATABASE": url, "VOLERY_LOG_LEVEL": "trace"}).start()
    assert platform.chat("demo-echo").status_code == 200
    locked.kill()
    processes.wait_until(lambda: locked_out(platform), 60, "the database is missed")
    said = [
        platform.get("/readyz").text,
        platform.get("/v1/admin/usage", key=platform.operator_token).text,
        httpx.get(platform.metrics_url, timeout=30).text,
    ]
    shown = [
        volery("serve", "--check-config", data_dir=platform.data_dir, VOLERY_DATABASE=url),
        doctor(platform),
        doctor(platform, "--no-color") if "--no-color" in volery("doctor", "--help").out else doctor(platform),
    ]
    locked.restart()
    processes.wait_until(lambda: not locked_out(platform), 60, "the database is back")
    shown.append(doctor(platform))
    assert platform.stop() == 0
    assert_silent(platform.output)
    for text in [*said, *(one.out + one.err for one in shown)]:
        assert_silent(text)
    for name, data in contents(platform.data_dir):
        assert b"xyzzy" not in data, name


def locked_out(platform: Platform) -> bool:
    answer = platform.get("/v1/admin/usage", key=platform.operator_token, params={"each": "true"})
    return answer.status_code == 503


def test_a_server_that_restarts_is_used_again_without_anybodys_help(fresh):
    with own_cluster("15") as server:
        platform = fresh(environment={"VOLERY_DATABASE": server.url}).start()
        assert platform.chat("demo-echo").status_code == 200
        for stop in (server.stop, server.kill):
            stop()
            server.restart()
            processes.wait_until(lambda: not locked_out(platform), 60, "the control plane is back")
            request = platform.chat("demo-echo").headers["x-request-id"]
            assert platform.usage_of(request)["status"] == "succeeded"
        assert platform.stop() == 0


def test_a_platform_that_stops_while_its_database_is_away_ships_at_its_next_start(fresh):
    with own_cluster("15") as server:
        platform = fresh(environment={"VOLERY_DATABASE": server.url, "VOLERY_DRAIN_TIMEOUT": "2s"}).start()
        first = platform.chat("demo-echo").headers["x-request-id"]
        accounts.settled_rows(platform, {first})
        server.kill()
        asked = {platform.chat("demo-echo").headers["x-request-id"] for _ in range(10)}
        assert platform.stop() == 0, platform.output[-3000:]
        assert platform.volery("journal", "verify").code == 0
        server.restart()
        platform.start()
        rows = [row["request_id"] for row in accounts.settled_rows(platform, asked)]
        assert sorted(rows) == sorted([first, *asked])
