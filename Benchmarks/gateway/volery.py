"""Volery with everything on and set, which is how it is measured beside the peers."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from peers import CONNECTIONS
from systems import Volery, wait_for

STRATEGY = "lowest_latency"
MODEL, MESSAGES_MODEL = "bench", "bench-messages"
LAG, SHIPPED = "volery_journal_lag_records", "volery_journal_shipped_records_total"
# A minute of what one core can answer is within these; they are looked at and taken from for each request.
REQUESTS_A_MINUTE, TOKENS_A_MINUTE = "10000000", "1000000000"
SETTLED_SECONDS = 600


def accepted(command, *arguments: str) -> bool:
    """False where this version has no such command or value; what it says of that is shown."""
    try:
        command(*arguments)
    except subprocess.CalledProcessError as refusal:
        print(refusal.stderr.strip(), file=sys.stderr)
        return False
    return True


class SetVolery(Volery):
    """Key check, limits of requests and tokens, a price, a hard budget, a renamed model, two deployments to route over,
    usage asked for and read, usage journal and settlement, metrics, and a line in the log for each request."""

    def __init__(self, folder: Path, core: int, upstreams: list[int]):
        folder.mkdir(parents=True)
        settings = {
            "VOLERY_MAX_CONNECTIONS": str(CONNECTIONS),
            "VOLERY_MAX_CONCURRENT_REQUESTS": str(CONNECTIONS),
            "VOLERY_UPSTREAM_IDLE_TIMEOUT": "1h",
            "VOLERY_REQUEST_TIMEOUT": "1h",
            "VOLERY_LOG_LEVEL": "info",
            "VOLERY_LOG_FORMAT": "json",
        }
        self.shipped, self.rows_before = 0.0, 0
        super().__init__(folder, core, settings)
        try:
            self._set(upstreams)
        except BaseException:
            self.stop()
            raise

    def _set(self, upstreams: list[int]) -> None:
        key = json.loads(self.command("keys", "list", "--json"))[0]
        workspace = ("--workspace", key["workspace_id"])
        for upstream in upstreams:
            self.register(MODEL, upstream)
        self.routed = accepted(self.command, "routing", "set", *workspace, "--strategy", STRATEGY)
        self.translates = self._speaks_messages() and accepted(self.register, MESSAGES_MODEL, upstreams[0], "anthropic")
        for model in (MODEL, MESSAGES_MODEL):
            self.command(
                *("prices", "set", "--model", model, "--input", "0.15", "--output", "0.6", "--per", "1m"),
                *("--currency", "USD"),
            )
        self.command(
            *("budgets", "set", *workspace, "--amount", "1000000", "--currency", "USD", "--period", "month", "--hard")
        )
        self.command(
            *("limits", "set", "--key", key["id"], "--rpm", REQUESTS_A_MINUTE, "--tpm", TOKENS_A_MINUTE)
        )

    def _speaks_messages(self) -> bool:
        """Whether /v1/messages is served at all; an empty request is refused where it is."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        try:
            urllib.request.urlopen(urllib.request.Request(f"{self.url}/v1/messages", b"{}", headers), timeout=10)
        except urllib.error.HTTPError as refusal:
            return refusal.code not in (404, 405, 501)
        return True

    def settle(self, requests: int) -> None:
        """Waits until they are stored and paid for, so that the CPU of that is counted too."""
        wanted = self.shipped + requests

        def is_done() -> bool:
            return self._metric(SHIPPED) >= wanted and self._metric(LAG) == 0

        wait_for(is_done, SETTLED_SECONDS, f"{requests} requests are settled", pause=0.25)
        self.shipped = self._metric(SHIPPED)

    def _metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=30) as answer:
            rows = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", answer.read().decode(), re.MULTILINE)
        return sum(map(float, rows))
