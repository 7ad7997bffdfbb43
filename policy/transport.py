"""One streamed request: the openai client reads in a thread, so that a stop need not wait."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from documents.progress import IsCancelled, check, never_cancelled
from policy.config import ReasonerConfig
from policy.endpoint import Endpoint
from policy.faults import translated

if TYPE_CHECKING:
    from openai import OpenAI


WAIT_S = 0.1
"""How long a stop may go unnoticed while the server is silent."""

T = TypeVar("T")


@dataclass(frozen=True)
class Chunk:
    """What one event of the stream says."""

    reasoning: str = ""
    content: str = ""
    finish_reason: str = ""
    tokens: tuple[int, int] | None = None


class Stream:
    """``arrived`` brings a `Chunk` for each event, then None, or the error that ended it.

    The connection is the stream's own: closing it tells the server to stop, at once, even while
    it is still reading the prompt.
    """

    def __init__(self, target: Endpoint, body: Mapping[str, Any], config: ReasonerConfig) -> None:
        self.arrived: queue.SimpleQueue[Chunk | Exception | None] = queue.SimpleQueue()
        self._target = target
        self._body = body
        self._config = config
        self._closed = threading.Event()
        self._socket: socket.socket | None = None
        threading.Thread(target=self._read, name="longdoc-reasoner", daemon=True).start()

    def close(self) -> None:
        """End the request if it is still going on; the thread ends by itself."""
        self._closed.set()
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _read(self) -> None:
        begun = False
        try:
            with self._client() as client:
                events = client.chat.completions.create(
                    model=self._target.model,
                    stream=True,
                    stream_options={"include_usage": True},
                    **self._body,
                )
                with events:
                    for event in events:
                        begun = True
                        self.arrived.put(_chunk(event))
        except Exception as error:  # noqa: BLE001 - a thread's errors go to whoever waits for it
            self.arrived.put(translated(error, self._target, begun))
        else:
            self.arrived.put(None)

    def _client(self) -> OpenAI:
        import openai

        timeout = openai.Timeout(
            self._config.read_timeout_s, connect=self._config.connect_timeout_s
        )
        network = openai.DefaultHttpxClient(
            timeout=timeout,
            event_hooks={"request": [self._prepare]},
            trust_env=not self._target.embedded,
        )
        return openai.OpenAI(
            base_url=self._target.url,
            api_key=self._target.api_key,
            timeout=timeout,
            max_retries=0 if self._target.embedded else self._config.retries,
            http_client=network,
        )

    def _prepare(self, request: Any) -> None:
        """Before each try: none after a stop, and the socket it opens is kept for `close`."""
        if self._closed.is_set():
            raise ConnectionAbortedError("stopped")
        request.extensions = {**request.extensions, "trace": self._trace}

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = info["return_value"].get_extra_info("socket")
            if self._closed.is_set():
                self.close()


def heeding(cancelled: IsCancelled, work: Callable[[], T]) -> T:
    """What ``work`` returns or raises; after a stop it is left to end by itself."""
    if cancelled is never_cancelled:
        return work()
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - a thread's errors go to whoever waits for it
            done.set_exception(error)

    threading.Thread(target=run, name="longdoc-request", daemon=True).start()
    while not wait([done], WAIT_S).done:
        check(cancelled)
    return done.result()


def _chunk(event: Any) -> Chunk:
    """``reasoning`` is vLLM's name today, ``reasoning_content`` its older one and llama.cpp's."""
    usage = event.usage
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else None
    if not event.choices:
        return Chunk(tokens=tokens)
    choice = event.choices[0]
    extra = choice.delta.model_extra or {}
    reasoning = extra.get("reasoning") or extra.get("reasoning_content") or ""
    return Chunk(
        reasoning=str(reasoning),
        content=choice.delta.content or "",
        finish_reason=choice.finish_reason or "",
        tokens=tokens,
    )
