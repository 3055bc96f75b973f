"""The page for a browser on this machine: http.server on 127.0.0.1, which answers GET / and nothing else."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ...errors import ArgumentError


class Server:
    """A page at `url`, until `close()`; also a context manager. It ends with the program."""

    def __init__(self, page: str, port: int = 0) -> None:
        body = page.encode("utf-8")

        class Handler(BaseHTTPRequestHandler):
            server_version, sys_version = "microtrain", ""

            def do_GET(self) -> None:
                if self.requestline.split()[1].partition("?")[0] != "/" or not self._is_local():
                    self.send_error(404)
                    return
                self.send_response(200)
                for name, value in {
                    "Content-Type": "text/html; charset=utf-8",
                    "Content-Length": str(len(body)),
                    "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "no-referrer",
                    "Cache-Control": "no-store",
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def _is_local(self) -> bool:
                """Was this machine asked by its own name? (Else a foreign page could point a name of its own here.)"""
                return self.headers.get("Host", "").partition(":")[0] in ("127.0.0.1", "localhost")

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            raise ArgumentError(
                f"serve(port={port}): {error}.", fix="Choose another port, or leave it out for a free one."
            ) from None
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server at {self.url}; close() stops it>"
