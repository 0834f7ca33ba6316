"""Fixtures: one platform with the real models for the whole run, small ones with demo-echo, and scripted upstreams."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import processes
from harness.fast_upstream import FastUpstream
from harness.money import Spender, priced_model, set_price, verified
from harness.tenancy import settings_of
from harness.upstream import Upstream, well_behaved
from harness.volery import BINARY, Platform, volery

IS_LONG = os.environ.get("VOLERY_TEST_LONG") == "1"
CACHE = Path(os.environ.get("VOLERY_CACHE_DIR", Path.home() / ".cache/volery")) / "e2e"
DOWNLOAD_SECONDS = 1500
#: What a data folder keeps that was downloaded; everything else is made anew for each test run.
DOWNLOADED = ("models", "python")


def pytest_report_header() -> list[str]:
    tier = "everything, long tests too" if IS_LONG else "the tests of `make test` (long ones: `make test-long`)"
    return [f"tier: {tier}", f"binary: {BINARY}"]


def pytest_sessionstart() -> None:
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: run `make test`, or set VOLERY_BINARY", returncode=3)


def pytest_collection_modifyitems(config, items) -> None:
    for item in items:
        if "downloads" in item.fixturenames:
            # The first of them fetches the models.
            item.add_marker(pytest.mark.timeout(int(config.getini("timeout")) + DOWNLOAD_SECONDS))
    if IS_LONG:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_terminal_summary(terminalreporter) -> None:
    unit = os.environ.get("VOLERY_UNIT_SUMMARY")
    if unit:
        terminalreporter.write_line(f"unit tests: {unit}")


@pytest.fixture(scope="session")
def downloads() -> Path:
    """A data folder with the default models, fetched once by the product itself and kept between runs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(BINARY), "--data-dir", str(CACHE), "models", "pull", "--defaults"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DOWNLOAD_SECONDS,
    )
    # A model that cannot be had fails the run: a green run without the real model would prove nothing.
    assert done.returncode == 0, f"the default models could not be fetched:\n{done.stderr[-4000:]}"
    return CACHE


def copy_downloads(source: Path, target: Path) -> None:
    """Gives a new data folder the downloaded files, by hard links where the disk allows."""
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)
    for name in DOWNLOADED:
        if (source / name).exists():
            linked = subprocess.run(["cp", "-al", str(source / name), str(target / name)], stderr=subprocess.DEVNULL)
            if linked.returncode != 0:
                shutil.rmtree(target / name, ignore_errors=True)
                subprocess.run(["cp", "-a", str(source / name), str(target / name)], check=True)


@contextmanager
def with_default_models(downloads: Path, data_dir: Path) -> Iterator[Platform]:
    """The platform as `make up` leaves it: its default models are ready. Nothing of it is left afterwards."""
    copy_downloads(downloads, data_dir)
    running = Platform(data_dir).start()
    try:
        running.wait_for_model("default")
        running.wait_for_model("embed")
        yield running
    finally:
        code = running.stop()
        left = processes.started_for(data_dir)
        assert code == 0, running.output[-4000:]
        assert left == {}, "processes that outlived the platform"


@pytest.fixture(scope="session")
def platform(downloads, tmp_path_factory) -> Iterator[Platform]:
    """Shared: a test leaves it as it found it."""
    with with_default_models(downloads, tmp_path_factory.mktemp("real") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def echo(tmp_path_factory) -> Iterator[Platform]:
    """The platform with demo-echo alone, for a module's tests, which may ask with wrong keys as often as they like."""
    settings = {"VOLERY_FAILED_CREDENTIAL_LIMIT": "0"}
    running = Platform(tmp_path_factory.mktemp("echo") / "data", ("--no-default-models",), settings).start()
    try:
        yield running
    finally:
        assert running.stop() == 0, running.output[-4000:]


@pytest.fixture
def fresh(tmp_path) -> Iterator[Callable[..., Platform]]:
    """Makes platforms that a test may break; what still runs at its end is killed."""
    made: list[Platform] = []

    def make(*arguments: str, data_dir: Path | None = None, **more) -> Platform:
        folder = data_dir or tmp_path / f"data{len(made)}"
        platform = Platform(folder, ("--no-default-models", *arguments), **more)
        made.append(platform)
        return platform

    yield make
    for platform in made:
        if platform.process and platform.process.poll() is None:
            platform.process.kill()
            platform.process.wait(10)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        server.script = well_behaved
        yield server


@pytest.fixture(scope="session")
def fast() -> Iterator[FastUpstream]:
    """An upstream for load, in a process of its own."""
    with FastUpstream() as server:
        yield server


@pytest.fixture
def model_at(echo) -> Iterator[Callable[..., str]]:
    """Registers an upstream under a name of its own, and takes it away again."""
    registered: list[str] = []

    def register(upstream: Upstream, *more: str) -> str:
        name = f"scripted-{uuid.uuid4().hex[:8]}"
        result = echo.volery(
            "registry", "register", "--model", name, "--endpoint", upstream.url, "--protocol", "openai", "--json", *more
        )
        assert result.code == 0, result.err
        registered.append(result.json()["id"])
        return name

    yield register
    for deployment in registered:
        echo.volery("registry", "deregister", deployment)


@pytest.fixture(scope="session")
def run_volery() -> Callable:
    return volery


@pytest.fixture(scope="module", params=["sqlite", "15"])
def shop(request, tmp_path_factory) -> Iterator[Platform]:
    """A platform that has a price book, on each engine. Its ledger is proved when the module is through."""
    with settings_of(request.param) as settings:
        folder = tmp_path_factory.mktemp("shop") / "data"
        running = Platform(folder, ("--no-default-models",), settings).start()
        try:
            set_price(running, "demo-echo", "0.000002", given="0.000001")
            yield running
            verified(running)
        finally:
            assert running.stop() == 0, running.output[-4000:]


@pytest.fixture
def spender(shop) -> Spender:
    return Spender.made(shop)


@pytest.fixture
def model(shop, fast) -> str:
    """One dollar for each token of the answer."""
    return priced_model(shop, fast.url)
