"""Whether an answer is right, by rules, against one or several reference answers.

What the reference is decides the rule: a figure, a date, yes or no, a list, a name, "not in the
documents", or prose. Every rule weighs precision as well as recall, so that an answer that names
everything is not right. Prose cannot be settled by rules: `mark` then gives the overlap only, and
a judge (`evals.metrics.judge`) says more.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.checking import names
from evals.metrics.dates import dates, same_date
from evals.metrics.figures import figures, implied_scale, matched
from policy import parse_answer

Kind = Literal["figure", "date", "yes_no", "list", "name", "abstain", "prose"]

WORDS_PER_FIGURE = 40
"""A reference with a figure for at most so many words is a question about figures."""
SHORT = 12
"""A reference of at most so many words is a name or phrase, not prose."""

_SOURCES = re.compile(
    r"(?is)\n\s*SOURCE\(?S?\)?\s*:.*?(?=\n\s*\n|\Z)|\((?:SOURCE:\s*)?[^()]*\.pdf\"?\)"
)
_CITATION = re.compile(r"[\[【][\d\s,;–-]+[\]】]")
_ABSENT = re.compile(
    r"(?i)^\W*(?:n/?a|none|not answerable|unanswerable|not available|not in (?:the )?documents?"
    r"|(?:cannot|can't) be (?:answered|determined)[^.]*)\W*$"
)
_LACKS = re.compile(
    r"(?i)\b(?:10-[QK]|reports?|filings?|papers?|documents?|context|information|text)\b[^.]{0,90}"
    r"\b(?:does|do|did)(?: not|n't) (?:\w+ )?(?:provide|contain|specify|mention|disclose|include)"
)
_DENIAL = re.compile(r"(?i)^\W*no[,.;]\s")
_YES = re.compile(r"(?i)\b(yes|true|correct|是的?)(?![\w-])|^\W*是")
_NO = re.compile(
    r"(?i)\b(no|false|incorrect|(?:does|do|did|has|have|is|was|were)(?: not|n't))(?![\w-])"
    r"|^\W*(?:否|不是)"
)
_BOOLEAN = re.compile(r"(?i)^\W*(yes|no|true|false|是|否)\W*$")
_WORD = re.compile(r"[^\W_一-鿿]+(?:[.'’&-][^\W_一-鿿]+)*|[一-鿿]")
_SHORT_FOR = {
    "ceo": "chief executive officer",
    "cfo": "chief financial officer",
    "coo": "chief operating officer",
    "cto": "chief technology officer",
    "vp": "vice president",
}
_STOP = frozenset(
    "a an the of in on at to for and or by is are was were be been it its this that these those "
    "as with from has have had which who what their there inc corp co ltd plc llc".split()
)


@dataclass(frozen=True, slots=True)
class Mark:
    """``correct``: 0 to 1, the F-measure of what was said against the reference (None for prose,
    which rules cannot settle); ``abstained``: the answer says that the documents do not tell."""

    kind: Kind
    correct: float | None
    precision: float
    recall: float
    abstained: bool

    @property
    def f_measure(self) -> float:
        """The harmonic mean of precision and recall."""
        return f_measure(self.precision, self.recall)


def mark(
    answer: str, references: Sequence[str], question: str = "", kind: Kind | None = None
) -> Mark:
    """The mark against the reference that the answer meets best. What counts as said is the
    final answer where the reasoner gave one ("the answer is ..."), else the whole answer; for
    prose always the whole answer."""
    parsed = parse_answer(answer)
    said = uncited(parsed.final or parsed.text)
    refused = parsed.refused or refuses(said)
    whole = uncited(parsed.text)
    marks = []
    for gold in references or ("n/a",):
        is_a = kind or kind_of(gold)
        marks.append(_mark(whole if is_a == "prose" else said, refused, gold, question, is_a))
    return max(marks, key=lambda m: (m.correct or 0.0, m.f_measure))


def kind_of(reference: str) -> Kind:
    """What a reference is."""
    reference = key_claim(reference)
    # Two Chinese characters make a word, about.
    words = len(_WORD.findall(reference)) - len(re.findall("[一-鿿]", reference)) // 2
    if not figures(reference) and refuses(reference):
        return "abstain"
    if _BOOLEAN.match(reference) or (_DENIAL.match(reference) and not figures(reference)):
        return "yes_no"
    if as_list(reference) is not None:
        return "list"
    marked = [figure for figure in figures(reference) if figure.marked or words <= SHORT]
    if marked and words <= WORDS_PER_FIGURE * len(marked):
        return "figure" if not _named_with_number(reference, words) else "name"
    if words <= SHORT and dates(reference):
        return "date"
    return "name" if words <= SHORT else "prose"


def key_claim(reference: str) -> str:
    """A reference without the files it names as its sources."""
    return _SOURCES.sub("", "\n" + reference).strip()


def uncited(text: str) -> str:
    """The text without its citation marks; a text of nothing else ("[8, 9]") is a list."""
    bare_text = _CITATION.sub("", text)
    return bare_text if bare_text.strip() else text


def refuses(text: str) -> bool:
    """Whether a text says at its start that the documents do not tell, or is no more than
    "not answerable"."""
    if _ABSENT.match(text):
        return True
    first = re.split(r"(?<=[.!?。])\s", text.strip(), maxsplit=1)[0]
    return parse_answer(first).refused or _LACKS.search(first) is not None


def as_list(text: str) -> list[str] | None:
    """The items of a reference written as a JSON or Python list; None for anything else."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        items = json.loads(text)
    except json.JSONDecodeError:
        items = re.findall(
            r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([^,\[\]'\"\s][^,\[\]]*)", text
        )
        items = ["".join(parts).strip() for parts in items]
    return [str(item) for item in items]


def f_measure(precision: float, recall: float) -> float:
    """The harmonic mean; 0 where both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def tokens(text: str) -> list[str]:
    """The words of a text in lower case without function words; Chinese by the character."""
    words = (word.casefold() for word in _WORD.findall(text))
    full = (part for word in words for part in _SHORT_FOR.get(word, word).split())
    return [word for word in full if word not in _STOP]


def overlap(said: str, gold: str) -> tuple[float, float]:
    """Precision and recall of the words said."""
    ours, theirs = Counter(tokens(said)), Counter(tokens(gold))
    common = (ours & theirs).total()
    return common / max(1, ours.total()), common / max(1, theirs.total())


def key_terms(reference: str, question: str = "") -> frozenset[str]:
    """What a prose reference says that the question does not: its names, and its words of six
    letters or more."""
    reference = key_claim(reference)
    asked = set(tokens(question))
    named = {word for name in names(". " + reference) for word in tokens(name)}
    long = {word for word in tokens(reference) if len(word) >= 6 or "一" <= word <= "鿿"}
    return frozenset(word for word in named | long if word not in asked)


def terms_kept(answer: str, terms: frozenset[str]) -> float:
    """The share of the terms that an answer has."""
    return len(terms & set(tokens(parse_answer(answer).text))) / len(terms)


def list_marks(said: Iterable[str], gold: Iterable[str]) -> tuple[float, float]:
    """Precision and recall of a list's items, each matched once; an item matches as a figure,
    else as the same words."""
    ours, theirs = list(said), list(gold)
    left = list(theirs)
    for item in ours:
        hit = next((g for g in left if same_item(item, g)), None)
        if hit is not None:
            left.remove(hit)
    hits = len(theirs) - len(left)
    if not theirs:
        return float(not ours), float(not ours)
    return hits / max(1, len(ours)), hits / len(theirs)


def same_item(said: str, gold: str) -> bool:
    """Whether two short answers are one: equal figures where the gold is one, else equal words."""
    wanted = figures(gold)
    if wanted and len(tokens(gold)) <= 3:
        return matched(figures(said), wanted) == (1.0, 1.0)
    if bare(said) == bare(gold):
        return True
    return tokens(said) == tokens(gold) and bool(tokens(gold))


def bare(text: str) -> str:
    """A text's letters and digits in lower case."""
    return "".join(char for char in text.casefold() if char.isalnum())


def _mark(said: str, refused: bool, gold: str, question: str, kind: Kind) -> Mark:
    if kind == "abstain":
        return Mark(kind, float(refused), float(refused), float(refused), refused)
    gold = key_claim(gold)
    if kind == "yes_no":
        right = float(yes_no(said) is not None and yes_no(said) == yes_no(gold))
        return Mark(kind, right, right, right, refused and yes_no(said) is None)
    if kind == "prose":
        return Mark(kind, None, *overlap(said, gold), refused)
    precision, recall = _settled(said, gold, question, kind)
    # A refusal is an outcome of its own; an answer that gives what was asked is none, however
    # many other things it says the documents lack.
    abstained = refused and recall == 0.0
    return Mark(kind, f_measure(precision, recall), precision, recall, abstained)


def _settled(said: str, gold: str, question: str, kind: Kind) -> tuple[float, float]:
    if kind == "figure":
        implied = implied_scale(question)
        return matched(figures(said), figures(gold), figures(question), implied)
    if kind == "date":
        ours, theirs = dates(said), dates(gold)
        hits = [any(same_date(one, other) for other in theirs) for one in ours]
        recall = sum(any(same_date(o, t) for o in ours) for t in theirs) / max(1, len(theirs))
        return (sum(hits) / len(hits) if hits else 0.0), recall
    if kind == "list":
        return list_marks(said_items(said), as_list(gold) or [gold])
    return name_marks(said, gold, question)


def yes_no(text: str) -> bool | None:
    """The first yes or no of a text; None without one."""
    yes, no = _YES.search(text), _NO.search(text)
    if yes is None and no is None:
        return None
    return no is None or (yes is not None and yes.start() < no.start())


def said_items(text: str) -> list[str]:
    """The items of a list that an answer gives: a JSON list, lines, or parts between commas."""
    found = re.search(r"\[.*\]", text, re.DOTALL)
    if found and (items := as_list(found[0])) is not None:
        return items
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        lines = re.split(r"\s*(?:[;,，、；]\s*(?:and\s+)?(?!\d{3})|\s+and\s+)\s*", lines[0])
    return [re.sub(r"^\s*(?:[-*•]|\d+[.)])\s*", "", line).strip(" .") for line in lines if line]


def name_marks(said: str, gold: str, question: str = "") -> tuple[float, float]:
    """Precision and recall of a name or short phrase: all its words stand in what was said, and
    no other names do (those of the question aside)."""
    wanted, ours = tokens(gold), tokens(said)
    if not wanted or not ours:
        return 0.0, 0.0
    if not _within(wanted, ours):
        # Most of a name's words (a title, initials, "Chief ... and President") are part of it.
        precision, recall = overlap(said, gold)
        return (precision, recall) if recall >= 0.5 and len(ours) <= 3 * len(wanted) else (0.0, 0.0)
    known = set(wanted) | set(tokens(question))
    named = {name: set(tokens(name)) for name in names(". " + said)}
    others = [words for words in named.values() if words and not known & words]
    padding = len(ours) > 40 + 4 * len(wanted)
    return 1 / (1 + len(others) + padding), 1.0


def _within(wanted: Sequence[str], ours: Sequence[str]) -> bool:
    size = len(wanted)
    return any(list(ours[at : at + size]) == list(wanted) for at in range(len(ours) - size + 1))


def _named_with_number(reference: str, words: int) -> bool:
    """A short phrase that holds a bare number ("Windows 11", "Apollo 13 crew") is a name."""
    found = figures(reference)
    return words > 2 and not any(figure.marked for figure in found) and len(names(reference)) > 0
