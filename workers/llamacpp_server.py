"""Serves one GGUF file with llama.cpp's own HTTP server, on this machine only.

A launcher, not a server: every answer comes from llama.cpp. It fixes what Volery promises to callers:
nothing is ever cut (no context shift), a request's limit is the same for every slot (no shared KV cache), and
nothing is fetched from a network (offline).
"""

import argparse
import ipaddress
import os
import signal
import sys


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="path of the GGUF file")
    parser.add_argument("--alias", required=True, help="name under which the model answers")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, default=4096, help="tokens that one request may use, prompt and answer")
    parser.add_argument("--parallel", type=int, default=1, help="requests served at the same time")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--prompt-cache-mib", type=int, default=256, help="memory for prompts of earlier requests")
    parser.add_argument("--embeddings", action="store_true", help="serve mean-pooled embeddings instead of text")
    options = parser.parse_args()
    if not ipaddress.ip_address(options.host).is_loopback:
        parser.error(f"--host {options.host}: only a loopback address is allowed")
    if not os.path.isfile(options.model):
        parser.error(f"--model {options.model}: no such file")
    for name in ("port", "context", "parallel", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return options


def parameters(llama, options):
    settings = llama.CommonParams()
    settings.model.path = options.model
    settings.model_alias = {options.alias}
    settings.hostnames = [options.host]
    settings.port = options.port
    settings.n_parallel = options.parallel
    settings.n_ctx = options.context * options.parallel
    settings.kv_unified = False
    settings.ctx_shift = False
    # llama.cpp's own bound is 8 GiB.
    settings.cache_ram_mib = options.prompt_cache_mib
    settings.offline = True
    # The only caller is the gateway; a page in a browser on this machine must not become another one.
    settings.cors_origins = f"http://{options.host}:{options.port}"
    settings.cors_origins_explicit = True
    # Errors only. Its warnings repeat what a refused request said, and prompts have no place in a log.
    settings.verbosity = 1
    settings.ui = False
    settings.use_jinja = True
    settings.endpoint_metrics = True
    settings.endpoint_slots = False
    settings.endpoint_props = False
    settings.cpuparams.n_threads = options.threads
    settings.cpuparams_batch.n_threads = options.threads
    if options.embeddings:
        settings.embedding = True
        settings.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return settings


def main():
    options = arguments()
    # Blocked before llama.cpp starts its threads, so that the wait below is the only place a signal arrives.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    import xllamacpp

    server = xllamacpp.Server(parameters(xllamacpp, options))
    print(f"llama.cpp serves {options.alias} at {server.listening_address}", file=sys.stderr, flush=True)
    signal.sigwait(ends)
    # No tear-down: the process owns nothing that outlives it, and a slot that is generating would hold it up.
    os._exit(0)


if __name__ == "__main__":
    main()
