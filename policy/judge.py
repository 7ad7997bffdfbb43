"""An LLM that says whether two answers are the same, at any OpenAI-compatible endpoint.

QwenLong-L1's judge (arXiv 2505.17667, section 3.3): told not to solve the problem but to compare a
given answer with the reference, it explains itself and ends with ``[[YES]]`` or ``[[NO]]``, at
temperature 0; L1's is Qwen2.5-1.5B-Instruct. The wording here is longdoc's. L1's code takes any
reply with YES in it for a yes; here the last bracketed verdict counts, and a reply without one is
a failure: `policy.rewards.Hybrid` counts it and leaves the answer without a score.

Verdicts are kept in a file, a line each, under a hash of everything they depend on, so that the
same comparison is paid for once, also by a later run. Failures are not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from documents.errors import ReasonerError, StorageError
from documents.storage import drop_cut_line
from policy.config import ReasonerConfig
from policy.endpoint import Endpoint, discover
from policy.faults import translated
from policy.parsing import split_reasoning
from policy.rewards import Hybrid
from policy.values import Message

if TYPE_CHECKING:
    from openai import AsyncOpenAI

SYSTEM = (
    "You compare two answers to one problem. Do not solve the problem yourself. Decide whether the "
    "answers mean the same: the same value, name, date or statement, however it is written "
    "(figures or words, units, abbreviations, order of words). An answer that adds a different "
    "claim, or leaves out part of what is asked, is not the same.\n"
    "First explain in one or two sentences. Then end with your verdict, exactly [[YES]] if they "
    "are the same or [[NO]] if not."
)
_VERDICT = re.compile(r"\[\[\s*(YES|NO)\s*\]\]", re.IGNORECASE)


def messages(question: str, answer: str, gold: str) -> list[Message]:
    """The chat that asks for a verdict."""
    told = f"Problem:\n{question}\n\nAnswer 1:\n{answer}\n\nAnswer 2:\n{gold}"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": told}]


def verdict(reply: str) -> bool | None:
    """The last bracketed YES or NO after any reasoning; None where there is none."""
    found = _VERDICT.findall(split_reasoning(reply)[1])
    return found[-1].upper() == "YES" if found else None


@dataclass
class EndpointJudge:
    """A `policy.rewards.Judge`: ``await judge(question, answer, gold)``. ``asked`` counts the
    requests made, ``kept`` the verdicts that came from ``cache``. Raises `ReasonerError` where
    there is no verdict. Safe to await many times at once, from one process a cache file."""

    config: ReasonerConfig
    cache: Path | None = None
    asked: int = 0
    kept: int = 0
    _known: dict[str, bool] = field(default_factory=dict)
    _target: Endpoint | None = None
    _finding: threading.Lock = field(default_factory=threading.Lock)
    _tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if not self.config.url:
            raise ReasonerError(
                "The judge has no address.", "Set its url to an OpenAI-compatible server's."
            )
        if self.cache is not None:
            self._known = _read(self.cache)

    async def __call__(self, question: str, answer: str, gold: str) -> bool:
        target = self._target
        if target is None:
            target = await asyncio.to_thread(self._find)
        chat = messages(question, answer, gold)
        key = self._key(target, chat)
        if key in self._known:
            self.kept += 1
            return self._known[key]
        self.asked += 1
        reply = await self._ask(target, chat)
        same = verdict(reply)
        if same is None:
            raise ReasonerError(
                f"The judge gave no verdict: {' '.join(reply.split())[-80:]!r}",
                "Raise its max_answer_tokens, or use a model that keeps to the form.",
            )
        self._keep(key, same)
        return same

    def _find(self) -> Endpoint:
        with self._finding:
            found = self._target or discover(self.config)
            self._target = found
        return found

    async def _ask(self, target: Endpoint, chat: list[Message]) -> str:
        import openai

        try:
            async with self._client(target) as client:
                done = await client.chat.completions.create(
                    model=target.model,
                    messages=chat,  # type: ignore[arg-type]
                    temperature=self.config.temperature,
                    max_tokens=self.config.max_answer_tokens,
                )
        except (openai.OpenAIError, OSError, ValueError) as error:
            raise translated(error, target, False) from error
        choices: list[Any] = done.choices or []
        return str(choices[0].message.content or "") if choices else ""

    def _client(self, target: Endpoint) -> AsyncOpenAI:
        """A client for one request: a later one may come in another event loop."""
        import openai

        self._tls = self._tls or ssl.create_default_context()  # costs more than the rest
        timeout = openai.Timeout(self.config.read_timeout_s, connect=self.config.connect_timeout_s)
        return openai.AsyncOpenAI(
            base_url=target.url,
            api_key=target.api_key,
            timeout=timeout,
            max_retries=self.config.retries,
            http_client=openai.DefaultAsyncHttpxClient(verify=self._tls, timeout=timeout),
        )

    def _key(self, target: Endpoint, chat: list[Message]) -> str:
        told = [target.model, self.config.temperature, self.config.max_answer_tokens, chat]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _keep(self, key: str, same: bool) -> None:
        self._known[key] = same
        if self.cache is None:
            return
        try:
            self.cache.parent.mkdir(parents=True, exist_ok=True)
            with self.cache.open("a", encoding="utf-8") as out:
                out.write(json.dumps({"key": key, "same": same}) + "\n")
        except OSError as error:
            raise StorageError(
                f"{self.cache} cannot be written: {error.strerror or error}",
                "Free some space, or give the judge another cache.",
            ) from error


def _read(path: Path) -> dict[str, bool]:
    """The verdicts kept. A last line that a kill cut short is cut off."""
    if not path.exists():
        return {}
    drop_cut_line(path)
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        return {str(row["key"]): bool(row["same"]) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} is no cache of a judge: {error!r}", "Remove it, or name another."
        ) from error


def hybrid(config: ReasonerConfig, cache: Path | None = None, at_once: int = 8) -> Hybrid:
    """max(rule, judge) with this endpoint's judge, ``at_once`` requests at a time."""
    return Hybrid(EndpointJudge(config, cache), at_once)
