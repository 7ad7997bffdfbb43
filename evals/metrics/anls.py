"""MMLongBench-Doc's marking of short answers by their format (arXiv 2407.01523).

Strings by ANLS (1 less the edit distance over the longer length, 0 up to a half), integers
exactly, floats within 1% and over percent notation, lists item by item in sorted order, all or
nothing in length. The publication has a model extract the short answer first; here it is the
reasoner's final answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from evals.metrics.answers import as_list, refuses, uncited

NOT_ANSWERABLE = "Not answerable"
_LOOKS_EXACT = re.compile(
    r".*https://.*|.*\.py|.*ipynb|page.*|\d+(?:[-\s]\d+)?|.*[ap]\.m\..*|\d{4}[-\s]\d{2}(?:[-\s]\d{2})?"
    r"|[\w.%+-]+@[\w.-]+\.[a-z]{2,}",
    re.DOTALL,
)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def score(answer: str, gold: str, answer_format: str) -> float:
    """0 to 1 for a short answer. ``answer_format``: Int, Float, Str, List or None."""
    answer = NOT_ANSWERABLE if refuses(answer) else uncited(answer)
    if answer_format == "Int":
        return float(_number(answer) is not None and _number(answer) == _number(gold))
    if answer_format == "Float":
        return float(_close(_number(gold), _number(answer)))
    if answer_format == "List":
        return _lists(as_list(gold) or [gold], as_list(answer) or re.split(r",\s*", answer))
    return _strings(clean(gold), clean(answer))


def anls(said: str, gold: str, threshold: float = 0.5) -> float:
    """1 less the edit distance over the longer length; 0 up to ``threshold``."""
    longer = max(len(said), len(gold))
    value = 1.0 - (distance(said, gold) / longer if longer else 0.0)
    return value if value > threshold else 0.0


def distance(one: str, other: str) -> int:
    """Levenshtein's edit distance."""
    row = list(range(len(other) + 1))
    for number, char in enumerate(one, 1):
        above = row[:]
        row[0] = number
        for at, against in enumerate(other, 1):
            row[at] = min(above[at - 1] + (char != against), above[at] + 1, row[at - 1] + 1)
    return row[-1]


def clean(text: str) -> str:
    """Lower case without what stands in parentheses, outer quotes, $ and %."""
    text = re.sub(r"\s*\([^)]*\)", "", text.lower().strip()).strip()
    text = re.sub(r"^['\"]|['\"]$", "", text).strip()
    return text.lstrip("$").strip().rstrip("%").strip()


def _strings(gold: str, answer: str) -> float:
    if _LOOKS_EXACT.fullmatch(gold):
        return float(gold == answer)
    return anls(answer, gold)


def _lists(gold: Sequence[str], answer: Sequence[str]) -> float:
    if len(gold) != len(answer):
        return 0.0
    wanted, said = sorted(map(clean, gold)), sorted(map(clean, answer))
    if not wanted:
        return 1.0
    if _NUMBER.fullmatch(wanted[0]) or _LOOKS_EXACT.fullmatch(wanted[0]):
        return float(wanted == said)
    return min(anls(one, other) for one, other in zip(said, wanted, strict=True))


def _number(text: str) -> float | None:
    """The one number of a short answer; None where there is none, or more than one."""
    found = _NUMBER.findall(clean(text))
    return float(found[0].replace(",", "")) if len(found) == 1 else None


def _close(gold: float | None, said: float | None) -> bool:
    if gold is None or said is None:
        return False
    return any(math.isclose(value, said, rel_tol=0.01) for value in (gold / 100, gold, gold * 100))
