"""One run of the benchmark: the systems that are up, and what is asked of them in turn."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import peers
from loads import CHUNKS, MESSAGES, PACE_MICROSECONDS, Failed, Load, Request
from streams import leave, memory
from systems import Mock, System
from volery import MESSAGES_MODEL, STRATEGY, SetVolery

SYSTEM_CORE, LOAD_CORE = 0, 1
# Of the slowest: as many requests as for the others would take it an hour, and in as many seconds it answers too few.
FEWER = {"LiteLLM": 20}
LONGER = {"LiteLLM": 4}


class Bench:
    """One run: the systems that are up, and what is asked of them."""

    def __init__(self, folder: Path, asked: dict, stack: ExitStack, strict: bool):
        """Where `strict`, a version of Volery that does not route over two deployments is not measured."""
        self.folder, self.asked, self.stack, self.strict = folder, asked, stack, strict
        self.load = Load(folder, LOAD_CORE)
        self.mock = Mock(folder, LOAD_CORE, PACE_MICROSECONDS, 2)
        stack.callback(self.mock.stop)
        url = f"http://127.0.0.1:{self.mock.ports[0]}"
        self.direct = System("direct", url, url, self.mock.process)
        self.systems: dict[str, System] = {}
        self.unavailable: dict[str, str] = {}
        self.failed: list[str] = []
        self.answered = 0
        self.deployments = [0, 0]

    def start(self, name: str, use: str) -> System:
        """A process of its own for each use: what is measured of memory begins fresh."""
        folder = self.folder / f"{name}-{use}"
        if name == "Volery":
            return SetVolery(folder, SYSTEM_CORE, self.mock.ports)
        return peers.start(name, folder, SYSTEM_CORE, self.mock.ports)

    def number(self, system: System, word: str) -> int:
        return max(self.asked[word] // FEWER.get(system.name, 1), 16)

    def count(self, system: System, request: Request, number: int) -> dict:
        result = self.load.count(system, request, number)
        if isinstance(system, SetVolery):
            self.answered += result["answered"]
        return result

    def warm_up(self, system: System) -> None:
        for word in ("whole", "burst"):
            request = Request(system.model, system.key, word)
            self.load.count(system, request, max(256, 1024 // FEWER.get(system.name, 1)))

    def start_all(self) -> None:
        # Volery first: when it is not fit to be measured, that is said at once.
        for name in sorted(self.asked["systems"], key=lambda name: name != "Volery"):
            try:
                system = self.start(name, "load")
                self.stack.callback(system.stop)
                self.warm_up(system)
                self.systems[name] = system
            except (peers.Unavailable, Failed) as reason:
                self.give_up(name, str(reason))
            if isinstance(system := self.systems.get(name), SetVolery):
                system.rows_before = system.requests_recorded()
                if self.strict and not system.routed:
                    raise SystemExit("this version of Volery has no `volery routing set`: try the harness with --quick")

    def give_up(self, name: str, why: str) -> None:
        """Without Volery there is nothing to compare; without a peer there is, and the table says what happened."""
        if name == "Volery":
            raise SystemExit(f"Volery: {why}")
        print(f"{name} is left out: {why}", file=sys.stderr)
        self.unavailable[name] = " ".join(why.replace("|", "/").split())
        self.systems.pop(name, None)

    def baseline(self) -> dict:
        """The upstream itself, asked without a gateway."""
        request, seconds = Request("mock", "none", "whole"), self.asked["seconds"]
        return {str(count): self.load.saturate(self.direct, request, count, seconds) for count in (1, 64)}

    def measure(self, system: System, baseline: dict) -> dict:
        def request(word: str) -> Request:
            return Request(system.model, system.key, word)

        row = {}
        before = self.mock.counts()["requests"]
        for word in ("whole", "paced", "burst"):
            row[word] = self.count(system, request(word), self.number(system, word))
        for connections in (1, 64):
            seconds = self.asked["seconds"] * LONGER.get(system.name, 1)
            found = self.load.saturate(system, request("whole"), connections, seconds)
            row[f"saturated_{connections}"] = found
            for quantile in ("p50_us", "p99_us"):
                row[f"added_{quantile}_{connections}"] = found[quantile] - baseline[str(connections)][quantile]
        if isinstance(system, SetVolery):
            self.answered += row["saturated_1"]["requests"] + row["saturated_64"]["requests"]
            after = self.mock.counts()["requests"]
            self.deployments = [total + new - old for total, new, old in zip(self.deployments, after, before)]
            row |= self.translation(system)
        row |= {
            "cpu_us_request": row["whole"]["cpu_us"],
            "cpu_us_paced_stream": row["paced"]["cpu_us"],
            "cpu_us_chunk": row["paced"]["cpu_us"] / CHUNKS,
            "cpu_us_burst_stream": row["burst"]["cpu_us"],
            "requests_per_second": row["saturated_64"]["requests"] / row["saturated_64"]["seconds"],
            "busy": row["saturated_64"]["busy"],
            "rss_after_load": system.resident_mib(),
        }
        return row | leave(system, self.mock, self.asked["leave"])

    def translation(self, system: SetVolery) -> dict:
        """CPU for each chunk above that of a stream in OpenAI's dialect on both sides."""
        if not system.translates:
            return {}

        def chunk(model: str, **path: str) -> float:
            request = Request(model, system.key, "paced", **path)
            return self.count(system, request, self.number(system, "paced"))["cpu_us"] / CHUNKS

        plain = chunk(system.model)
        return {
            "translation_messages_on_chat": chunk(system.model, path=MESSAGES) - plain,
            "translation_chat_on_messages": chunk(MESSAGES_MODEL) - plain,
            "messages_on_messages_above_chat": chunk(MESSAGES_MODEL, path=MESSAGES) - plain,
        }

    def memory(self, name: str) -> dict:
        system = self.start(name, f"memory-{time.monotonic_ns()}")
        try:
            self.warm_up(system)
            few, many = self.asked["streams"]
            row = memory(system, [few, many], self.asked["opening_seconds"])
        finally:
            system.stop()
        held = row["rss_streams"]
        for label, count in (("few", few), ("many", many)):
            if str(count) in held:
                row[f"rss_{label}"] = held[str(count)]
        if few == 1000 and "rss_few" in row:
            row["rss_1000"] = row["rss_few"]
        if "rss_many" in row:
            row |= {"kib_stream": 1024 * (row["rss_many"] - row["rss_idle"]) / many, "many_streams": many}
        return row

    def round(self, number: int) -> dict:
        result = {"direct": self.baseline(), "systems": {}}
        # Taking turns at going first: whoever follows a pause may meet a cooler machine.
        for name in list(self.systems) if number % 2 == 0 else list(self.systems)[::-1]:
            try:
                row = self.measure(self.systems[name], result["direct"]) | self.memory(name)
            except (peers.Unavailable, Failed) as reason:
                self.failed.append(f"{name}: {reason}")
                self.give_up(name, f"failed in round {number + 1}: {reason}")
                continue
            result["systems"][name] = row
            said = f"{row['cpu_us_request']:.1f} µs of CPU for each request"
            print(f"round {number + 1}: {name}: {said}", file=sys.stderr)
        self.checked()
        return result

    def checked(self) -> dict:
        """Each answered request has its row, and both deployments had their part, or the figures were bought."""
        volery = self.systems.get("Volery")
        if not isinstance(volery, SetVolery):
            return {}
        volery.settle(0)
        rows = volery.requests_recorded() - volery.rows_before
        if rows < self.answered:
            raise SystemExit(f"{self.answered} requests of Volery's were answered and only {rows} have a usage row")
        if self.strict and not all(self.deployments):
            raise SystemExit(f"Volery did not route over both deployments: they answered {self.deployments}")
        # Streams that were left and what was open when wrk's time was over have rows too.
        facts = {"answered": self.answered, "rows": min(rows, self.answered), "deployments": self.deployments}
        return facts | {"routed": volery.routed, "strategy": STRATEGY, "translates": volery.translates}

    def soak(self, seconds: int) -> dict:
        """At saturation for so long; RSS every five seconds."""
        volery = self.start("Volery", "soak")
        early_seconds, samples = max(1, seconds // 10), []
        try:
            self.warm_up(volery)
            before = volery.requests_recorded()
            with ThreadPoolExecutor(1) as pool:
                request = Request(volery.model, volery.key, "whole")
                began = time.monotonic()
                running = pool.submit(self.load.saturate, volery, request, 64, seconds)
                while not running.done() and time.monotonic() - began < seconds - 0.5:
                    samples.append((time.monotonic() - began, volery.resident_mib()))
                    time.sleep(min(5, early_seconds / 4))
                result = running.result()
            rows = volery.requests_recorded() - before
            if rows < result["requests"]:
                raise Failed(f"{result['requests']} requests were answered and only {rows} have a usage row")
            data = sum(path.stat().st_size for path in volery.data_dir.rglob("*") if path.is_file())
        except Failed as reason:
            self.failed.append(f"soak: {reason}")
            return {"seconds": seconds, "early_seconds": early_seconds, "failed": str(reason), "samples": samples}
        finally:
            volery.stop()
        early = next(mib for at, mib in samples if at >= early_seconds)
        facts = {"seconds": seconds, "early_seconds": early_seconds, "rss_early": early, "rss_end": samples[-1][1]}
        return facts | {"load": result, "data_mib": data / (1 << 20), "samples": samples}
