"""`Idempotency-Key`: a request that is sent again is carried out once, and answered the same."""

import json
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest
from harness import accounts, processes, raw
from harness.postgres import shared_cluster
from harness.searching import contents
from harness.tenancy import Admin, chat, refused, share_master_key, unique
from harness.upstream import Connection, Request, completion, delta, usage_event
from harness.volery import Platform

#: How long a dead holder's lease keeps others waiting, and what a busy machine adds to it.
TAKEN_OVER = 30 + 30


def fresh_key() -> str:
    return str(uuid.uuid4())


def keyed(platform: Platform, model: str, key: str, text: str = "Hi", token: str | None = None, **more):
    return chat(platform, token or platform.key, model, text, headers={"idempotency-key": key}, **more)


def is_replay(answer: httpx.Response) -> bool:
    return answer.headers.get("idempotent-replayed") == "true"


def slow_answer(seconds: float) -> Callable[[Connection, Request], None]:
    def script(connection: Connection, request: Request) -> None:
        time.sleep(seconds)
        body = completion(request, text=f"answer {uuid.uuid4()}")
        connection.answer(body)

    return script


def slow_stream(connection: Connection, request: Request) -> None:
    if not request.json().get("stream"):
        return connection.answer(completion(request))
    connection.begin_stream()
    for number in range(20):
        connection.event(delta(request, f"{number}-{uuid.uuid4().hex[:6]} "))
        time.sleep(0.02)
    connection.event(delta(request, None, "stop"))
    if (request.json().get("stream_options") or {}).get("include_usage"):
        connection.event(usage_event(request, 7, 20))
    connection.event("[DONE]")
    connection.end_stream()


# MARK: One caller


def test_an_answer_is_given_again_and_made_once(echo, upstream, model_at):
    upstream.script = slow_answer(0)
    model, key = model_at(upstream), fresh_key()
    first = keyed(echo, model, key)
    again = keyed(echo, model, key)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content and first.headers["content-type"] == again.headers["content-type"]
    assert not is_replay(first) and is_replay(again)
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert len(upstream.requests) == 1
    echo.usage_of(first.headers["x-request-id"])
    rows = [row["request_id"] for row in echo.usage_rows()]
    assert again.headers["x-request-id"] not in rows, "what was not made is not charged"


def test_a_request_without_a_key_is_made_each_time(echo, upstream, model_at):
    model = model_at(upstream)
    for _ in range(2):
        assert not is_replay(chat(echo, echo.key, model))
    assert len(upstream.requests) == 2


def test_a_stream_is_given_again_byte_for_byte(echo, upstream, model_at):
    upstream.script = slow_stream
    model, key = model_at(upstream), fresh_key()
    first = keyed(echo, model, key, stream=True, stream_options={"include_usage": True})
    again = keyed(echo, model, key, stream=True, stream_options={"include_usage": True})
    assert first.content == again.content and first.content.rstrip().endswith(b"data: [DONE]")
    assert again.headers["content-type"].startswith("text/event-stream") and is_replay(again)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "path, body",
    [("/v1/completions", {"prompt": "Hi"}), ("/v1/embeddings", {"input": ["a", "b"]})],
    ids=["completions", "embeddings"],
)
def test_completions_and_embeddings_too(echo, upstream, model_at, path, body):
    def script(connection: Connection, request: Request) -> None:
        shape = {
            "/v1/completions": {"object": "text_completion", "choices": [{"index": 0, "text": str(uuid.uuid4())}]},
            "/v1/embeddings": {
                "object": "list",
                "data": [{"object": "embedding", "index": n, "embedding": [0.5, time.time()]} for n in range(2)],
            },
        }[request.path]
        usage = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
        connection.answer(shape | {"id": "c", "created": 1, "model": request.json()["model"], "usage": usage})

    upstream.script = script
    body = body | {"model": model_at(upstream)}
    headers = {"authorization": f"Bearer {echo.key}", "idempotency-key": fresh_key()}
    answers = [httpx.post(echo.url + path, json=body, headers=headers, timeout=30) for _ in range(2)]
    assert answers[0].status_code == 200, answers[0].text
    assert answers[0].content == answers[1].content and is_replay(answers[1])
    assert len(upstream.requests) == 1


def test_another_body_under_the_same_key_is_a_conflict(echo, upstream, model_at):
    model, key = model_at(upstream), fresh_key()
    assert keyed(echo, model, key).status_code == 200
    refused(keyed(echo, model, key, "something else"), 409, "IDEMPOTENCY_CONFLICT")
    assert len(upstream.requests) == 1


def test_a_key_belongs_to_its_workspace_and_route(echo, upstream, model_at):
    admin = Admin(echo)
    token = admin.key(admin.workspace(admin.tenant()["id"])["id"])["key"]
    model, key = model_at(upstream), fresh_key()
    upstream.script = slow_answer(0)
    mine, theirs = keyed(echo, model, key), keyed(echo, model, key, token=token)
    assert mine.status_code == theirs.status_code == 200 and not is_replay(theirs)
    assert mine.content != theirs.content
    other = httpx.post(
        echo.url + "/v1/completions",
        json={"model": "demo-echo", "prompt": "Hi"},
        headers={"authorization": f"Bearer {echo.key}", "idempotency-key": key},
        timeout=30,
    )
    assert other.status_code == 200 and not is_replay(other)


