"""A web server of a test on this machine, as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class QuietHandler(BaseHTTPRequestHandler):
    """Says nothing of what it is asked; the names that it needs are attributes of its class."""

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address  # clients that leave early are part of the tests


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1", port: int = 0, **names: Any
) -> Iterator[str]:
    """Serve, and yield the address ``http://HOST:PORT``.

    Args:
        handler: answers.
        host: name or address of this machine.
        port: 0 takes a free one.
        names: attributes of the handlers, e.g. what they answer from.
    """
    server = _Server((host, port), type("Own", (handler,), names))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
