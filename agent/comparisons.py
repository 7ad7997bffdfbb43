"""Questions that compare documents: by which line item, and what they want to know of it.

"Which company has the highest total liabilities?", "List the inventories of each of the companies
in ascending order", "Categorize the companies by total assets into: large (over $10,000,000), …".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from agent.figures import printed
from documents.rows import tokens

Order = Literal["most", "least", "rising", "falling"]

_MOST, _LEAST = r"highest|largest|greatest|biggest|most", r"lowest|smallest|least|fewest"
_WHOSE = (
    r"compan(?:y|ies)|firms?|corporations?|banks?|issuers?|registrants?|filers?|business(?:es)?"
    r"|entit(?:y|ies)|filings?|reports?|documents?"
)
_WHICH = re.compile(
    rf"\bwhich\b(?:\s+(?:of|one|among|the|these|those|listed|above))*\s+(?:{_WHOSE})\b"
    rf"[^?.]*?\b(?:(?P<most>{_MOST})|(?:{_LEAST}))\b\s*(?P<item>[^?.;]*)",
    re.IGNORECASE,
)
_ORDER = re.compile(
    rf"\b(?:(?P<up>ascending|increasing)|descending|decreasing)\s+order\b"
    rf"|\bfrom\s+(?:the\s+)?(?:{_MOST}|(?P<low>{_LEAST}))\s+to\s+(?:the\s+)?\w+",
    re.IGNORECASE,
)
_EACH = re.compile(
    rf"\b(?:list|rank|sort|order|arrange|give|name)\s+(?:the\s+)?(?P<item>[^?.;]+?)\s+(?:of|for)\s+"
    rf"(?:each|all|every|these|those|the)\b[^?.]*\b(?:{_WHOSE})\b",
    re.IGNORECASE,
)
_INTO = re.compile(
    rf"\b(?:{_WHOSE})\b[^?.]*?\bby\s+(?:their\s+)?(?P<item>[^?.;:]+?),?\s+into\b[^:]*:\s*"
    r"(?P<groups>.+?)(?:\.\s|\.?\s*$)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(r"(?<!\w)['‘“\"]([^'’”\"\n]{3,80})['’”\"](?!\w)")
_AMONG = re.compile(r"\b(?:among|amongst|out of|compared|of (?:the|these|those|all)|in)\b.*", re.I)
_PARTS = re.compile(r",\s+(?:and\s+)?(?![^()]*\))|;\s*(?:and\s+)?|\s+and\s+(?![^()]*\))")
_FIGURE = r"[$€£¥]?\s?\d[\d,]*(?:\.\d+)?(?:\s(?:thousand|million|billion)\b)?"
_BOUND = re.compile(
    rf"(?P<low>\b(?:over|above|more than|greater than|exceeding|at least|from)\s+{_FIGURE})"
    rf"|(?P<high>\b(?:below|under|less than|up to|at most)\s+{_FIGURE})"
    rf"|(?P<from>{_FIGURE})\s*(?:to|and|[–-])\s*(?P<to>{_FIGURE})",
    re.IGNORECASE,
)
_NOUGHT = re.compile(r"\bneutral\b|\bzero\b|\b(?:equal to\s+)?0\b", re.IGNORECASE)
_SIGN = re.compile(r"\b(?:(?P<below>negative)|positive)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Group:
    """A group by amount, both bounds left out but where they are one."""

    name: str
    low: Decimal | None
    high: Decimal | None

    def holds(self, amount: Decimal) -> bool:
        """Whether an amount is in the group."""
        if self.low is not None and self.low == self.high:
            return amount == self.low
        above = self.low is None or amount > self.low
        return above and (self.high is None or amount < self.high)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The line item that a question compares by, and what it wants: the most or the least of it,
    all in order, or all in groups."""

    item: str
    order: Order | None = None
    groups: tuple[Group, ...] = ()


def comparison(question: str) -> Comparison | None:
    """What a question compares documents by; None where it does not, or says no bounds."""
    quoted = _QUOTED.search(question)
    if (into := _INTO.search(question)) and (groups := _groups(into["groups"])):
        return Comparison(quoted[1] if quoted else into["item"], groups=groups)
    order, each = _ORDER.search(question), _EACH.search(question)
    if order and each:
        rising = order["up"] or order["low"]
        return Comparison(quoted[1] if quoted else each["item"], "rising" if rising else "falling")
    if which := _WHICH.search(question):
        item = quoted[1] if quoted else _AMONG.sub("", which["item"])
        return Comparison(item, "most" if which["most"] else "least") if tokens(item) else None
    return None


def _groups(text: str) -> tuple[Group, ...]:
    """The groups, if each says by amounts what is in it."""
    found = [_group(part.strip()) for part in _PARTS.split(text) if part.strip()]
    whole = tuple(group for group in found if group is not None)
    return whole if len(whole) == len(found) > 1 else ()


def _group(text: str) -> Group | None:
    name, _, condition = text.partition("(")
    name, said = name.strip(), condition or text
    low, high = _bounds(said)
    if low is None and high is None:
        if (sign := _SIGN.search(text)) is not None:
            nought = Decimal(0)
            low, high = (None, nought) if sign["below"] else (nought, None)
        elif _NOUGHT.search(text):
            low = high = Decimal(0)
        else:
            return None
    return Group(name or text, low, high)


def _bounds(text: str) -> tuple[Decimal | None, Decimal | None]:
    low: Decimal | None = None
    high: Decimal | None = None
    for match in _BOUND.finditer(text):
        amounts = [figure.amount for figure in printed(match[0])]
        if not amounts:
            continue
        if match["low"] or match["from"]:
            low = amounts[0]
        if match["high"] or match["to"]:
            high = amounts[-1]
    return low, high