def test_an_upstreams_error_is_given_again(echo, upstream, model_at):
    upstream.script = lambda connection, request: connection.answer(
        {"error": {"message": "out of order"}}, "500 Internal Server Error"
    )
    model, key = model_at(upstream), fresh_key()
    first = keyed(echo, model, key)
    asked = len(upstream.requests)
    again = keyed(echo, model, key)
    assert first.status_code == again.status_code >= 500 and is_replay(again)
    assert len(upstream.requests) == asked >= 1


def test_what_was_refused_before_it_began_is_not_kept(echo, upstream, model_at):
    model, key = model_at(upstream), fresh_key()
    assert keyed(echo, model, key, temperature="hot").status_code == 400
    assert keyed(echo, "no-such-model", key).status_code == 404
    answer = keyed(echo, model, key)
    assert answer.status_code == 200 and not is_replay(answer)


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é"])
def test_a_key_that_is_none_is_refused(echo, key):
    body = json.dumps({"model": "demo-echo", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    headers = ["content-type: application/json", f"idempotency-key: {key}"]
    answer = raw.send(echo.port, raw.request_bytes("POST", "/v1/chat/completions", echo.key, body, headers))
    assert (answer.status, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR"), answer.body


def test_a_revoked_key_gets_no_replay(echo, upstream, model_at):
    admin = Admin(echo)
    made = admin.key(admin.workspace(admin.tenant()["id"])["id"])
    model, key = model_at(upstream), fresh_key()
    assert keyed(echo, model, key, token=made["key"]).status_code == 200
    admin.revoke(made["id"])
    processes.wait_until(lambda: keyed(echo, model, key, token=made["key"]).status_code == 401, 1, "refused")


def test_a_client_that_left_gets_the_whole_answer_when_it_asks_again(echo, upstream, model_at):
    upstream.script = slow_stream
    model, key = model_at(upstream), fresh_key()
    with httpx.Client() as client:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        headers = {"authorization": f"Bearer {echo.key}", "idempotency-key": key}
        with client.stream("POST", echo.url + "/v1/chat/completions", json=body, headers=headers) as answer:
            first = next(answer.iter_bytes())
    again = keyed(echo, model, key, stream=True)
    assert again.status_code == 200 and again.content.startswith(first[:10])
    assert again.content.rstrip().endswith(b"data: [DONE]") and again.content.count(b"data: ") >= 21
    assert len(upstream.requests) == 1, "made once, although its client had left"


# MARK: Twins


def at_once(count: int, ask: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    barrier = threading.Barrier(count)

    def one(number: int) -> httpx.Response:
        barrier.wait()
        return ask(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_ten_twins_at_once_are_one_request(echo, upstream, model_at, is_stream):
    upstream.script = slow_stream if is_stream else slow_answer(0.5)
    model, key = model_at(upstream), fresh_key()
    answers = at_once(10, lambda _: keyed(echo, model, key, stream=is_stream))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert len({answer.content for answer in answers}) == 1
    assert sum(not is_replay(answer) for answer in answers) == 1
    assert len(upstream.requests) == 1


@pytest.fixture
def two_nodes(fresh, tmp_path):
    with shared_cluster("15") as cluster:
        url = cluster.new_database()
        folders = tmp_path / "one", tmp_path / "two"
        share_master_key(*folders)
        yield [fresh(data_dir=folder, environment={"VOLERY_DATABASE": url}).start() for folder in folders]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_twins_on_two_nodes_are_one_request(two_nodes, upstream, is_stream):
    upstream.script = slow_stream if is_stream else slow_answer(0.5)
    first, second = two_nodes
    first.register(upstream.url, "twin")
    token = first.key
    processes.wait_until(lambda: chat(second, token, "twin").status_code == 200, 60, "the other node knows the model")
    asked, key = len(upstream.requests), fresh_key()
    answers = at_once(8, lambda n: keyed(two_nodes[n % 2], "twin", key, token=token, stream=is_stream))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert len({answer.content for answer in answers}) == 1
    assert sum(not is_replay(answer) for answer in answers) == 1
    assert len(upstream.requests) == asked + 1
    made = {answer.headers["x-request-id"] for answer in answers if not is_replay(answer)}
    for node in two_nodes:
        rows = {row["request_id"] for row in accounts.settled_rows(node, made)}
    assert rows & {answer.headers["x-request-id"] for answer in answers} == made, "charged once"


# MARK: Ends of the platform


def test_an_answer_is_given_again_after_a_restart(fresh, upstream):
    upstream.script = slow_stream
    platform = fresh().start()
    platform.register(upstream.url)
    key = fresh_key()
    first = keyed(platform, "scripted", key, stream=True)
    assert platform.stop() == 0
    platform.start()
    again = keyed(platform, "scripted", key, stream=True)
    assert again.content == first.content and is_replay(again) and len(upstream.requests) == 1


def test_an_answer_whose_end_was_seen_is_given_again_after_kill_9(fresh, upstream):
    upstream.script = slow_stream
    platform = fresh().start()
    platform.register(upstream.url)
    for _ in range(5):
        key, asked = fresh_key(), len(upstream.requests)
        first = keyed(platform, "scripted", key, stream=True)
        assert first.content.rstrip().endswith(b"data: [DONE]")
        platform.stop(signal.SIGKILL)
        platform.start()
        again = keyed(platform, "scripted", key, stream=True)
        assert again.content == first.content and is_replay(again), again.text[-300:]
        assert len(upstream.requests) == asked + 1


def test_what_was_cut_by_kill_9_is_carried_out_by_the_retry(fresh, upstream):
    is_first = threading.Event()

    def script(connection: Connection, request: Request) -> None:
        if not is_first.is_set():
            is_first.set()
            connection.wait_for_close(60)
        else:
            connection.answer(completion(request, "the second time"))

    upstream.script = script
    platform = fresh().start()
    platform.register(upstream.url)
    key, failures = fresh_key(), []

    def ask() -> None:
        try:
            keyed(platform, "scripted", key)
        except httpx.HTTPError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert is_first.wait(60)
    platform.stop(signal.SIGKILL)
    asking.join(60)
    assert failures, "the client lost its connection"
    platform.start()
    answer = httpx.post(
        platform.url + "/v1/chat/completions",
        json={"model": "scripted", "messages": [{"role": "user", "content": "Hi"}]},
        headers={"authorization": f"Bearer {platform.key}", "idempotency-key": key},
        timeout=TAKEN_OVER,
    )
    assert answer.status_code == 200 and "the second time" in answer.text, answer.text
    assert keyed(platform, "scripted", key).content == answer.content
    assert len(upstream.requests) == 2


# MARK: The control plane


def test_an_administrators_post_is_carried_out_once(echo):
    admin, key, name = Admin(echo), {"idempotency-key": fresh_key()}, unique("once")
    first, again = (admin.call("POST", "/v1/admin/tenants", {"name": name}, headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    assert is_replay(again) and not is_replay(first)
    assert [row["name"] for row in admin.pages("/v1/admin/tenants", 1000)].count(name) == 1
    other = admin.call("POST", "/v1/admin/tenants", {"name": unique("other")}, headers=key)
    refused(other, 409, "IDEMPOTENCY_CONFLICT")


def test_a_refusal_of_an_administrators_post_is_not_kept(echo):
    admin, key = Admin(echo), {"idempotency-key": fresh_key()}
    refused(admin.call("POST", "/v1/admin/tenants", {"name": ""}, headers=key), 400, "VALIDATION_ERROR")
    assert admin.call("POST", "/v1/admin/tenants", {"name": unique("good")}, headers=key).status_code == 201


def test_a_repeated_key_creation_names_the_key_and_never_its_secret(fresh):
    platform = fresh().start()
    admin, header, body = Admin(platform), {"idempotency-key": fresh_key()}, {"name": "once"}
    first = admin.call("POST", "/v1/admin/keys", body, headers=header)
    assert first.status_code == 201
    made = first.json()
    answers = [admin.call("POST", "/v1/admin/keys", body, headers=header) for _ in range(2)]
    for again in answers:
        refused(again, 409, "IDEMPOTENCY_CONFLICT")
        assert made["id"] in again.text, "the caller learns which key it was"
        assert again.json().get("key_id") == made["id"]
        assert made["key"] not in again.text and "vk_" not in again.text
    assert len([row for row in admin.pages("/v1/admin/keys") if row["name"] == "once"]) == 1
    assert platform.stop() == 0
    secret = made["key"].rsplit("_", 1)[1].encode()
    for name, data in contents(platform.data_dir):
        assert secret not in data, name


def test_twins_of_a_key_creation_make_one_key(echo):
    header, name = {"idempotency-key": fresh_key()}, unique("twin")
    answers = at_once(8, lambda _: Admin(echo).call("POST", "/v1/admin/keys", {"name": name}, headers=header))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7, [a.text for a in answers]
    assert len([row for row in Admin(echo).pages("/v1/admin/keys", 1000) if row["name"] == name]) == 1


def test_the_command_line_takes_a_key_too(echo):
    key = fresh_key()
    first = echo.volery("keys", "create", "--name", "cli", "--idempotency-key", key, "--json")
    assert first.code == 0, first.err
    again = echo.volery("keys", "create", "--name", "cli", "--idempotency-key", key, "--json")
    assert again.code == 5 and first.json()["id"] in again.err, again.err


def test_records_are_only_written_for_keyed_requests(fresh):
    platform = fresh().start()
    for _ in range(5):
        assert chat(platform, platform.key).status_code == 200
    assert keyed(platform, "demo-echo", fresh_key()).status_code == 200
    assert platform.stop() == 0
    with sqlite3.connect(platform.data_dir / "volery.db") as database:
        assert database.execute("SELECT count(*) FROM idempotency").fetchone() == (1,)
        text = json.dumps([list(map(str, row)) for row in database.execute("SELECT * FROM idempotency").fetchall()])
    assert platform.key not in text
