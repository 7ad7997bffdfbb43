"""Which documents cite which: the longest chain, or what one cites and is cited by.

A paper is cited by its title, whatever breaks and hyphens a page puts into it. So titles are looked
for in the letters and digits of every text, where no model has to; each citation found is evidence,
and the answer follows from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.citations import Cited, claims
from agent.line_items import Told
from agent.values import Citation
from documents import Document, Evidence, Span, profile_of

_CHAIN = re.compile(
    r"\bcitation\s+chains?\b|\bchains?\s+of\s+citations?\b"
    r"|\bcit(?:e|es|ed|ing)\b[^.?]*\b(?:one\s+another|each\s+other)\b",
    re.IGNORECASE,
)
_CITES = re.compile(r"\bcit(?:es?|ed|ing|ations?)\b", re.IGNORECASE)
_PAPERS = re.compile(r"\b(?:papers?|documents?|works?|articles?|others?)\b", re.IGNORECASE)
_SHORTEST, _HALF, _ENOUGH = 16, 32, 48
"""Letters and digits of a title, and of the half after its colon, that are not met by chance, and
as many as tell it from others."""
_BEFORE, _AFTER = 120, 60
"""Characters around a title that a citation is shown with, in its line."""
_MOST_DOCUMENTS = 60


@dataclass(frozen=True, slots=True)
class _Folded:
    """A text's letters and digits in lower case, and where each stands in the text."""

    text: str
    places: Sequence[int]


def mentions(question: str, documents: Mapping[str, Document]) -> list[Evidence]:
    """Where documents cite each other, the first place of each, where the question asks for it."""
    if not _asks(question, documents):
        return []
    found = []
    titles = _titles(documents)
    for key, document in documents.items():
        for other, title in titles.items():
            spans = (_cited_at(document, form) for form in title)
            if other != key and (span := next(filter(None, spans), None)) is not None:
                found.append(Evidence(span, 1.0))
    return found


def related(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> Told | None:
    """The answer that the citations in the evidence give; None where the question asks for
    something else, or there are none."""
    if not _asks(question, documents):
        return None
    cited = _citations(evidence, documents)
    one = _named(question, documents)
    text = _of_one(one, cited, documents) if one else _chain(cited, documents)
    return Told(text, "citations", ()) if text else None


def shown(told: Told, evidence: Sequence[Evidence]) -> Cited:
    """The citations of what `related` told: each holds, as it was made from the evidence."""
    found = {
        n: Citation(n, evidence[n - 1].span, True, claim, "longdoc")
        for claim, marks in claims(told.text)
        for n in marks
    }
    return Cited(tuple(found.values()))


def _asks(question: str, documents: Mapping[str, Document]) -> bool:
    chain = _CHAIN.search(question) is not None
    if not (chain or (_CITES.search(question) and _PAPERS.search(question))):
        return False
    if not 2 <= len(documents) <= _MOST_DOCUMENTS or len(_titles(documents)) < 2:
        return False
    return chain or bool(_named(question, documents))


def _named(question: str, documents: Mapping[str, Document]) -> str:
    """The document whose title stands in the question; empty without one, or with several."""
    said = _fold(question).text
    found = [key for key, title in _titles(documents).items() if title[0] in said]
    return found[0] if len(found) == 1 else ""


def _titles(documents: Mapping[str, Document]) -> dict[str, tuple[str, ...]]:
    """The beginnings of the titles that can be told from other words, folded, and of their second
    halves: the name before a colon is spelt in many ways."""
    titles = {}
    for key, document in documents.items():
        title = title_of(document)
        whole, second = _fold(title).text, _fold(title.partition(":")[2]).text
        if len(whole) >= _SHORTEST:
            titles[key] = (whole[:_ENOUGH], *([second[:_ENOUGH]] if len(second) >= _HALF else []))
    return titles


def title_of(document: Document) -> str:
    """What a document calls itself."""
    return profile_of(document).title


def _citations(
    evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> dict[tuple[str, str], int]:
    """For each document that cites and the one that it cites, the evidence that shows it."""
    titles = _titles(documents)
    cited: dict[tuple[str, str], int] = {}
    for n, item in enumerate(evidence, 1):
        text = _fold(documents[item.span.document].slice(item.span)).text
        for other, title in titles.items():
            if other != item.span.document and any(form in text for form in title):
                cited.setdefault((item.span.document, other), n)
    return cited


def _of_one(
    one: str, cited: Mapping[tuple[str, str], int], documents: Mapping[str, Document]
) -> str:
    def listed(pairs: Iterator[tuple[str, int]]) -> str:
        return (
            "; ".join(f"“{title_of(documents[key])}” [{n}]" for key, n in pairs) or "none of them"
        )

    cites = ((other, n) for (key, other), n in cited.items() if key == one)
    by = ((key, n) for (key, other), n in cited.items() if other == one)
    return f"It cites (reference): {listed(cites)}.\nIt is cited by (citation): {listed(by)}."


def _chain(cited: Mapping[tuple[str, str], int], documents: Mapping[str, Document]) -> str:
    """The longest chain, from the one that cites none of its others on."""
    best: list[str] = []
    for key in documents:
        chain = _longest(key, cited, frozenset())
        best = max(best, chain, key=len)
    if len(best) < 2:
        return ""
    lines = [f"1. {title_of(documents[best[0]])}"]
    for number, key in enumerate(best[1:], 2):
        mark = cited[key, best[number - 2]]
        lines.append(f"{number}. {title_of(documents[key])} [{mark}]")
    return "The longest chain, where each cites the one before it:\n" + "\n".join(lines)


def _longest(key: str, cited: Mapping[tuple[str, str], int], seen: frozenset[str]) -> list[str]:
    """The longest chain that ends with a document, none of ``seen`` in it."""
    seen |= {key}
    before = [other for mine, other in cited if mine == key and other not in seen]
    chains = [_longest(other, cited, seen) for other in before]
    return [*max(chains, key=len, default=[]), key]


def _cited_at(document: Document, title: str) -> Span | None:
    """The first place after a document's own title where another's stands, with what is around it
    in its line."""
    folded = _folded(document)
    at = folded.text.find(title, len(_fold(title_of(document)).text))
    if at < 0:
        return None
    first, last = folded.places[at], folded.places[at + len(title) - 1] + 1
    text = document.text
    start = max(text.rfind("\n", 0, first) + 1, first - _BEFORE)
    line_end = text.find("\n", last)
    end = min(line_end if line_end >= 0 else len(text), last + _AFTER)
    while start < first and start and not text[start - 1].isspace():
        start += 1
    while end > last and end < len(text) and not text[end].isspace():
        end -= 1
    return document.span(start, end)


@lru_cache(maxsize=_MOST_DOCUMENTS)
def _folded(document: Document) -> _Folded:
    return _fold(document.text)


def _fold(text: str) -> _Folded:
    letters = [(c, at) for at, char in enumerate(text) if char.isalnum() for c in char.casefold()]
    return _Folded("".join(c for c, _ in letters), [at for _, at in letters])
