"""Serves the console over HTTP, with TLS where there is a certificate."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from luytre.console.app import make_app
from luytre.core.errors import NeighbourError
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from luytre.core.config import Config

DEFAULT_LISTEN = "127.0.0.1:8460"
DRAIN_S = 3
WAITING_MAX = 512
"""Connections at once; more are answered 503."""
_POLL_S = 0.2

log = get_logger("console")


def serve(
    config: Config, stopped: Callable[[], bool], *, began: Callable[[str], None] | None = None
) -> None:
    """Serve until stopped; ``began`` is told the address once requests are answered.

    Raises:
        NeighbourError: the address cannot be had.
    """
    console = config.console
    host, _, port = (console.listen or DEFAULT_LISTEN).rpartition(":")
    settings = uvicorn.Config(
        make_app(config),
        host=host.strip("[]"),
        port=int(port),
        ssl_certfile=console.certificate_file,
        ssl_keyfile=str(console.key_file) if console.key_file else None,
        proxy_headers=console.behind_proxy,
        forwarded_allow_ips=list(console.proxies) if console.behind_proxy else None,
        server_header=False,
        access_log=False,
        log_config=None,
        limit_concurrency=WAITING_MAX,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server, where = _Server(settings), address(config)
    thread = threading.Thread(target=_watch, args=(server, where, stopped, began), daemon=True)
    thread.start()
    try:
        server.run()
    except SystemExit as error:
        raise NeighbourError(f"the console cannot listen on {host}:{port}") from error
    finally:
        server.ended.set()
        thread.join()


def address(config: Config) -> str:
    """Return where a browser finds the console."""
    if config.console.url:
        return config.console.url
    scheme = "https" if config.console.certificate_file else "http"
    port = (config.console.listen or DEFAULT_LISTEN).rpartition(":")[2]
    # Browsers keep Secure cookies of this machine without TLS under this name.
    return f"{scheme}://localhost:{port}"


class _Server(uvicorn.Server):
    """Leaves signals to whoever started it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = threading.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: ``stopped`` says when to end."""
        yield


def _watch(
    server: _Server, where: str, stopped: Callable[[], bool], began: Callable[[str], None] | None
) -> None:
    said = False
    while not server.ended.wait(_POLL_S):
        if server.started and not said:
            said = True
            log.info("the console answers", address=where)
            if began is not None:
                began(where)
        if stopped():
            server.should_exit = True
