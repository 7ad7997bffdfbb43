"""Questions that ask who: an answer is a name that stands near what was asked of it.

"Who founded Apple?" is not answered by "Apple Inc.", nor by a person who stands somewhere in the
evidence. Near means the text around the name on its page, and the headings over it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.absence import asked_names, named
from agent.context import column_heads, headings
from documents import Document, Evidence, Span
from policy.parsing import MARK, parse_answer

_WHO = re.compile(r"\b(?:who|whom|whose)\b", re.IGNORECASE)
_PERSONAL = re.compile(
    r"\b(?:ceo|cfo|coo|chief|president|chair\w*|director|secretary|treasurer|officer|founders?"
    r"|founded|captain|author|wrote|written|born|spouse|wife|husband|person|man|woman)\b",
    re.IGNORECASE,
)
_COMPANY = re.compile(
    r"\b(?:inc|incorporated|corp|corporation|plc|ltd|limited|llc|llp|company|co|gmbh|ag|group"
    r"|holdings|bank|university)\b",
    re.IGNORECASE,
)
_STEM = 5
_AROUND = 300
"""Characters on both sides of a name in which what was asked of it must be said."""
_TITLE_PAGE = 2_000
_SHORT = 8
"""Words of a sentence that is little but its names."""
_IDLE = frozenset(
    "who whom whose what which is are was were be been the a an of in on at for by to from and or "
    "has have had does did do that this its their company currently name named called person "
    "people according document documents report please year first same".split()
)
_SAME: tuple[frozenset[str], ...] = tuple(
    frozenset(word[:_STEM] for word in group.split())
    for group in (
        "found create establish cofound start",
        "ceo chief",
        "cfo chief financial",
        "coo chief operating",
        "lead leader leads led head heads manage direct",
        "sign signed signs signature s",
        "own owns owned owner hold holds held beneficial",
        "wrote write written author",
        "marry husband wife spouse",
    )
)
_TITLE_NAMES = frozenset({"autho", "wrote", "write", "writt", "propo", "intro", "publi"})
"""What is told by a name on the title page."""


@dataclass(frozen=True, slots=True)
class Who:
    """Judges the sentences of an answer where the question asks who."""

    question: str
    evidence: Sequence[Evidence]
    documents: Mapping[str, Document]

    def allows(self, sentence: str) -> bool:
        """Whether a sentence may come out: not a final answer that only repeats the question, nor
        one whose new names all stand away from what was asked."""
        if not _WHO.search(self.question):
            return True
        plain = re.sub(r"[\[【][\d\s,;–-]+[\]】]|\*", " ", sentence).strip()
        _, mark, final = plain.rpartition(MARK)
        if parse_answer(plain).refused:
            return True
        answers = bool(mark) or len(plain.split()) <= _SHORT
        said = named(final if mark else plain, opens=not answers)
        if re.search(r"\bor\b", self.question):  # one of the names asked is the answer
            return True
        new = [name for name in said if not self._asked(name)]
        if not new:
            return not (answers and said)
        if _PERSONAL.search(self.question):
            new = [name for name in new if not _COMPANY.search(_with_suffix(plain, name))]
        return any(self._near(name) for name in new) or not (new or answers)

    def _asked(self, name: Sequence[str]) -> bool:
        words = {word.casefold() for word in re.findall(r"\w+", self.question)}
        return all(word.casefold() in words for word in name)

    def _near(self, name: Sequence[str]) -> bool:
        wanted = self._wanted()
        return not wanted or any(_says(text, wanted) for text in self._around(name, wanted))

    def _wanted(self) -> frozenset[str]:
        """The stems of what is asked, the names in the question left out."""
        names = {w.casefold() for name in asked_names(self.question) for w in name.split()}
        words = [word.casefold() for word in re.findall(r"[^\W\d_]+", self.question)]
        stems = {word[:_STEM] for word in words if word not in _IDLE and word not in names}
        return frozenset(stems).union(*(group for group in _SAME if group & stems))

    def _around(self, name: Sequence[str], wanted: frozenset[str]) -> Iterator[str]:
        """The text around every place in the evidence where the name stands."""
        form = re.compile(r"\W+(?:\w\W+)?".join(map(re.escape, name)), re.IGNORECASE)
        for item in self.evidence:
            document = self.documents[item.span.document]
            for match in form.finditer(document.text, item.span.start, item.span.end):
                span = document.span(match.start(), match.end())
                over = [*headings(document, span), *column_heads(document, span)]
                yield " ".join([document.slice(_section(document, span)), *over])
        if wanted & _TITLE_NAMES:
            for key in dict.fromkeys(item.span.document for item in self.evidence):
                if form.search(self.documents[key].text[:_TITLE_PAGE]):
                    yield " ".join(wanted)


def _section(document: Document, name: Span) -> Span:
    """The text around a name, no further than the headings before and after it."""
    start, end = max(0, name.start - _AROUND), min(len(document.text), name.end + _AROUND)
    for block in document.blocks_in(start, end):
        if block.kind == "heading" and block.end <= name.start:
            start = block.start
        elif block.kind == "heading" and block.start >= name.end:
            end = min(end, block.start)
    return document.span(start, end)


def _says(text: str, wanted: frozenset[str]) -> bool:
    return any(word[:_STEM] in wanted for word in map(str.casefold, re.findall(r"[^\W\d_]+", text)))


def _with_suffix(text: str, name: Sequence[str]) -> str:
    """The name as it stands in a text, with the word after it."""
    match = re.search(r"\W+(?:\w\W+)?".join(map(re.escape, name)) + r"(?:,?\s+\w+)?", text)
    return match[0] if match else " ".join(name)
