"""The tables of docs/performance.md, made from the raw rows and from nothing else."""

from goals import Results, goals
from systems import ROOT

PAGE = ROOT / "docs/performance.md"
# Below this share of its core a system was not what limited its throughput: the load was.
SATURATED = 0.95
COLUMNS = [
    ("CPU µs/request", "cpu_us_request", 1),
    ("CPU µs/paced chunk", "cpu_us_chunk", 1),
    ("CPU µs/burst stream", "cpu_us_burst_stream", 0),
    ("added p50 µs, 1 connection", "added_p50_us_1", 0),
    ("p99", "added_p99_us_1", 0),
    ("added p50 µs, 64 connections", "added_p50_us_64", 0),
    ("p99", "added_p99_us_64", 0),
    ("requests/s, 1 core", "requests_per_second", 0),
    ("RSS MiB idle", "rss_idle", 0),
    ("{few} open streams", "rss_few", 0),
    ("{many} open streams", "rss_many", 0),
    ("KiB/stream", "kib_stream", 1),
    ("client gone → upstream closed, p99 ms", "gone_p99_ms", 1),
]


def cell(results: Results, system: str, name: str, digits: int) -> str:
    value = results.median(system, name)
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    if name == "requests_per_second" and (results.median(system, "busy") or 0) < SATURATED:
        return f"≥ {text}"
    return text


def system_table(results: Results, names: list[str], streams: list[int]) -> str:
    few, many = f"{streams[0]:,}", f"{streams[-1]:,}"
    titles = [title.format(few=few, many=many) for title, _, _ in COLUMNS]
    lines = ["| system | " + " | ".join(titles) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name in names:
        if name in results.unavailable:
            continue
        cells = [cell(results, name, key, digits) for _, key, digits in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for name, why in results.unavailable.items():
        lines.append(f"| {name} | not measured: {why} |" + " |" * (len(COLUMNS) - 1))
    return "\n".join(lines)


def remarks(results: Results, names: list[str]) -> list[str]:
    found = []
    for name in names:
        for key, what in (("held", "idle streams"), ("gone", "client gone")):
            if text := results.first(name, key):
                found.append(f"- {name}, {what}: {text}.")
    return found


def note(raw: dict) -> str:
    machine, volery, asked = raw["machine"], raw["volery"], raw["asked"]
    if not volery:
        return "Volery was not measured."
    versions = ", ".join(f"{name} {version}" for name, version in machine["peers"].items())
    routed = (
        f"routed by `{volery['strategy']}`" if volery["routed"] else "this version has no `volery routing`"
    )
    shares = " and ".join(f"{count:,}" for count in volery["deployments"])
    return (
        f"{machine['volery']} beside {versions}; {machine['date']}, {machine['cores']} × {machine['cpu']}, Linux "
        f"{machine['kernel']}. Medians of {len(raw['rounds'])} interleaved rounds: {asked['whole']:,} whole answers, "
        f"{asked['paced']:,} paced and {asked['burst']:,} burst streams for each system and round (LiteLLM "
        f"1/{asked['fewer']['LiteLLM']}). A process may have {machine['descriptors']:,} descriptors. Of Volery, "
        f"{volery['answered']:,} requests were measured, and {volery['rows']:,} have their usage row; its two "
        f"deployments answered {shares} ({routed})."
    )


def measured_table(raw: dict) -> str:
    results = results_of(raw)
    parts = [system_table(results, raw["asked"]["systems"], raw["asked"]["streams"]), note(raw)]
    if said := remarks(results, raw["asked"]["systems"]):
        parts.insert(1, "\n".join(said))
    return "\n\n".join(parts)


def goal_table(raw: dict) -> str:
    head = "| figure, pass-through, plain HTTP, everything on | must | aim | measured | |\n|---|---|---|---|---|"
    return "\n".join([head, *(goal.row() for goal in goals(results_of(raw)))])


def results_of(raw: dict) -> Results:
    return Results(raw["rounds"], raw["unavailable"], raw.get("soak"))


def write_page(raw: dict) -> None:
    page = PAGE.read_text()
    for name, text in (("gateway", measured_table(raw)), ("goals", goal_table(raw))):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        head, rest = page.split(begin, 1)
        page = f"{head}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}"
    PAGE.write_text(page)
