"""The journal: its bounds, its strict mode, and what `volery journal` tells of it."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
from harness import accounts, load, processes
from harness.load import Load, Seen
from harness.postgres import own_cluster
from harness.upstream import Connection, Request, Upstream, delta, usage_event
from harness.volery import Platform


@contextmanager
def streams_until_told(platform: Platform, upstream: Upstream, count: int) -> Iterator[list[Seen]]:
    """Streams that run until the block is left; then they are finished, and seen by their clients to the end."""
    is_over = threading.Event()

    def script(connection: Connection, request: Request) -> None:
        connection.begin_stream()
        while True:
            connection.event(delta(request, "word "))
            if is_over.wait(0.05):
                break
        connection.event(delta(request, None, "stop"))
        connection.event(usage_event(request, 7, 77))
        connection.event("[DONE]")
        connection.end_stream()

    upstream.script = script
    platform.register(upstream.url, "gated")
    ask = load.Ask("gated", "Hi", is_stream=True)
    with Load(platform.port, platform.key, [lambda _: ask] * count, seed=1) as clients:
        try:
            processes.wait_until(
                lambda: len(clients.seen) == count and all(one.words for one in clients.seen), 60, "the streams run"
            )
            clients.is_over = True
            yield clients.seen
            assert not any(one.ended for one in clients.seen), "they still run"
        finally:
            is_over.set()
    assert all(one.is_complete for one in clients.seen), "running streams end well"


def check_rows(platform: Platform, seen: list[Seen], streams: list[Seen]) -> None:
    """Whatever was answered has its row, whatever was refused has none, and the streams are charged in full."""
    answered = {one.request for one in [*seen, *streams] if one.status == 200}
    rows = {row["request_id"]: row for row in accounts.settled_rows(platform, answered)}
    for one in seen:
        assert (one.request in rows) == (one.status == 200), f"{one.request} {one.status} {one.code}"
    for one in streams:
        assert (rows[one.request]["status"], rows[one.request]["output_tokens"]) == ("succeeded", 77)
    assert platform.volery("journal", "verify").code == 0


def test_a_full_journal_refuses_new_work_and_loses_nothing(fresh, upstream):
    with own_cluster("15") as cluster:
        settings = {"VOLERY_DATABASE": cluster.url, "VOLERY_JOURNAL_MAX_BYTES": "1MiB", "VOLERY_LOG_LEVEL": "warning"}
        platform = fresh(environment=settings).start()
        with streams_until_told(platform, upstream, 2) as streams:
            cluster.kill()
            with Load(platform.port, platform.key, [lambda _: load.echo(1)] * 16, seed=2) as clients:
                processes.wait_until(
                    lambda: any(one.status == 503 for one in clients.seen), 90, "new work is refused", interval=0.1
                )
            check_refusal(platform)
        refused = {(one.status, one.code) for one in clients.seen if one.status != 200}
        assert refused == {(503, "JOURNAL_FULL")}
        assert (1 << 20) <= accounts.metric(platform, "volery_journal_bytes") < (2 << 20)
        cluster.restart()
        processes.wait_until(lambda: platform.chat("demo-echo").status_code == 200, 60, "work is accepted again")
        check_rows(platform, clients.seen, streams)
        # What is shipped leaves the disk.
        processes.wait_until(
            lambda: accounts.metric(platform, "volery_journal_bytes") < 1 << 20, 60, "the journal shrinks"
        )


def check_refusal(platform: Platform) -> None:
    answer = platform.chat("demo-echo")
    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert error["code"] == "JOURNAL_FULL" and error["hint"] and int(answer.headers["retry-after"]) >= 1
    assert httpx.get(platform.url + "/readyz", timeout=30).status_code == 503, "no new work: not ready"


@contextmanager
def small_disk(mebibytes: int, folder: Path) -> Iterator[Path]:
    """A file system of its own; only where we may mount."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "volery-test", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_running_streams_well_and_loses_nothing(fresh, upstream, tmp_path):
    with small_disk(96, tmp_path / "disk") as disk:
        platform = fresh(data_dir=disk / "data", environment={"VOLERY_JOURNAL_MIN_FREE_BYTES": "8MiB"}).start()
        with streams_until_told(platform, upstream, 4) as streams:
            fill(disk / "ballast")
            processes.wait_until(lambda: platform.chat("demo-echo").status_code == 503, 60, "new work is refused")
        answer = platform.chat("demo-echo")
        assert answer.status_code == 503 and answer.json()["error"]["code"] in ("JOURNAL_FULL", "JOURNAL_UNAVAILABLE")
        (disk / "ballast").unlink()
        processes.wait_until(lambda: platform.chat("demo-echo").status_code == 200, 60, "work is accepted again")
        check_rows(platform, [], streams)
        assert platform.stop() == 0, platform.output[-3000:]


