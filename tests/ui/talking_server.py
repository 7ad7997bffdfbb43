"""An OpenAI-compatible server that says what a test gave it, word by word."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class TalkingServer:
    """Serves one model on a free port until closed. ``pause_s`` goes by before each word."""

    def __init__(self, says: str, pause_s: float = 0.0) -> None:
        self.says = says
        self.pause_s = pause_s
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(talker: TalkingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._json({"data": [{"id": "talker", "max_model_len": 8192}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if not self.path.endswith("/chat/completions"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                for word in talker.says.split(" "):
                    time.sleep(talker.pause_s)
                    self._event({"choices": [_choice({"content": word + " "})]})
                self._event({"choices": [_choice({}, "stop")]})
                self.wfile.write(b"data: [DONE]\n\n")
            except (BrokenPipeError, ConnectionResetError):
                return  # the client stopped

        def _event(self, data: dict[str, Any]) -> None:
            head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "talker"}
            self.wfile.write(f"data: {json.dumps(head | data)}\n\n".encode())
            self.wfile.flush()

        def _json(self, data: dict[str, Any]) -> None:
            body = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    return Handler


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}
