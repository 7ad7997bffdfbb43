"""What the documents do not say: checks that do not trust the model.

Before it is asked: does what the question names, and its years, stand in the documents at all?
While it answers: does every figure and name of a sentence stand in the evidence, or follow from
figures that do? A sentence of which that is not so never leaves the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import permutations

from agent.context import column_heads, headings
from agent.figures import every
from documents import Document, Evidence
from policy.parsing import MARK, PLACEHOLDER

NOT_SAID = "The documents do not say"
WITHHELD = f"{NOT_SAID}. The evidence does not bear out what the model answered: it is withheld."
LEFT_OUT = "(Left out: a sentence that is not borne out.)"
"""Said in place of a sentence that was held back; neither repeats a word of it."""

_BOUNDARY = re.compile(r"(?<=[.!?。！？\]])\s+(?=[A-Z0-9\"'(\[一-鿿])|\n+")
_MARKS = re.compile(r"[\[【][\d\s,;–-]+[\]】]")
_WORD = re.compile(r"[^\W\d_]+")
_CAPITAL = re.compile(r"\b[A-Z][\w&-]*[a-z][\w&-]*(?:\s+[A-Z][\w&-]*[a-z][\w&-]*)*")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_CLAUSE = re.compile(r"(?i:\b(?:clause|provision|covenant)s?\b|\brelated to [\"“])")
_TITLE = r"[A-Z][\w&-]*(?:(?:\s+(?:on|of|and|or|to|for|in|the)\s+|\s+|\s*/\s*|-)[A-Z][\w&-]*)*"
_TOPIC = re.compile(
    rf"(?:\b(?:about|on|regarding|concerning|relat(?:ed|ing) to|called|titled|entitled)|[\"“])\s*"
    rf"(?P<after>{_TITLE})|(?P<before>{_TITLE})(?=[\"”]?\s+(?:clauses?|provisions?|covenants?)\b)"
)
"""What a clause is about, in capitals as titles are: it names nobody."""
_TITLE_PAGE = 2_000
_AROUND = 1_500
"""Characters around evidence that may date it, in a file without pages."""
_COUNTED = 100
"""Whole numbers below this may be counts or list marks that the evidence spells otherwise."""
_OPERANDS = 40
_PLAIN = frozenset(
    "the a an in on of for this that these those it its as at by to from and or both each no yes "
    "not none total net therefore according based document documents section page table note "
    "what which who whom whose when where why how is are was were did do does has have can could "
    "should would list name compare find give tell show explain describe summarise summarize if "
    "company corporation corp inc ltd limited plc group holdings llc mr mrs ms dr sir form item "
    "chief executive officer president chairman director quarter fiscal year answer evidence "
    "text question given however overall also there here they he she we true false".split()
)
"""Words that are capitalised for where they stand, or that name nothing by themselves."""


def absent(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> list[str]:
    """What the question names that is not there: names that no document holds, and years that
    stand neither in the evidence nor on its pages (all of them must be missing)."""
    whole = " ".join(f"{document.name} {document.text}" for document in documents.values())
    words = _words(whole)
    missing = [name for name in asked_names(question) if _mostly_unknown(name, words)]
    years = set(_YEAR.findall(question))
    if years and not years & set(_YEAR.findall(_near(evidence, documents))):
        missing += sorted(years)
    return missing


def absence_text(missing: Sequence[str]) -> str:
    """The answer where what was asked for is not there."""
    named = ", ".join(f"“{name}”" for name in missing)
    return f"{NOT_SAID}: {named} is not in what they hold on this."


def best_score(evidence: Iterable[Evidence]) -> float:
    """The evidence's top score; 0 without any."""
    return max((item.score for item in evidence), default=0.0)


