"""Nothing that was answered is lost, whatever is killed: the platform under load, or its database."""

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
from conftest import IS_LONG
from harness import accounts, load, processes
from harness.load import Load, Seen
from harness.postgres import Cluster, database_of, own_cluster, shared_cluster
from harness.volery import Platform

CLIENTS = 32
SECONDS_AWAY = 60 if IS_LONG else 10
PLANS = [load.whole] * (CLIENTS // 2) + [load.mixed] * (CLIENTS // 2)

ENGINES = [
    pytest.param("sqlite", "group", id="sqlite"),
    pytest.param("15", "group", id="postgres15"),
    pytest.param("18", "group", id="postgres18", marks=pytest.mark.long),
    pytest.param("sqlite", "strict", id="sqlite-strict", marks=pytest.mark.long),
    pytest.param("18", "strict", id="postgres18-strict", marks=pytest.mark.long),
]


@contextmanager
def database_for(engine: str) -> Iterator[tuple[dict[str, str], Cluster | None]]:
    """The settings of a platform on that engine."""
    if engine == "sqlite":
        yield {}, None
        return
    with shared_cluster(engine) as cluster:
        yield {"VOLERY_DATABASE": cluster.new_database()}, cluster


@pytest.mark.parametrize("engine, sync", ENGINES)
def test_kill_9_of_the_platform_under_load_loses_and_doubles_nothing(fresh, fast, engine, sync):
    moments = random.Random(seed := load.seed_of_today())
    with database_for(engine) as (settings, cluster):
        settings |= {"VOLERY_JOURNAL_SYNC": sync, "VOLERY_LOG_LEVEL": "warning"}
        platform = fresh(environment=settings).start()
        platform.register(fast.url)
        with Load(platform.port, platform.key, PLANS, seed) as clients:
            for _ in range(5):
                verify(platform, "beside a running platform")
                time.sleep(moments.uniform(0.3, 1.5))
                platform.process.kill()
                platform.process.wait(10)
                verify(platform, "after a kill")
                platform.start()
            time.sleep(0.5)
        rows = accounts.check_books(platform, clients.seen, fast.produced())
        report_kills(f"{engine}/{sync}", seed, clients.seen, rows)
        in_database = accounts.rows_in_database(platform, cluster, settings)
    assert sorted(row[0] for row in in_database) == sorted(row["request_id"] for row in rows)
    assert sum(int(row[2]) for row in in_database) == sum(row["output_tokens"] for row in rows)


def verify(platform: Platform, when: str) -> None:
    verified = platform.volery("journal", "verify")
    assert verified.code == 0, f"{when} nothing is damaged:\n{verified.out}{verified.err}"


def report_kills(what: str, seed: int, seen: list[Seen], rows: list[dict]) -> None:
    cut = [one for one in seen if one.words and not one.is_complete]
    interrupted = [row for row in rows if row["status"] == "interrupted"]
    complete = sum(one.is_complete for one in seen)
    print(
        f"{what}, seed {seed}: {len(seen)} requests, {complete} complete, {len(cut)} streams cut, "
        f"{len(rows)} rows, {len(interrupted)} of them interrupted"
    )
    # A storm that cut nothing would prove nothing.
    assert complete > 100 and len(cut) >= 5 and len(interrupted) >= 5


@pytest.mark.parametrize("version", ["15", pytest.param("18", marks=pytest.mark.long)])
def test_kill_9_of_platform_and_database_in_turn_loses_and_doubles_nothing(fresh, fast, version):
    moments = random.Random(seed := load.seed_of_today())
    with own_cluster(version) as cluster:
        settings = {"VOLERY_DATABASE": cluster.url, "VOLERY_LOG_LEVEL": "warning"}
        platform = fresh(environment=settings).start()
        platform.register(fast.url)
        with Load(platform.port, platform.key, PLANS, seed) as clients:
            for victims in ("database", "platform", "database and platform") * 2:
                time.sleep(moments.uniform(0.3, 1.0))
                if "database" in victims:
                    # In the middle of what it ships, so that nobody knows whether its COMMIT took place.
                    cluster.kill()
                    time.sleep(moments.uniform(0, 0.5))
                if "platform" in victims:
                    platform.process.kill()
                    platform.process.wait(10)
                if "database" in victims:
                    cluster.restart()
                if "platform" in victims:
                    platform.start()
            time.sleep(0.5)
        rows = accounts.check_books(platform, clients.seen, fast.produced())
        report_kills(f"{version}, in turn", seed, clients.seen, rows)
        in_database = accounts.rows_in_database(platform, cluster, settings)
    assert sorted(row[0] for row in in_database) == sorted(row["request_id"] for row in rows)


def test_a_stream_cut_by_kill_9_is_charged_from_its_progress(fresh, fast):
    platform = fresh().start()
    platform.register(fast.url)
    slow = load.scripted(1000, pause=20, is_stream=True)
    with Load(platform.port, platform.key, [lambda _: slow], seed=1) as clients:
        processes.wait_until(lambda: clients.seen and len(clients.seen[0].words) >= 30, 60, "thirty words")
        clients.is_over = True
        platform.process.kill()
        platform.process.wait(10)
    platform.start()
    rows = accounts.check_books(platform, clients.seen, fast.produced())
    assert [row["status"] for row in rows] == ["interrupted"]
    assert rows[0]["request_id"] == clients.seen[0].request and rows[0]["output_tokens"] >= 1
    assert rows[0]["token_source"] == "estimated" and rows[0]["http_status"] == 200
    # A second start settles nothing again.
    assert platform.stop() == 0
    platform.start()
    assert accounts.check_books(platform, clients.seen, fast.produced()) == rows


# MARK: The database goes away


def answers_unavailable(platform: Platform) -> bool:
    """Whether the control plane says, in bounded time and with a time to come back, that its database is away."""
    answer = platform.get("/v1/admin/usage", key=platform.operator_token, params={"each": "true"})
    if answer.status_code == 200:
        return False
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "STORAGE_UNAVAILABLE"
    assert int(answer.headers["retry-after"]) >= 1
    return True


def latencies(seen: list[Seen]) -> dict[str, float]:
    values = [one.latency for one in seen]
    return {
        "requests": len(values),
        "p50_ms": round(load.quantile(values, 0.5) * 1000, 2),
        "p99_ms": round(load.quantile(values, 0.99) * 1000, 2),
        "max_ms": round(max(values) * 1000, 2),
    }


def write_figures(name: str, figures: dict) -> None:
    print(f"{name}: {json.dumps(figures)}")
    if folder := os.environ.get("VOLERY_BENCH_OUT"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")


@pytest.mark.parametrize(
    "version, how",
    [
        ("15", "kill"),
        ("15", "stop"),
        ("15", "freeze"),
        pytest.param("18", "kill", marks=pytest.mark.long),
        pytest.param("18", "stop", marks=pytest.mark.long),
        pytest.param("18", "freeze", marks=pytest.mark.long),
    ],
)
def test_requests_go_on_while_postgresql_is_away(fresh, fast, version, how):
    with own_cluster(version) as cluster:
        platform = fresh(environment={"VOLERY_DATABASE": cluster.url, "VOLERY_LOG_LEVEL": "warning"}).start()
        platform.register(fast.url)
        plans = [load.whole] * 12 + [lambda r: load.scripted(20, pause=5, is_stream=True)] * 4
        with Load(platform.port, platform.key, plans, load.seed_of_today(), pause=0.02) as clients:
            time.sleep(2)
            began = time.monotonic()
            watch(platform, until=began + max(4, SECONDS_AWAY / 2), is_away=False)
            away = time.monotonic()
            {"kill": cluster.kill, "stop": cluster.stop, "freeze": cluster.freeze}[how]()
            gone = time.monotonic()
            processes.wait_until(lambda: answers_unavailable(platform), 20, "the control plane misses its database")
            lag = accounts.metric(platform, "volery_journal_lag_records")
            watch(platform, until=gone + SECONDS_AWAY, is_away=True)
            # Where it was missed late, the time is over already.
            processes.wait_until(
                lambda: accounts.metric(platform, "volery_journal_lag_records") > lag, 60, "usage waits in the journal"
            )
            names = ("volery_journal_shipped_records_total", "volery_journal_lag_records")
            written = sum(accounts.metric(platform, name) for name in names)
            back = time.monotonic()
            cluster.thaw() if how == "freeze" else cluster.restart()
            processes.wait_until(lambda: not answers_unavailable(platform), 60, "the control plane is back by itself")
            recovered = time.monotonic() - back
            accounts.wait_until_shipped(platform, written)
            time.sleep(1)
        rows = accounts.check_books(platform, clients.seen, fast.produced())
        in_database = cluster.usage_rows(database_of(cluster.url))
        assert len(in_database) == len({row[0] for row in in_database}) == len(rows)
    assert all(one.is_complete for one in clients.seen), "a request failed while the database was away"
    quick = [one for one in clients.seen if not one.ask.is_stream]
    before = latencies([one for one in quick if began <= one.began and one.ended <= away])
    during = latencies([one for one in quick if gone <= one.began and one.ended <= back])
    figures = {"before": before, "away": during, "seconds_away": round(back - gone, 1)}
    figures |= {f"ratio_{name}": round(during[name] / before[name], 2) for name in ("p50_ms", "p99_ms")}
    figures["control_plane_back_after_seconds"] = round(recovered, 2)
    write_figures(f"postgres-{version}-{how}", figures)
    assert during["requests"] > 100
    # Over half a minute each, so that a busy machine does not decide: nobody waits for a database that is away.
    assert not IS_LONG or figures["ratio_p50_ms"] < 2, figures


def watch(platform: Platform, until: float, is_away: bool) -> None:
    """Asks what operators and probes ask, with and without a database: each gets an answer, and none hangs."""
    while time.monotonic() < until:
        began = time.monotonic()
        assert answers_unavailable(platform) == is_away
        assert time.monotonic() - began < 10, "an operator is told, and does not hang"
        assert httpx.get(platform.url + "/livez", timeout=10).status_code == 200
        assert httpx.get(platform.url + "/readyz", timeout=10).status_code == 200, "it serves answers all the time"
        time.sleep(0.5)


def test_a_key_that_was_never_proven_waits_for_the_database(fresh):
    with own_cluster("15") as cluster:
        platform = fresh(environment={"VOLERY_DATABASE": cluster.url}).start()
        made = platform.volery("keys", "create", "--name", "unused", "--json")
        assert made.code == 0, made.err
        cluster.kill()
        body = {"model": "demo-echo", "messages": [{"role": "user", "content": "Hi"}]}
        answer = platform.post("/v1/chat/completions", body, key=made.json()["key"])
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "STORAGE_UNAVAILABLE", answer.text
        cluster.restart()
        processes.wait_until(
            lambda: platform.post("/v1/chat/completions", body, key=made.json()["key"]).status_code == 200,
            60,
            "the key works",
        )


@pytest.mark.long
def test_rare_requests_of_a_proven_key_do_not_wait_for_a_database_that_is_away(fresh):
    with own_cluster("15") as cluster:
        platform = fresh(environment={"VOLERY_DATABASE": cluster.url}).start()
        assert platform.chat("demo-echo").status_code == 200
        cluster.kill()
        # Past the half minute after which the key's row is read again, with nobody else asking meanwhile.
        for _ in range(5):
            time.sleep(10)
            began = time.monotonic()
            assert platform.chat("demo-echo").status_code == 200
            assert time.monotonic() - began < 2.5, "not the time that the database is waited for"
