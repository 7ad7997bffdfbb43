"""A hub and a package index on loopback, over real sockets, that fail as a test tells them."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Files by path, from the byte asked for; what the hub calls a file redirects to it."""

    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_HEAD(self) -> None:
        self._begin()

    def do_GET(self) -> None:
        begun = self._begin()
        if begun is None:
            return
        body, start = begun
        self.server.gets.append((self.path, start))
        stop = self.server.cut_at.pop(self.path, None)
        held = self.server.held_at.get(self.path)
        if stop is not None:
            self.wfile.write(body[:stop])
            self.close_connection = True
        elif held is not None and not self.server.go_on.is_set():
            self.wfile.write(body[:held])
            self.wfile.flush()
            self.server.go_on.wait(30)
            self.wfile.write(body[held:])
        else:
            self.wfile.write(body)

    def _begin(self) -> tuple[bytes, int] | None:
        """Send the head; the bytes to follow and the place of the first, if there are any."""
        if self.path in self.server.moved:
            self._redirect(*self.server.moved[self.path])
            return None
        whole = self.server.files.get(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if whole is None or (asked and start >= len(whole)):
            self._answer(404 if whole is None else 416, {}, 0)
            return None
        headers = {"Content-Type": "text/html" if self.path.endswith("/") else "binary/model"}
        if "gzip" in self.headers.get("Accept-Encoding", "") and self.server.compresses:
            whole = gzip.compress(whole, mtime=0)
            headers["Content-Encoding"] = "gzip"
        self._answer(206 if asked else 200, headers, len(whole) - start)
        return whole[start:], start

    def _redirect(self, place: str, etag: str) -> None:
        self._answer(302, {"Location": place, "X-Linked-Etag": f'"{etag}"'}, 0)

    def _answer(self, status: int, headers: Mapping[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing on the terminal."""


class FileServer(ThreadingHTTPServer):
    """``gets`` are the paths asked for, each with the first byte asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, tuple[str, str]] = {}
        self.gets: list[tuple[str, int]] = []
        self.cut_at: dict[str, int] = {}
        """The next answer for the path breaks off after so many bytes."""
        self.held_at: dict[str, int] = {}
        """Answers for the path pause after so many bytes, until ``go_on``."""
        self.go_on = threading.Event()
        self.compresses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add_to_hub(self, repo: str, name: str, data: bytes, etag: str | None = None) -> str:
        """Offer a large file as the hub does; the path its bytes are at."""
        digest = hashlib.sha256(data).hexdigest()
        place = f"/storage/{digest}"
        self.files[place] = data
        self.moved[f"/{repo}/resolve/main/{name}"] = (place, etag or digest)
        return place

    def add_package(self, name: str, members: Mapping[str, bytes]) -> str:
        """Offer version 1.0 of a package; the path its wheel is at."""
        file = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
        place = f"/wheels/{file}"
        self.files[place] = _wheel(name, members)
        self.files[f"/simple/{name}/"] = f'<a href="{place}">{file}</a>'.encode()
        return place

    def got(self, word: str) -> list[int]:
        """The first bytes asked for of the paths that contain ``word``."""
        return [start for path, start in self.gets if word in path]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no matter."""


def _wheel(name: str, members: Mapping[str, bytes]) -> bytes:
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    files = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return packed.getvalue()


@contextmanager
def serving() -> Iterator[FileServer]:
    """A server that runs while the block does."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.go_on.set()
            server.shutdown()
            thread.join()
