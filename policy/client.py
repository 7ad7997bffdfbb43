"""The client of the reasoning model, wherever it is served."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from documents.errors import (
    ContextOverflowError,
    EngineError,
    ReasonerError,
)
from documents.progress import IsCancelled, Progress, check, never_cancelled, no_progress
from policy import endpoint as endpoints
from policy import engine
from policy.config import ReasonerConfig
from policy.endpoint import Endpoint
from policy.faults import broken, thought_cut
from policy.thinking import ThinkSplitter, opens_thinking
from policy.transport import WAIT_S, Chunk, Stream, heeding
from policy.values import Delta, Message, Usage
from weights import Tokens, tokenizer


class Reasoner:
    """Streams reasoning and answer of one model. Safe to use from several threads.

    Nothing is started or asked before it is needed: the embedded engine starts with the first
    question.
    """

    def __init__(self, config: ReasonerConfig | None = None) -> None:
        self.config = config or ReasonerConfig()
        self._remote: Endpoint | None = None

    @property
    def model(self) -> str:
        """The model's name: the registry row's, or the one it is served under."""
        return self._at_url().model if self.config.url else self.config.model

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and answer may have together."""
        if self.config.url:
            return self._at_url().context_tokens
        return engine.context_tokens(self.config)

    @property
    def thinking_tokens(self) -> int:
        """Tokens kept for thinking beside an answer; 0 for a model that does not think."""
        config = self.config
        thinks = self._thinks(self._at_url()) if config.url else self._thinks()
        return min(config.max_thinking_tokens, self.context_tokens // 2) if thinks else 0

    @property
    def tokens(self) -> Tokens:
        """The tokenizer that counts."""
        return tokenizer(self.config.tokenizer or self.config.model)

    def count(self, text: str) -> int:
        """Tokens of ``text``."""
        return self.tokens.count(text)

    def count_messages(
        self, messages: Sequence[Message], cancelled: IsCancelled = never_cancelled
    ) -> int:
        """Tokens of a chat with its template, counted by the server itself where it can."""
        if self.config.url and not self.config.tokenizer:
            target, chat = self._at_url(cancelled), [dict(message) for message in messages]
            told = heeding(cancelled, lambda: endpoints.tokenize(target, chat))
            if told is not None:
                return told
        return self.tokens.count_messages(messages)

    def start(
        self, progress: Progress = no_progress, cancelled: IsCancelled = never_cancelled
    ) -> Endpoint:
        """Have the model ready: the engine started, or the server at the URL found."""
        if self.config.url:
            return self._at_url(cancelled)
        return engine.start(self.config, progress, cancelled)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        json_schema: Mapping[str, Any] | None = None,
        cancelled: IsCancelled = never_cancelled,
    ) -> Iterator[Delta | Usage]:
        """`Delta` after `Delta`, then one `Usage`.

        ``max_tokens``, of the answer alone, is lowered to what the context still takes; under
        ``min_answer_tokens`` there is no point and `ContextOverflowError` says by how much the
        prompt is too long. `ThoughtCutError` where the model never came to an answer.
        """
        body = {
            "messages": [dict(message) for message in messages],
            "temperature": self.config.temperature if temperature is None else temperature,
            "top_p": self.config.top_p,
            "max_tokens": self._room(messages, max_tokens, cancelled),
        }
        if json_schema is not None:
            named = {"name": "reply", "schema": dict(json_schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return self._restarting(body, cancelled)

    def complete(
        self,
        messages: Sequence[Message],
        json_schema: Mapping[str, Any],
        *,
        max_tokens: int | None = None,
        cancelled: IsCancelled = never_cancelled,
    ) -> Any:
        """JSON that keeps to the schema, parsed."""
        parts: list[str] = []
        usage = Usage()
        for piece in self.stream(
            messages, max_tokens=max_tokens, json_schema=json_schema, cancelled=cancelled
        ):
            if isinstance(piece, Usage):
                usage = piece
            elif piece.kind == "answer":
                parts.append(piece.text)
        try:
            return json.loads("".join(parts))
        except ValueError as error:
            cut = usage.finish_reason == "length"
            raise ReasonerError(
                "The model's JSON was cut short." if cut else "The model sent no valid JSON.",
                "Raise max_tokens." if cut else "Ask again, or use a server with json_schema.",
            ) from error

    def _at_url(self, cancelled: IsCancelled = never_cancelled) -> Endpoint:
        remote = self._remote
        if remote is None:
            remote = heeding(cancelled, lambda: endpoints.discover(self.config))
            self._remote = remote
        return remote

    def _thinks(self, target: Endpoint | None = None) -> bool:
        """As it is set, or by the model's names; without ``target`` the embedded model's."""
        if self.config.thinks is not None:
            return self.config.thinks
        return target.thinks if target else opens_thinking(self.config.model)

    def _room(self, messages: Sequence[Message], asked: int | None, cancelled: IsCancelled) -> int:
        """Tokens left for the answer, at most those asked for."""
        if self.config.url:
            self._at_url(cancelled)  # what follows has it then, and a stop is heeded
        wanted = (asked or self.config.max_answer_tokens) + self.thinking_tokens
        prompt = self.count_messages(messages, cancelled)
        room = self.context_tokens - prompt
        least = min(wanted, self.config.min_answer_tokens)
        if room < least:
            raise ContextOverflowError(
                f"The prompt has {prompt} tokens: {least - room} too many for a context of "
                f"{self.context_tokens} with {least} for the answer.",
                "Lower the budget, or raise reasoner.context_tokens.",
            )
        return min(wanted, room)

    def _restarting(
        self, body: Mapping[str, Any], cancelled: IsCancelled
    ) -> Iterator[Delta | Usage]:
        """One try, and with the embedded engine a second if it was gone before it said a word."""
        for last in (False, True):
            begun = False
            try:
                for piece in self._once(body, self.start(cancelled=cancelled), cancelled):
                    begun = True
                    yield piece
                return
            except EngineError:
                if last or begun:
                    raise
            except ReasonerError:
                self._remote = None  # asked again next time: it may serve another model by then
                raise

    def _once(
        self, body: Mapping[str, Any], target: Endpoint, cancelled: IsCancelled
    ) -> Iterator[Delta | Usage]:
        begin = time.monotonic()
        splitter = ThinkSplitter(self._thinks(target))
        usage, kinds = Usage(), set[str]()
        stream = Stream(target, body, self.config)
        try:
            for chunk in _chunks(stream, cancelled):
                for delta in _deltas(chunk, splitter):
                    if usage.first_token_s is None:
                        usage = replace(usage, first_token_s=time.monotonic() - begin)
                    kinds.add(delta.kind)
                    yield delta
                usage = _noted(usage, chunk)
        finally:
            stream.close()
            if target.embedded:
                engine.touch(self.config)
        yield from splitter.close()
        if not usage.finish_reason:
            raise broken(target)
        if usage.finish_reason == "length" and kinds == {"reasoning"}:
            raise thought_cut(usage.completion_tokens)
        yield usage


def _deltas(chunk: Chunk, splitter: ThinkSplitter) -> Iterator[Delta]:
    if chunk.reasoning:
        splitter.answer_only()
        yield Delta("reasoning", chunk.reasoning)
    if chunk.content:
        yield from splitter.feed(chunk.content)


def _noted(usage: Usage, chunk: Chunk) -> Usage:
    if chunk.finish_reason:
        usage = replace(usage, finish_reason=chunk.finish_reason)
    if chunk.tokens is not None:
        prompt, completion = chunk.tokens
        usage = replace(usage, prompt_tokens=prompt, completion_tokens=completion)
    return usage


def _chunks(stream: Stream, cancelled: IsCancelled) -> Iterator[Chunk]:
    """What the reading thread brings, with an eye on ``cancelled`` while it brings nothing."""
    while True:
        check(cancelled)
        try:
            item = stream.arrived.get(timeout=WAIT_S)
        except queue.Empty:
            continue
        if item is None:
            return
        if isinstance(item, Exception):
            raise item
        yield item
