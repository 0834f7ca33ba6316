"""PostgreSQL servers for tests: those that `make test` runs, and clusters of one's own that a test may break."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from . import processes
from .ports import free_port

SCRIPT = Path(__file__).parents[3] / "dev/postgres.sh"


def _run(*arguments: str, timeout: float = 300) -> str:
    done = subprocess.run(
        [str(SCRIPT), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"dev/postgres.sh {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def need(version: str) -> None:
    """Skips, visibly, where this version is not installed; where CI runs that is a failure."""
    done = subprocess.run([str(SCRIPT), "install", version], capture_output=True, text=True, timeout=600)
    if done.returncode == 0:
        return
    reason = f"PostgreSQL {version} is not there: {done.stderr[-500:]}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Cluster:
    """A running server, and what a test does to it."""

    version: str
    folder: Path
    url: str

    def stop(self) -> None:
        """In order: transactions end, connections are closed."""
        _run("stop", str(self.folder))

    def kill(self) -> None:
        """As a machine that loses power takes it."""
        _run("kill", str(self.folder))

    def freeze(self) -> None:
        """Its port still takes connections, and nothing ever answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, sign: int) -> None:
        postmaster = int((self.folder / "data/postmaster.pid").read_text().splitlines()[0])
        for pid in [postmaster, *processes.descendants(postmaster)]:
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                continue

    def restart(self) -> None:
        _run("restart", str(self.folder))

    @property
    def port(self) -> int:
        return urlsplit(self.url).port

    def url_of(self, database: str | None = None, user: str | None = None, password: str | None = None) -> str:
        """This server's URL with another database, role or password."""
        parts = urlsplit(self.url)
        who = user or parts.username
        who += f":{password}" if password else ""
        place = f"{who}@{parts.hostname}:{parts.port}"
        return urlunsplit(parts._replace(netloc=place, path=f"/{database}" if database else parts.path))

    def sql(self, text: str, database: str | None = None, user: str | None = None) -> list[list[str]]:
        """Runs statements, each in a transaction of its own, and returns the rows of the last one."""
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", self.url_of(database, user)],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def ask_for_passwords(self, database: str, *roles: str) -> None:
        """From now on these roles must say theirs, at that database and at every other."""
        rules = Path(self.sql("SHOW hba_file", user="postgres")[0][0])
        rules.write_text(f"host all {','.join(roles)} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        self.sql("SELECT pg_reload_conf()", user="postgres")
        without = ["psql", "-X", "-w", "-c", "SELECT 1", self.url_of(database, roles[0])]
        # The server reads it a moment later.
        processes.wait_until(
            lambda: subprocess.run(without, capture_output=True, timeout=60).returncode != 0, 60, "passwords are needed"
        )

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"e2e_{uuid.uuid4().hex[:12]}"
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.url_of(name)

    def usage_rows(self, database: str) -> list[list[str]]:
        """Request and output tokens of all usage rows, past every policy."""
        return self.sql(
            "SET ROLE volery_system; SELECT request_id, status, output_tokens FROM usage", database
        )


def database_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@contextmanager
def own_cluster(version: str) -> Iterator[Cluster]:
    """A server that only this test uses, so that it may be stopped and killed."""
    need(version)
    folder = Path(tempfile.mkdtemp(prefix=f"volery-pg{version}-", dir="/tmp"))
    folder.chmod(0o755)
    cluster = Cluster(version, folder / "cluster", "")
    try:
        cluster.url = _run("start", version, str(cluster.folder), str(free_port())).splitlines()[-1]
        assert re.match(r"postgres(ql)?://", cluster.url), cluster.url
        yield cluster
    finally:
        # A killed one is stopped already; a frozen one would never stop.
        if (cluster.folder / "data/postmaster.pid").exists():
            cluster.thaw()
        subprocess.run([str(SCRIPT), "stop", str(cluster.folder)], capture_output=True, timeout=60)
        processes.wait_until(
            lambda: not processes.started_for(cluster.folder), 60, f"the server in {cluster.folder} has ended"
        )
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def shared_cluster(version: str) -> Iterator[Cluster]:
    """The server that `make test` started, or one of our own where it did not. Nobody stops it."""
    if url := os.environ.get(f"VOLERY_TEST_POSTGRES_{version}"):
        yield Cluster(version, Path(os.environ.get(f"VOLERY_TEST_POSTGRES_{version}_FOLDER", "/nonexistent")), url)
        return
    with own_cluster(version) as cluster:
        yield cluster