@dataclass(slots=True)
class Gate:
    """Lets through the sentences of an answer whose figures and names are founded, as they come.

    ``known`` is the evidence's text with what stands over it, ``question`` what was asked: its
    own words may be repeated, but a final answer that has figures must have founded ones.
    ``allows`` judges a sentence that is founded so far; ``completed`` is what comes out of it."""

    known: str
    question: str
    withheld: int = 0
    allows: Callable[[str], bool] | None = None
    completed: Callable[[str], str] = str
    _words: set[str] = field(default_factory=set)
    _figures: set[Decimal] = field(default_factory=set)
    _operands: list[Decimal] = field(default_factory=list)
    _buffer: str = ""
    _passed: bool = False
    _going: bool = False
    _waiting: str = ""
    _final_lost: bool = False

    def __post_init__(self) -> None:
        self._words = _words(f"{self.known} {self.question}")
        self._figures = {value for value, _ in _shown(f"{self.known} {self.question}")}

    def hear(self, reasoning: str) -> None:
        """Take in reasoning: its founded figures may be what a result is computed from."""
        self._note(reasoning)

    def feed(self, text: str) -> str:
        """Take in a piece of the answer; what may be shown of it so far."""
        self._buffer += text
        cut = max((match.end() for match in _BOUNDARY.finditer(self._buffer)), default=0)
        ready, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return self._release(ready)

    def close(self) -> str:
        """The rest, with a word about what was held back."""
        shown = self._release(self._buffer)
        self._buffer = ""
        if self.nothing_left:
            return f"{shown}{WITHHELD}"
        return f"{shown}\n{LEFT_OUT}" if self.withheld else shown

    @property
    def nothing_left(self) -> bool:
        """Whether the answer itself was held back, or is nothing but citation marks."""
        nothing = self.withheld > 0 or bool(self._waiting)
        return self._final_lost or (nothing and not self._passed)

    def _release(self, text: str) -> str:
        shown, start = "", 0
        ends = [match.end() for match in _BOUNDARY.finditer(text)]
        for end in [*ends, len(text)]:
            sentence, start = text[start:end], end
            if not sentence.strip():
                shown += sentence
            elif not re.search(r"\w", _MARKS.sub("", sentence)):
                shown += self._marks(sentence)
            elif PLACEHOLDER in sentence:  # the form it was to fill in, which says nothing
                self.withheld += not self._passed
                self._waiting = ""
            elif self._founded(sentence):
                shown += self._waiting + self.completed(sentence)
                self._passed = self._going = True
                self._waiting = ""
                self._final_lost &= MARK not in sentence
            else:
                self.withheld += 1
                self._going, self._waiting = False, ""
                self._final_lost |= MARK in sentence.replace("*", "")
        return shown

    def _marks(self, marks: str) -> str:
        """Citation marks alone belong to the sentence before them, or, where they open the answer,
        to the one after them; with it they come out or do not."""
        if self._passed or self.withheld:
            return marks if self._going else ""
        self._waiting += marks
        return ""

    def _founded(self, sentence: str) -> bool:
        plain = _MARKS.sub(" ", sentence)
        self._note(plain)
        if not all(self._figure(number, text) for number, text in _shown(plain)):
            return False
        before, mark, final = plain.replace("*", "").rpartition(MARK)
        found = [*named(before or ("" if mark else plain), opens=True), *named(final, opens=True)]
        if not mark and len(plain.split()) <= 5:  # an answer that is a bare name
            found = named(plain, opens=False)
        if not all(_known(word, self._words) for name in found for word in name):
            return False
        return self.allows is None or self.allows(sentence)

    def _figure(self, value: Decimal, text: str) -> bool:
        if value in self._figures or _rounds(value, text, self._figures):
            return True
        if value == value.to_integral_value() and value < _COUNTED and "%" not in text:
            return True
        return any(_same(value, result, text) for result in _results(self._operands[-_OPERANDS:]))

    def _note(self, text: str) -> None:
        for value, shown in _shown(text):
            if value in self._figures or _rounds(value, shown, self._figures):
                self._operands.append(value)


def frame(evidence: Sequence[Evidence], documents: Mapping[str, Document]) -> str:
    """The evidence's text with all that stands over it: names, titles, headings, column heads."""
    parts: list[str] = []
    for key in dict.fromkeys(item.span.document for item in evidence):
        parts += [documents[key].name, documents[key].text[:_TITLE_PAGE]]
    for item in evidence:
        document = documents[item.span.document]
        parts += headings(document, item.span)
        parts += column_heads(document, item.span)
        parts.append(document.slice(item.span))
    return " ".join(parts)


