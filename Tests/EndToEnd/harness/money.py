"""A workspace that spends: prices, budgets, credit and the ledger, through the command line that scripts use."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal

import httpx2 as httpx

from . import accounts
from .tenancy import Admin, unique
from .volery import Platform


def command(platform: Platform, *arguments: str):
    """Runs a command that must succeed, and reads its JSON."""
    done = platform.volery(*arguments, "--json")
    assert done.code == 0, f"volery {' '.join(arguments)}: {done.code}\n{done.out}{done.err}"
    return done.json()


def set_price(platform: Platform, model: str, output: str, given: str = "0", per: str = "1", currency: str = "USD"):
    """By default so much for each token of the answer, and nothing for the prompt."""
    return command(
        platform,
        *("prices", "set", "--model", model, "--input", given, "--output", output),
        *("--per", per, "--currency", currency),
    )


def verified(platform: Platform) -> dict:
    """The ledger's verdict on itself, which must be good."""
    done = platform.volery("ledger", "verify", "--json", timeout=120)
    verdict = done.json()
    assert verdict["ok"] is True and done.code == 0, done.out
    return verdict


@dataclass
class Spender:
    """A workspace of its own with one key."""

    platform: Platform
    workspace: str
    key_id: str
    token: str
    #: The requests of the workspace that were answered: each must have its row.
    answered: set[str] = field(default_factory=set)

    @staticmethod
    def made(platform: Platform) -> "Spender":
        admin = Admin(platform)
        tenant = admin.tenant()
        workspace = admin.workspace(tenant["id"])
        key = admin.key(workspace["id"])
        return Spender(platform, workspace["id"], key["id"], key["key"])

    def another_key(self) -> "Spender":
        key = Admin(self.platform).key(self.workspace)
        return Spender(self.platform, self.workspace, key["id"], key["key"], self.answered)

    def budget(self, amount: str, *more: str, period: str = "total", currency: str = "USD", hard: bool = True) -> dict:
        wall = ("--hard",) if hard else ()
        return command(
            self.platform,
            *("budgets", "set", "--workspace", self.workspace, "--amount", amount, "--currency", currency),
            *("--period", period, *wall, *more),
        )

    def limit(self, **amounts: int):
        flags = [part for name, amount in amounts.items() for part in (f"--{name}", str(amount))]
        return command(self.platform, "limits", "set", "--key", self.key_id, *flags)

    def credit(self, amount: str, *more: str, currency: str = "USD") -> dict:
        return command(
            self.platform,
            *("credits", "grant", "--workspace", self.workspace, "--amount", amount, "--currency", currency, *more),
        )

    def prepaid(self, currency: str = "USD"):
        return command(
            self.platform,
            *("wallets", "set", "--workspace", self.workspace, "--mode", "prepaid", "--currency", currency),
        )

    def balance(self) -> dict[str, Decimal]:
        told = command(self.platform, "ledger", "balance", "--workspace", self.workspace)
        return {name: Decimal(told[name]) for name in ("posted", "pending", "available")}

    def spent(self) -> Decimal:
        """What the workspace owes, when nothing of it is on the way any more."""
        self.settle()
        return -self.balance()["posted"]

    def settle(self) -> list[dict]:
        """Waits until nothing runs and everything is stored, with a row for each answer. Returns the rows."""
        return accounts.settled_rows(self.platform, self.answered, workspace=self.workspace)

    def note(self, answer: httpx.Response) -> httpx.Response:
        """Remembers an answer that must have a row."""
        if answer.status_code == 200:
            self.answered.add(answer.headers["x-request-id"])
        return answer

    def ask(self, model: str, words: int = 10, timeout: float = 60, **more) -> httpx.Response:
        """One chat request to a `FastUpstream`, whose answer has exactly as many tokens as it may have."""
        headers = {"authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        prompt = more.pop("prompt", f"words={words}")
        body = {"model": model, "max_tokens": words, "messages": [{"role": "user", "content": prompt}]} | more
        url = self.platform.url + "/v1/chat/completions"
        return self.note(httpx.post(url, json=body, headers=headers, timeout=timeout))

    def ask_together(self, count: int, model: str, words: int = 10, **more) -> list[httpx.Response]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.ask(model, words, **more), range(count)))

    def rows(self) -> list[dict]:
        done = self.platform.volery("usage", "--workspace", self.workspace, "--json", "--each", "--limit", "1000")
        assert done.code == 0, done.err
        return done.json()


def priced_model(platform: Platform, url: str, output: str = "1", **price) -> str:
    """A model of its own over an upstream, with so much for each token of its answers."""
    name = unique("priced")
    platform.register(url, name)
    set_price(platform, name, output, **price)
    return name


def statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)
