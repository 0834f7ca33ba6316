"""Three gateways, one budget, and a kill every second: clients, rows and ledger agree to the last unit."""

import random
import time
from decimal import Decimal

from harness import accounts, load, processes
from harness.load import Ask, Load
from harness.money import Spender, command, priced_model, set_price, verified
from harness.postgres import own_cluster
from harness.tenancy import refused, share_master_key
from harness.volery import Platform

#: What each answer costs, one dollar a token; the budget pays for exactly so many of them.
WORDS = 10
REQUESTS = 1000
CLIENTS = 200


def asking(model: str):
    """Whole answers and streams, some slow enough to be in the middle when their gateway is killed."""

    def plan(chance: random.Random) -> Ask:
        ask = load.scripted(WORDS, pause=chance.choice((0, 5, 100)), is_stream=chance.random() < 0.6, model=model)
        ask.max_tokens = WORDS
        return ask

    return plan


#: Of kills, one a second.
SECONDS = 60


def test_three_gateways_a_budget_and_a_kill_every_second(fresh, fast, tmp_path):
    seed = load.seed_of_today()
    chance = random.Random(seed)
    with own_cluster("15") as cluster:
        folders = [tmp_path / f"gateway{number}" for number in range(3)]
        share_master_key(*folders)
        settings = {"VOLERY_DATABASE": cluster.url, "VOLERY_LOG_LEVEL": "warning"}
        nodes = [fresh(data_dir=folder, environment=settings).start() for folder in folders]
        set_price(nodes[0], "demo-echo", "0.000001")
        spender = Spender.made(nodes[0])
        model = priced_model(nodes[0], fast.url)
        budget = spender.budget(str(REQUESTS * WORDS))
        loads = [
            Load(node.port, spender.token, [asking(model)] * (CLIENTS // 3), seed + number, pause=3)
            for number, node in enumerate(nodes)
        ]
        kills = kill_one_every_second(nodes, loads, chance)
        assert kills >= SECONDS // 2
        for node in nodes:
            node.wait_for("/readyz", 60)
        reconcile(nodes, spender, [one for each in loads for one in each.seen], budget, model)


def kill_one_every_second(nodes: list[Platform], loads: list[Load], chance: random.Random) -> int:
    """Runs the load meanwhile. A killed gateway is started again at once."""
    kills = 0
    for each in loads:
        each.__enter__()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(1)
        node = chance.choice(nodes)
        node.process.kill()
        node.process.wait(10)
        kills += 1
        node.start(wait="")
    for each in loads:
        each.stop()
    return kills


def reconcile(nodes, spender: Spender, seen, budget: dict, model: str) -> None:
    complete = [one for one in seen if one.is_complete and one.status == 200 and one.code is None]
    assert complete, "nobody got an answer"
    for node in nodes:
        settled = accounts.settled_rows(node, {one.request for one in complete}, workspace=spender.workspace)
    rows = {row["request_id"]: row for row in settled}
    prices = {request: Decimal(row["price"]["amount"]) for request, row in rows.items() if row["price"]}
    for one in complete:
        assert prices.get(one.request) == WORDS, f"{one.request} was seen complete: {rows.get(one.request)}"
    in_doubt = set(prices) - {one.request for one in complete}
    assert all(0 <= prices[request] <= WORDS for request in in_doubt)

    def nothing_is_held() -> bool:
        return spender.balance()["pending"] == 0

    spent = sum(prices.values())
    assert spent <= REQUESTS * WORDS, "the budget was passed"
    assert -spender.balance()["posted"] == spent, "rows and ledger disagree"
    # What is left is there to be spent, and not a request more.
    while (answer := spender.ask(model, WORDS)).status_code == 200:
        spent += WORDS
        assert spent <= REQUESTS * WORDS, "the budget was passed"
    refused(answer, 429, "QUOTA_EXCEEDED")
    spender.settle()
    assert spent == -spender.balance()["posted"]
    assert REQUESTS * WORDS - spent < WORDS, f"{REQUESTS * WORDS - spent} is left, and was refused"
    processes.wait_until(nothing_is_held, 60, "no money is stuck", interval=0.5)
    shown = command(nodes[0], "budgets", "show", budget["id"])
    assert Decimal(shown["now"]["spent"]["amount"]) == spent
    verified(nodes[0])
    statement = command(nodes[0], "ledger", "statement", "--workspace", spender.workspace)
    shared = [line for line in statement["lines"] if line["transfer"]["requests"] > 1]
    assert shared, "under such a load requests are settled in bundles"
    print(f"{len(complete)} seen complete, {len(in_doubt)} in doubt, {len(prices)} charged")
