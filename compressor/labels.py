"""Table rows that are called what is asked for.

"Inventories 4,268 3,742" says little to a critic that was trained on sentences, and yet it is what
a question about inventory levels is after. So a row with figures is helped by how much of its
label the question has.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.units import Unit, raised
from documents.document import Document
from documents.rows import initials, label_of, tokens

WEIGHT = 1.8
"""What a label that is asked for in full adds to the logit of a row's score."""
_ALSO = tuple(
    (re.compile(rf"\b(?:{asked})\b", re.IGNORECASE), tokens(printed))
    for asked, printed in (
        (
            r"cap(?:ital )?(?:ex|expenditures?|spending)",
            "purchases of, additions to, payments for property, plant and equipment; capital "
            "expenditures",
        ),
        (r"revenues?|turnover|sales", "net sales, revenue"),
        (
            r"cogs|cost of (?:goods sold|sales|revenues?)",
            "cost of goods sold, of sales, of revenue",
        ),
        (r"net (?:income|earnings|profit|loss)|bottom line", "net income, earnings, profit, loss"),
        (r"operating (?:income|profit|earnings)|ebit", "operating income, profit, from operations"),
        (
            r"eps|(?:earnings|income|profit|loss) per (?:(?:common|ordinary) )?share",
            "earnings, income, loss per share, basic, diluted",
        ),
        (r"administrative (?:expenses?|costs?)|g&a", "selling, general and administrative"),
        (r"pp&e|fixed assets", "property, plant and equipment"),
        (r"d&a", "depreciation and amortization"),
        (r"buybacks?|(?:share|stock) repurchases?", "repurchases of common stock, shares"),
        (r"headcount|workforce|staff", "employees"),
        (
            r"cash flows? from operat\w+|operating cash flows?",
            "net cash provided by, used in, from operating activities",
        ),
        (
            r"cash flows? from invest\w+|investing cash flows?",
            "net cash provided by, used in, from investing activities",
        ),
        (
            r"cash flows? from financ\w+|financing cash flows?",
            "net cash provided by, used in, from financing activities",
        ),
        (r"(?:share|stock)holders.? equity", "total shareholders, stockholders equity"),
        (r"dividends? per share", "cash dividends declared, paid per common share"),
    )
)
"""What accounts print for what people ask."""


def helped(
    question: str, document: Document, found: Sequence[Unit], score: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The scores, [units], with those of table rows raised by `called`."""
    return raised(score, WEIGHT * called(question, document, found))


def called(question: str, document: Document, found: Sequence[Unit]) -> NDArray[np.float64]:
    """Of each unit, 0 to 1: for a table row with figures the squared share of its label's words
    that the question has, a word counting by how rare it is in the document (its inverse document
    frequency over units); 0 for all else."""
    shares = np.zeros(len(found))
    labels = {
        number: label for number, unit in enumerate(found) if (label := _label(document, unit))
    }
    if not labels:
        return shares
    asked = words_asked(question)
    seen: Counter[str] = Counter()
    for unit in found:
        seen.update(tokens(document.text[unit.start : unit.end]))
    rare = {word: math.log((len(found) + 1) / (count + 0.5)) for word, count in seen.items()}
    for number, label in labels.items():
        words = tokens(label)
        whole = sum(rare[word] for word in words)
        if whole > 0:
            held = words if initials(label) & asked else words & asked
            shares[number] = (sum(rare[word] for word in held) / whole) ** 2
    return shares


def words_asked(question: str) -> frozenset[str]:
    """The words of a question, and those that accounts have for them."""
    return tokens(question).union(*(also for form, also in _ALSO if form.search(question)))


def as_printed(item: str) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """For each thing in an item that accounts have other words for: those, and what else the item
    says."""
    for form, printed in _ALSO:
        if form.search(item):
            yield printed, tokens(form.sub(" ", item))


def _label(document: Document, unit: Unit) -> str:
    blocks = document.blocks_in(unit.start, unit.end)
    if not blocks or blocks[0].kind != "table_row":
        return ""
    label, figures = label_of(document, blocks[0])
    return label if figures else ""