def _near(evidence: Sequence[Evidence], documents: Mapping[str, Document]) -> str:
    """The evidence's frame, and the pages it stands on."""
    parts = [frame(evidence, documents)]
    for item in evidence:
        document = documents[item.span.document]
        pages = [document.pages[number] for number in document.pages_of(item.span)]
        parts += [document.text[page.start : page.end] for page in pages]
        if not document.pages:
            start = max(0, item.span.start - _AROUND)
            parts.append(document.text[start : item.span.end + _AROUND])
    return " ".join(parts)


def asked_names(question: str) -> list[str]:
    """The names in a question. A sentence's lone first word is one only as a possessive."""
    if _CLAUSE.search(question):
        question = _TOPIC.sub(lambda match: match[0].lower(), question)
    found: list[str] = []
    for match in _CAPITAL.finditer(question):
        possessive = question[match.end() :].startswith(("'s", "’s"))
        before = question[: match.start()].rstrip()
        first = not before or before[-1] in ".?!:"
        words = [w for w in match[0].split() if w.casefold() not in _PLAIN]
        if words and not (first and len(match[0].split()) == 1 and not possessive):
            found.append(" ".join(words))
    return found


def _mostly_unknown(name: str, words: set[str]) -> bool:
    parts = [w for w in _WORD.findall(name) if len(w) > 2]
    return bool(parts) and 2 * sum(not _known(w, words) for w in parts) > len(parts)


def named(text: str, *, opens: bool) -> list[list[str]]:
    """Capitalised names of a sentence, in words; with ``opens`` a lone first word is none."""
    found = []
    for match in _CAPITAL.finditer(text):
        words = [w for w in _WORD.findall(match[0]) if len(w) > 2 and w.casefold() not in _PLAIN]
        lone_first = not _WORD.search(text[: match.start()]) and len(match[0].split()) == 1
        if words and not (opens and lone_first and len(text.split()) > 5):
            found.append(words)
    return found


def _known(word: str, words: set[str]) -> bool:
    """Whether a word stands there, in this or another inflection."""
    folded = word.casefold()
    if folded in words:
        return True
    least = max(4, len(folded) - 3)
    return len(folded) >= 6 and any(other.startswith(folded[:least]) for other in words)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _shown(text: str) -> list[tuple[Decimal, str]]:
    """Figures without their signs, with the text that shows them, a percent sign included."""
    return [
        (abs(one.value), text[one.start : one.end].replace(",", "") + ("%" * (one.unit == "%")))
        for one in every(text)
    ]


def _rounds(value: Decimal, text: str, known: Iterable[Decimal]) -> bool:
    """Whether a figure is one of ``known`` in another scale (thousands, millions, billions)."""
    if len(text.rstrip("%").replace(".", "").lstrip("0")) < 2:
        return False
    scaled = (Decimal(10) ** power for power in (3, 6, 9))
    shifts = [*scaled, Decimal("0.001"), Decimal("0.000001")]
    return any(_same(value, other / by, text) for other in known for by in shifts)


def _results(operands: Sequence[Decimal]) -> Iterable[Decimal]:
    """What one step of arithmetic makes of two figures, ratios also as percentages."""
    for a, b in permutations(dict.fromkeys(operands), 2):
        yield from (a + b, abs(a - b), a * b)
        if b:
            yield from (a / b, 100 * a / b, 100 * abs(a - b) / b)
    total = sum(operands, Decimal(0))
    if len(operands) > 2:
        yield from (total, total / len(operands))
    elif len(operands) == 2:
        yield total / 2


def _same(value: Decimal, exact: Decimal, text: str) -> bool:
    """Equal within half a unit of the last digit that ``text`` shows."""
    decimals = len(text.rstrip("%").partition(".")[2])
    return abs(value - exact) <= Decimal(5).scaleb(-decimals - 1)
