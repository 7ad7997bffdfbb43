"""Reading a finished answer: its reasoning, its last word, its citations, a refusal.

The rules for the final answer are QwenLong-L1's: the answer is what follows the last
``</think>``; in it ``*`` counts for nothing, and what follows the last "the answer is"
(case-sensitive), without dots and blank space around it, is final.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from policy.thinking import CLOSE, OPEN

MARK = "the answer is"
PLACEHOLDER = "(insert answer here)"
MOST_IN_RANGE = 20
"""A range such as [1-3] longer than this is no citation."""

_CITATION = re.compile(r"[\[【](\s*\d{1,4}(?:\s*[,;–-]\s*\d{1,4})*\s*)[\]】]")
_SPACED_CITATION = re.compile(rf"\s*{_CITATION.pattern}")
_RANGE = re.compile(r"(\d+)(?:\s*[–-]\s*(\d+))?")
_SOURCE = r"(?:documents?|evidence|texts?|context|passages?|excerpts?|sources?|information given)"
_TOLD = r"(?:mentioned|given|stated|specified|provided|disclosed|available|reported|found|known)"
_REFUSAL = re.compile(
    rf"\bnot\s+(?:\w+\s+){{0,3}}(?:in|by|from)\s+(?:the\s+|these\s+|this\s+|any\s+of\s+the\s+)?"
    rf"(?:\w+\s+){{0,2}}{_SOURCE}"
    rf"|\b{_SOURCE}\b[^.]{{0,40}}\b(?:do|does|did|is|are)\s*(?:not|n't)\b"
    rf"|\b{_SOURCE}\b[^.]{{0,30}}\b(?:contains?|gives?|has|have|holds?|mentions?|provides?)\s+no\b"
    rf"|\b(?:cannot|can't|could not|couldn't|unable to)\s+(?:be\s+)?"
    rf"(?:answer|determine|find|found|identif|say|tell)"
    rf"|\bno\s+(?:information|mention|evidence|answer)\b"
    rf"|\b(?:is|are|was|were)(?:\s+not|n't)\s+(?:\w+\s+)?{_TOLD}\b",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(
    rf"(?<={MARK} )\((?P<said>[^()]*(?:\([^()]*\)[^()]*)*)\)"
    rf"(?=(?:{_SPACED_CITATION.pattern})*[\s.]*$)"
)
_FIGURE = re.compile(r"[^\w]*?(\d[\d.,]*)[^\w]*")
_QUOTED = re.compile(r"“[^”]*”")
_NOTHING = re.compile(rf"[\s(]*(?:n/?a|unknown|not\s+(?:\w+\s+)?{_TOLD})\b", re.IGNORECASE)


@dataclass(frozen=True)
class ParsedAnswer:
    """``text`` without the reasoning; ``final`` is None where the model did not say it."""

    text: str
    final: str | None
    citations: tuple[int, ...]
    refused: bool


def split_reasoning(text: str) -> tuple[str, str]:
    """Reasoning and answer, parted at the last ``</think>``; all is answer without one."""
    before, tag, after = text.rpartition(CLOSE)
    if not tag:
        return "", text.strip()
    return before.strip().removeprefix(OPEN).strip(), after.strip()


def parse_answer(text: str) -> ParsedAnswer:
    """What the model said, in parts."""
    _, answer = split_reasoning(text)
    final = _final(answer)
    return ParsedAnswer(answer, final, citations(answer), _refused(answer, final))


def unbracketed(sentence: str, known: str) -> str:
    """A final answer without the brackets that small models copy from the form they are given. A
    figure keeps them where it has them in what is ``known``: they are its sign."""
    found = _IN_BRACKETS.search(sentence)
    if found is None:
        return sentence
    figure = _FIGURE.fullmatch(found["said"])
    if figure and re.search(rf"\([^\w()]*{re.escape(figure[1])}", known):
        return sentence
    return sentence[: found.start()] + found["said"] + sentence[found.end() :]


def citations(text: str) -> tuple[int, ...]:
    """Every number cited, in the order first cited: ``[1]``, ``[1, 2]``, ``[1-3]``, ``【1】``."""
    numbers: dict[int, None] = {}
    for match in _CITATION.finditer(text):
        for first, last in _RANGE.findall(match.group(1)):
            start, stop = int(first), int(last or first)
            if 0 <= stop - start < MOST_IN_RANGE:
                numbers.update(dict.fromkeys(range(start, stop + 1)))
    return tuple(number for number in numbers if number > 0)


def _final(answer: str) -> str | None:
    """What follows the last mark, without its ``[n]``: they are no part of it."""
    _, mark, after = answer.replace("*", "").rpartition(MARK)
    final = _SPACED_CITATION.sub("", after).strip(" \t\r\n.:")
    return final if mark and final and PLACEHOLDER not in final else None


def _refused(answer: str, final: str | None) -> bool:
    """A refusal is the final answer's, or the whole answer's where there is no final one; what a
    document says in a “quotation” refuses nothing."""
    said = _QUOTED.sub("", _CITATION.sub("", final if final else answer))
    return bool(_REFUSAL.search(said) or (final and _NOTHING.match(final)))
