"""Marks for answers that are JSON: categories of items, relations, an ordered list."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from evals.metrics.answers import bare, f_measure, list_marks, same_item, uncited

Wanted = TypeVar("Wanted", dict[str, Any], list[Any])


def mapping_marks(
    answer: str, gold: Mapping[str, Sequence[str]], universe: Sequence[str] = ()
) -> tuple[float, float]:
    """Precision and recall of the (key, item) pairs of a JSON object in the answer.

    An answer without one is read as text: each key of the gold that it names is followed by its
    items, of those in ``universe`` (the items that could be named)."""
    said = last_json(answer, dict)
    pairs = _pairs(said) if said is not None else _pairs_in_text(answer, gold, universe)
    wanted = _pairs(gold)
    if not wanted:
        return float(not pairs), float(not pairs)
    left = list(wanted)
    for key, item in pairs:
        hit = next((w for w in left if bare(w[0]) == bare(key) and same_item(item, w[1])), None)
        if hit is not None:
            left.remove(hit)
    hits = len(wanted) - len(left)
    return hits / max(1, len(pairs)), hits / len(wanted)


def sequence_marks(answer: str, gold: Sequence[str]) -> tuple[float, float, float]:
    """Precision and recall of the items of a list in the answer, and the F-measure of the
    longest run of them that stands in the gold's order (not necessarily side by side)."""
    if not all(item.isdigit() for item in gold):
        answer = uncited(answer)  # else the last "[2]" would be the list
    said = [str(item) for item in last_json(answer, list) or _lines(answer)]
    precision, recall = list_marks(said, gold)
    common = _common_in_order(said, gold)
    return precision, recall, f_measure(common / max(1, len(said)), common / max(1, len(gold)))


def last_json(text: str, kind: type[Wanted]) -> Wanted | None:
    """The last JSON object or list of a text that is not inside another."""
    decoder = json.JSONDecoder()
    found: Wanted | None = None
    at = 0
    opening = re.compile(r"[{\[]")
    while (match := opening.search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, match.start())
        except json.JSONDecodeError:
            at = match.end()
            continue
        if isinstance(value, kind):
            found = value
    return found


def _pairs(mapping: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(key), str(item))
        for key, items in mapping.items()
        for item in (items if isinstance(items, list) else [items])
        if item not in (None, "")
    ]


def _pairs_in_text(
    text: str, gold: Mapping[str, Sequence[str]], universe: Sequence[str]
) -> list[tuple[str, str]]:
    starts = sorted(
        (named[-1], key)
        for key in gold
        if (named := [m.start() for m in re.finditer(rf"(?<!\w){re.escape(key)}", text, re.I)])
    )
    items = list({bare(item): item for item in _every(gold, universe) if bare(item)}.values())
    pairs = []
    for number, (at, key) in enumerate(starts):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(text)
        part = bare(text[at + len(key) : end])
        pairs += [(key, item) for item in items if bare(item) in part]
    return pairs


def _every(gold: Mapping[str, Sequence[str]], universe: Sequence[str]) -> list[str]:
    return [*universe, *(item for items in gold.values() for item in items)]


def _lines(text: str) -> list[str]:
    """Lines that are list items, else the parts between arrows."""
    items = re.findall(r"(?m)^\s*(?:[-*•]|\d+[.)])\s*(.+?)\s*$", text)
    return items or [part.strip() for part in re.split(r"\s*(?:->|→)\s*", text) if part.strip()]


def _common_in_order(said: Sequence[str], gold: Sequence[str]) -> int:
    row = [0] * (len(gold) + 1)
    for item in said:
        above = row[:]
        for at, wanted in enumerate(gold, 1):
            row[at] = above[at - 1] + 1 if same_item(item, wanted) else max(above[at], row[at - 1])
    return row[-1]
