"""Telling reasoning from answer in a stream, wherever a server puts it."""

from __future__ import annotations

import re

from policy.values import Delta, Kind

OPEN, CLOSE = "<think>", "</think>"
_THINKERS = re.compile(r"(?:^|[-_/.])(r1|qwq|thinking|qwenlong)(?:$|[-_/.:])", re.IGNORECASE)


def opens_thinking(model: str) -> bool:
    """Whether a model of this name is likely to have ``<think>`` opened by its chat template."""
    return _THINKERS.search(model) is not None


class ThinkSplitter:
    """Splits text at ``<think>`` and ``</think>``, which may be cut anywhere between chunks.

    With ``opened`` the text starts in the reasoning, as the prompt has opened it. Blank space
    after a tag is dropped.
    """

    def __init__(self, opened: bool = False) -> None:
        self._kind: Kind = "reasoning" if opened else "answer"
        self._held = ""
        self._fresh = True

    def feed(self, text: str) -> list[Delta]:
        """The pieces that are certain by now; what may be the start of a tag is held back."""
        self._held += text
        out: list[Delta] = []
        while (found := self._next_tag()) is not None:
            at, tag = found
            self._emit(self._held[:at], out)
            self._held = self._held[at + len(tag) :]
            self._kind = "reasoning" if tag == OPEN else "answer"
            self._fresh = True
        keep = _tag_start(self._held)
        self._emit(self._held[: len(self._held) - keep], out)
        self._held = self._held[len(self._held) - keep :]
        return out

    def close(self) -> list[Delta]:
        """What was held back, once no more text comes."""
        out: list[Delta] = []
        self._emit(self._held, out)
        self._held = ""
        return out

    def answer_only(self) -> None:
        """The server splits by itself: what comes as text is answer."""
        self._kind = "answer"

    def _next_tag(self) -> tuple[int, str] | None:
        places = [(self._held.find(tag), tag) for tag in (OPEN, CLOSE)]
        return min((place for place in places if place[0] >= 0), default=None)

    def _emit(self, text: str, out: list[Delta]) -> None:
        if self._fresh:
            text = text.lstrip()
        if text:
            self._fresh = False
            out.append(Delta(self._kind, text))


def _tag_start(text: str) -> int:
    """How many characters at the end of ``text`` could begin a tag."""
    for size in range(min(len(CLOSE) - 1, len(text)), 0, -1):
        end = text[-size:]
        if OPEN.startswith(end) or CLOSE.startswith(end):
            return size
    return 0
