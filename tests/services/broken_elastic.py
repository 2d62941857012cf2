"""An HTTP server that answers as Elasticsearch does when something is wrong with it.

It keeps what it is given, counts what it was sent, and takes its faults from a script: one entry
for each bulk request, in turn; after the last one it behaves.
"""

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Item = tuple[str, Mapping[str, Any], bytes]
"""Operation, its parameters, and the source of a document."""
Answer = tuple[int, str]
"""Status and error type."""
Fault = Callable[["BrokenElastic", list[Item], BaseHTTPRequestHandler], None]


@dataclass(slots=True)
class BrokenElastic:
    """What the server was given, and what it will do."""

    script: list[Fault] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    requests: list[int] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    product: str = "Elasticsearch"
    url: str = ""
    never: frozenset[str] = frozenset()
    """Ids that no request gets in, whatever becomes of its answer: their mapping is wrong."""

    def take(self, items: list[Item]) -> list[dict[str, Any]]:
        """Keep documents as Elasticsearch would, and return the answer's items."""
        return [self.answer(item) for item in items]

    def answer(self, item: Item) -> dict[str, Any]:
        operation, parameters, source = item
        id_ = parameters["_id"]
        if id_ in self.never:
            return failed(operation, 400, "document_parsing_exception")
        if operation == "create" and id_ in self.kept:
            return failed(operation, 409, "version_conflict_engine_exception")
        self.kept[id_] = source
        return {operation: {"status": 201}}


def failed(operation: str, status: int, kind: str) -> dict[str, Any]:
    """Return the item of a document that was not taken."""
    return {operation: {"status": status, "error": {"type": kind, "reason": f"because {kind}"}}}


def items_answer(answers: Mapping[int, Answer]) -> Fault:
    """Answer some of a request's documents, by their place, so; take the others."""

    def fault(server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler) -> None:
        found = [
            failed(item[0], *answers[place]) if place in answers else server.answer(item)
            for place, item in enumerate(items)
        ]
        reply(server, handler, 200, {"errors": True, "items": found})

    return fault


def all_answer(status: int, kind: str) -> Fault:
    """Answer every document of a request so."""

    def fault(server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler) -> None:
        found = [failed(item[0], status, kind) for item in items]
        reply(server, handler, 200, {"errors": True, "items": found})

    return fault


def request_answer(status: int, body: bytes = b"<html>Bad Gateway</html>") -> Fault:
    """Answer the request as a whole so, as a proxy does; nothing is taken."""

    def fault(server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler) -> None:
        reply(server, handler, status, body)

    return fault


def larger_than(bytes_max: int) -> Fault:
    """Answer 413 to a larger request, and take a smaller one."""

    def fault(server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler) -> None:
        if sum(len(source) for _, _, source in items) > bytes_max:
            reply(server, handler, 413, b"")
        else:
            reply(server, handler, 200, {"items": server.take(items)})

    return fault


def half_a_body(server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler) -> None:
    """Take all, and break off in the middle of the answer."""
    body = json.dumps({"items": server.take(items)}).encode()
    head(server, handler, 200, len(body))
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def half_the_items(
    server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler
) -> None:
    """Take all, and answer for half of them."""
    reply(server, handler, 200, {"items": server.take(items)[: len(items) // 2]})


def too_late(server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler) -> None:
    """Take all, and answer when nobody waits any more."""
    found = server.take(items)
    time.sleep(1.5)
    reply(server, handler, 200, {"items": found})


def hang_up(server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler) -> None:
    """Take nothing, and close the connection without a word."""
    handler.close_connection = True


def reply(
    server: BrokenElastic,
    handler: BaseHTTPRequestHandler,
    status: int,
    body: dict[str, Any] | bytes,
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, bytes) else "application/json"
    try:
        head(server, handler, status, len(data), kind)
        handler.wfile.write(data)
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True  # who asked has gone


def head(
    server: BrokenElastic,
    handler: BaseHTTPRequestHandler,
    status: int,
    length: int,
    kind: str = "application/json",
) -> None:
    handler.send_response(status)
    handler.send_header("X-Elastic-Product", server.product)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


def _handler(server: BrokenElastic) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.headers.append(dict(self.headers))
            template = {"component_template": {"version": 1, "template": {}}}
            reply(server, self, 200, {"component_templates": [template]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.startswith("/_mget"):
                asked = [doc["_id"] for doc in json.loads(body)["docs"]]
                found = [{"_id": id_, "found": id_ in server.kept} for id_ in asked]
                reply(server, self, 200, {"docs": found})
                return
            lines = body.split(b"\n")
            pairs = [json.loads(line) for line in lines[:-1:2]]
            items = [
                (*next(iter(pair.items())), source)
                for pair, source in zip(pairs, lines[1::2], strict=False)
            ]
            server.sent.update(parameters["_id"] for _, parameters, _ in items)
            server.requests.append(len(items))
            if server.script:
                server.script.pop(0)(server, items, self)
            else:
                reply(server, self, 200, {"items": server.take(items)})

        def do_PUT(self) -> None:
            self.do_POST()

        def log_message(self, *args: object) -> None:
            """Say nothing on standard error."""

    return Handler


@contextmanager
def broken_elastic(context: ssl.SSLContext | None = None) -> Iterator[BrokenElastic]:
    """Serve on a free port of 127.0.0.1, with TLS if there is a ``context``."""
    server = BrokenElastic()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    if context:
        http.socket = context.wrap_socket(http.socket, server_side=True)
    scheme = "https" if context else "http"
    server.url = f"{scheme}://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
