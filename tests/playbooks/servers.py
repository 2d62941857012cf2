"""Counterparts of actions, made for tests: HTTP servers good and hostile, a mail server, a CA."""

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

Reply = Callable[["Recorder", str, str, bytes], tuple[int, bytes]]


class Recorder:
    """What a server was asked, and what its host's connections were."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.connections = 0
        self.url = ""
        self.port = 0
        self.state: dict[str, Any] = {}


def _ok(_seen: Recorder, _method: str, _path: str, _body: bytes) -> tuple[int, bytes]:
    return 200, b'{"ok": true}'


@contextmanager
def web(
    reply: Reply = _ok, *, authority: trustme.CA | None = None, name: str = "localhost"
) -> Iterator[Recorder]:
    """Serve HTTP (or HTTPS with a certificate for ``name``) on 127.0.0.1."""
    seen = Recorder()

    class Handler(http.server.BaseHTTPRequestHandler):
        def setup(self) -> None:
            seen.connections += 1
            super().setup()

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            try:
                decoded = json.loads(body) if body else None
            except ValueError:
                decoded = body
            seen.requests.append((self.command, self.path, dict(self.headers.items()), decoded))
            status, content = reply(seen, self.command, self.path, body)
            self.send_response(status)
            for key, value in seen.state.get("headers", {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_args: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    seen.port = server.server_address[1]
    seen.url = f"{scheme}://{name}:{seen.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def raw(talk: Callable[[socket.socket], None]) -> Iterator[Recorder]:
    """Accept connections and let ``talk`` do with each whatever it likes."""
    seen = Recorder()
    listener = socket.create_server(("127.0.0.1", 0))
    seen.port = listener.getsockname()[1]
    seen.url = f"http://localhost:{seen.port}"

    def accept() -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            seen.connections += 1
            with stream:
                try:
                    talk(stream)
                except OSError:
                    continue

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def fortigate(seen: Recorder, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """A FortiGate's way: objects under paths, 500 for one that is there already."""
    there: set[str] = seen.state.setdefault("there", set())
    path = path.split("?", maxsplit=1)[0].removeprefix("/api/v2/cmdb/firewall/")
    if method == "POST":
        name = f"{path}/{json.loads(body)['name']}"
        if name in there:
            return 500, b'{"error": -5}'
        there.add(name)
        return 200, b"{}"
    if path not in there:
        return 404, b"{}"
    if method == "DELETE":
        there.remove(path)
    return 200, b"{}"


class Mailbox:
    """Keeps every mail, as aiosmtpd's handler."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.port = 0
        self.answer = "250 OK"

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        return self.answer


@contextmanager
def mail_server(authority: trustme.CA | None, folder: Path) -> Iterator[Mailbox]:
    """Serve SMTP on 127.0.0.1, with STARTTLS (required) if there is a CA."""
    box = Mailbox()
    options: dict[str, Any] = {}
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        authority.cert_pem.write_to_path(folder / "ca.pem")
        options = {"tls_context": context, "require_starttls": True}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    box.port = port
    try:
        yield box
    finally:
        controller.stop()