def fill(ballast: Path) -> None:
    """Takes what the disk has left, to the last byte."""
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


# MARK: Strict mode


def test_strict_mode_answers_whole_and_streamed(fresh, fast):
    platform = fresh(environment={"VOLERY_JOURNAL_SYNC": "strict"}).start()
    platform.register(fast.url)
    plans = [load.whole] * 4 + [lambda r: load.scripted(r.randint(1, 50), is_stream=True)] * 4
    with Load(platform.port, platform.key, plans, load.seed_of_today()) as clients:
        processes.wait_until(lambda: sum(1 for _ in clients.complete()) >= 200, 60, "two hundred answers")
        clients.is_over = True
    assert all(one.is_complete for one in clients.seen)
    rows = accounts.check_books(platform, clients.seen, fast.produced())
    assert {row["status"] for row in rows} == {"succeeded"} and len(rows) == len(clients.seen)
    assert platform.stop() == 0


# MARK: `volery journal`


@pytest.fixture
def journalled(fresh, fast) -> Platform:
    """A platform killed with something in its journal: finished requests, and one that was cut."""
    platform = fresh().start()
    platform.register(fast.url)
    for number in range(20):
        assert platform.chat("demo-echo", f"number {number}").status_code == 200
    slow = load.scripted(1000, pause=10, is_stream=True)
    with Load(platform.port, platform.key, [lambda _: slow], seed=1) as clients:
        processes.wait_until(lambda: clients.seen and len(clients.seen[0].words) >= 5, 60, "five words")
        assert platform.volery("journal", "verify").code == 0, "beside a running platform with a running stream"
        clients.is_over = True
        platform.process.kill()
        platform.process.wait(10)
    platform.cut = clients.seen[0].request
    return platform


def segments(platform: Platform) -> list[Path]:
    return sorted(path for path in (platform.data_dir / "journal").iterdir() if path.stat().st_size > 0)


def test_inspect_shows_records_for_people_and_for_machines(journalled):
    table = journalled.volery("journal", "inspect")
    assert table.code == 0, table.err
    assert "open" in table.out and "progress" in table.out and journalled.cut in table.out
    lines = [json.loads(line) for line in journalled.volery("journal", "inspect", "--json").out.splitlines()]
    assert {"open", "progress"} <= {line["kind"] for line in lines}
    numbers = [line["sequence"] for line in lines]
    assert numbers == sorted(set(numbers)), "sequence numbers rise"
    one = journalled.volery("journal", "inspect", "--request", journalled.cut, "--json")
    kinds = [json.loads(line)["kind"] for line in one.out.splitlines()]
    assert kinds[0] == "open" and set(kinds[1:]) == {"progress"}


def test_a_cut_stream_is_settled_in_the_journal_at_the_next_start(journalled):
    journalled.start()
    row = journalled.usage_of(journalled.cut)
    assert row["status"] == "interrupted" and row["output_tokens"] >= 1
    assert "interrupted" in journalled.volery("usage", "--each").out
    assert journalled.volery("journal", "verify").code == 0


def test_verify_tells_a_torn_tail_from_damage(journalled):
    assert journalled.volery("journal", "verify").code == 0
    last = segments(journalled)[-1]
    intact = last.read_bytes()
    # The last record half written, as a machine leaves it that lost power.
    last.write_bytes(intact[:-3])
    torn = journalled.volery("journal", "verify")
    assert torn.code == 0 and "torn" in torn.out.lower(), torn.out + torn.err
    # A byte in the middle that the disk changed.
    middle = len(intact) // 3
    last.write_bytes(intact[:middle] + bytes([intact[middle] ^ 0x40]) + intact[middle + 1 :])
    damaged = journalled.volery("journal", "verify")
    assert damaged.code == 1, damaged.out + damaged.err
    as_json = journalled.volery("journal", "verify", "--json")
    assert as_json.code == 1 and json.loads(as_json.out)


def test_journal_commands_without_a_journal(tmp_path, run_volery):
    for command in ("inspect", "verify"):
        result = run_volery("journal", command, data_dir=tmp_path / "nothing")
        assert result.code in (0, 3) and "Traceback" not in result.err and "fatal" not in result.err.lower()
    assert run_volery("journal", "inspect", "--segment", "x", data_dir=tmp_path).code == 64


def test_a_stop_in_order_seals_the_journal(fresh):
    platform = fresh().start()
    for _ in range(5):
        assert platform.chat("demo-echo").status_code == 200
    assert platform.stop(signal.SIGTERM) == 0
    verified = platform.volery("journal", "verify")
    assert verified.code == 0 and "torn" not in verified.out.lower().replace("no torn", ""), verified.out
