"""What a process says of itself over HTTP: ``/metrics`` to Prometheus, ``/healthz`` to anybody."""

from __future__ import annotations

import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from luytre.core.health import HEALTH
from luytre.core.metrics import WELL

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_TIMEOUT_S = 10


class _Handler(BaseHTTPRequestHandler):
    """Answers GET; who asks slowly is hung up on."""

    timeout = REQUEST_TIMEOUT_S
    server_version = "luytre"
    sys_version = ""

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                WELL.set(not HEALTH.problems())
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
            case "/healthz":
                problems = HEALTH.problems()
                status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
                body = json.dumps({"well": not problems, "problems": dict(problems)})
                self._answer(status, "application/json", body.encode())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /healthz\n")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Write nothing: these questions come every few seconds."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing: who asked has gone."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def serve(host: str, port: int) -> Callable[[], None]:
    """Serve on ``http://host:port``; call what is returned to stop. Raises ``OSError``."""
    server = (_Server6 if ":" in host else _Server)((host, port), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
