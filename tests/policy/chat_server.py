"""An OpenAI-compatible server in a thread, over real sockets, that answers as a test tells it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONTEXT = 1000
Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """``/v1/models``, ``/tokenize`` (a token is a word) and ``/v1/chat/completions``."""

    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_GET(self) -> None:
        self.server.listed += 1
        if self.server.list_replies:
            self.server.list_replies.pop(0)(self)
        else:
            self.send_json({"data": self.server.models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            words = sum(len(message["content"].split()) for message in body["messages"])
            self.send_json({"count": words})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((headers, body))
        self.server.replies.pop(0)(self)

    def send_json(self, value: Any, status: int = 200) -> None:
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def begin_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def send_event(self, value: Any) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing on the terminal."""


class ChatServer(ThreadingHTTPServer):
    """``replies`` are used up one by one; ``asked`` keeps headers and body of each question."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.models: list[dict[str, Any]] = [{"id": "m", "max_model_len": CONTEXT}]
        self.replies: list[Reply] = []
        self.list_replies: list[Reply] = []
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.listed = 0
        self.hung_up = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """Listens while the block runs."""
    server = ChatServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def delta(finish: str | None = None, **fields: str) -> dict[str, Any]:
    """One event of a stream."""
    choice = {"index": 0, "delta": fields, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def usage(prompt: int, completion: int) -> dict[str, Any]:
    """The event that ends a stream."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 0}
    return {**delta(), "choices": [], "usage": counts}


def says(*events: dict[str, Any], end: bool = True) -> Reply:
    """These events; without ``end`` the connection breaks after them."""

    def reply(handler: Handler) -> None:
        handler.begin_events()
        for event in events:
            handler.send_event(event)
        if end:
            handler.wfile.write(b"data: [DONE]\n\n")

    return reply


def says_text(*texts: str, finish: str = "stop") -> Reply:
    """Answer text in these pieces."""
    return says(*(delta(content=text) for text in texts), delta(finish), usage(7, 3))


def fails(status: int, message: str) -> Reply:
    """An error as OpenAI-compatible servers send it."""
    return lambda handler: handler.send_json({"error": {"message": message}}, status)


def is_silent(*events: dict[str, Any]) -> Reply:
    """These events, then nothing until the client hangs up, which ``hung_up`` tells."""

    def reply(handler: Handler) -> None:
        if events:
            handler.begin_events()
        for event in events:
            handler.send_event(event)
        handler.connection.settimeout(30)
        if handler.connection.recv(1) == b"":
            handler.server.hung_up.set()
        handler.close_connection = True

    return reply
