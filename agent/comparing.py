"""One line item of several documents side by side: whose is highest, in what order, in which group.

"Which company has the highest total liabilities?" takes a row of each document and a comparison,
which a small model gets wrong more often than not. Where the evidence has such a row of every
document, the answer follows from the question's words; whose row is missing is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agent.amounts import whose
from agent.cells import Cell, Held, held_rows, table_around
from agent.comparisons import Comparison, Group, Order, comparison
from agent.dates import Period, period
from agent.figures import EXCEPTIONS, POWERS, SCALE, scale_over
from compressor.labels import words_asked
from documents import Document, Evidence, Profile, profile_of
from documents.rows import initials, tokens

_APART = frozenset(
    "non not current noncurrent before after excluding beginning comprehensive gross basic diluted "
    "operating investing financing deferred average weighted outstanding other change adjusted "
    "per accumulated retained prepaid payable receivable paid short long".split()
)
"""Words that make another item of one: with one of them too many or too few a row is not meant."""
_COUNTS = frozenset("weighted average outstanding used number denominator computing".split())
_SAME = (
    frozenset({"revenue", "sale", "turnover"}),
    frozenset({"income", "earning", "profit"}),
)
_WHEN = frozenset(
    "january february march april may june july august september october november december jan feb "
    "mar apr jun jul aug sep sept oct nov dec three six nine twelve thirteen month week quarter "
    "quarterly year fiscal period date end audited unaudited restated first second third fourth "
    "q1 q2 q3 q4 fy usd dollar thousand million billion except amount data per share".split()
) | frozenset(map(str, [*range(100), *range(1900, 2100)]))
"""Words of heads that say nothing but when, and in what."""
_LEAST_DOCUMENTS = 2
_SHORT, _LONG = 1, 1_000_000
"""From and up to what an amount without a scale may be one in thousands."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The answer in words, each figure with the ``[n]`` of its evidence; the item that it compares
    by, and the documents whose figure is not in the evidence."""

    text: str
    item: str
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A document's figure, with its scale in ``amount``."""

    name: str
    held: Held
    cell: Cell
    scale: str
    amount: Decimal

    @property
    def figure(self) -> str:
        one = self.cell.figure
        digits = f"{abs(one.value):,}"
        shown = f"({one.unit}{digits})" if one.value < 0 else f"{one.unit}{digits}"
        return f"{shown} {self.scale}".strip()


def compared(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> Compared | None:
    """What the question asks for; None where it compares nothing, where most documents have no
    figure in the evidence, or where it cannot be told for sure which is more."""
    asked = comparison(question)
    if asked is None:
        return None
    meant = _meant(question, documents)
    names = _names(list(meant.values()))
    chosen = _all_chosen(asked, question, evidence, meant, names)
    found = [one for one in chosen.values() if one is not None]
    if len(found) < _LEAST_DOCUMENTS or 2 * len(found) <= len(chosen) or _doubted(found):
        return None
    result = _grouped(asked.groups, found) if asked.groups else _ranked(asked.order, found)
    if result is None:
        return None
    lines = [f"{one.name}: {_said(one)} {one.figure} [{one.held.n}]" for one in found]
    lacking = tuple(key for key, one in chosen.items() if one is None)
    if lacking:
        lines.append(f"Not found in the evidence: {'; '.join(names[key] for key in lacking)}")
    lines.append(f"Therefore, the answer is {result}")
    text = "\n".join(f"{line.removesuffix('.')}." for line in lines)  # a name may end with one
    return Compared(text, asked.item, lacking)


def _all_chosen(
    asked: Comparison,
    question: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    names: Mapping[str, str],
) -> dict[str, _Chosen | None]:
    """Each document's figure, as far as the evidence has it."""
    rows = list(held_rows(evidence, documents))
    found: dict[str, _Chosen | None] = {}
    for key, document in documents.items():
        own = [row for row in rows if row.document is document]
        chosen = _choose(asked.item, question, document, own)
        found[key] = None if chosen is None else _as_chosen(names[key], *chosen)
    return found


def _as_chosen(name: str, held: Held, cell: Cell) -> _Chosen:
    scale = _scale(held, cell)
    return _Chosen(name, held, cell, scale, cell.figure.value.scaleb(POWERS[scale]))


def _doubted(found: Sequence[_Chosen]) -> bool:
    """Whether figures cannot be set side by side: percentages beside amounts, or a short one that
    says no scale in a document that says one elsewhere."""
    if len({one.cell.figure.unit == "%" for one in found}) > 1:
        return True
    return any(
        not one.scale
        and _SHORT <= abs(one.amount) < _LONG
        and SCALE.search(one.held.document.text) is not None
        for one in found
        if not _per_share(one.held)
    )


def _meant(question: str, documents: Mapping[str, Document]) -> dict[str, Document]:
    """The documents that the question names, or all."""
    profiles = {key: profile_of(document) for key, document in documents.items()}
    folded = question.casefold()
    named = {
        key: documents[key]
        for key, one in profiles.items()
        if one.filer and one.names[0].casefold() in folded
    }
    return named if len(named) >= _LEAST_DOCUMENTS else dict(documents)


def _names(documents: Sequence[Document]) -> dict[str, str]:
    """What each is called: by whose it is, where that tells them apart, else by the file too."""
    profiles = {document.id: profile_of(document) for document in documents}
    filers = [one.names[0] for one in profiles.values() if one.filer]

    def name(one: Profile) -> str:
        if not one.filer:
            return one.name
        own = one.names[0]
        return own if filers.count(own) == 1 else f"{own} ({one.period or one.name})"

    return {key: name(one) for key, one in profiles.items()}


def _choose(
    item: str, question: str, document: Document, rows: Sequence[Held]
) -> tuple[Held, Cell] | None:
    """The document's row that is called what is asked for, the first of those that fit best, and
    its figure of the year that the question names, or of the document's own period."""
    spoken, asked = tokens(item) - whose(document), words_asked(item)
    years, own = period(question).years, period(profile_of(document).period)
    rated = [
        (-worth, row.row.block.start, row, cell)
        for row in rows
        if (worth := _worth(row, spoken, asked)) > 0
        and (cell := _cell(row, years if len(years) == 1 else frozenset(), own)) is not None
    ]
    return min(rated, key=lambda entry: entry[:2])[2:] if rated else None


def _worth(held: Held, spoken: frozenset[str], asked: frozenset[str]) -> float:
    """How much of the item a row's label names, also with the group that it is in, and how much of
    the label that is; 0: it is not that row."""
    own, group = held.words - {"total"}, _group_words(held)
    both = own if initials(held.row.label) & asked else own & asked
    if not own or 2 * len(both) <= len(own) or _turned(group - asked, spoken - held.words):
        return 0.0
    words = held.words | (group & (asked | spoken))
    fits = [len(one & words) / len(one) for one in _alike(spoken) if _fits(words, one, asked)]
    return max(fits) + len(both) / len(own) if fits else 0.0


def _turned(group: frozenset[str], lacking: frozenset[str]) -> bool:
    """Whether a row's group makes another item of it: inventories under "changes in", or "basic"
    under "weighted average shares"."""
    return "change" in group or bool(lacking and group & _COUNTS)


def _alike(spoken: frozenset[str]) -> Iterator[frozenset[str]]:
    """What is asked for, also by the other words that accounts have for it."""
    yield spoken
    for group in _SAME:
        for word in group & spoken:
            yield from (spoken - {word} | {other} for other in group - {word})


def _fits(words: frozenset[str], spoken: frozenset[str], asked: frozenset[str]) -> bool:
    """Whether a label has half of what is asked for, and sets nothing apart that is not. A loss a
    share that is basic and diluted at once is both."""
    both = {"basic", "diluted"}
    apart = _APART - both if both <= words else _APART
    missing, more = (spoken - words) & _APART, (words - asked - spoken) & apart
    return 2 * len(spoken & words) >= len(spoken) and not missing and not more


def _group_words(held: Held) -> frozenset[str]:
    start = held.row.block.start
    lines = table_around(held.document, held.row.block)
    return next((line.group_words for line in lines if line.start == start), frozenset())


def _cell(held: Held, years: frozenset[str], own: Period) -> Cell | None:
    """The row's figure of the year asked for, if any, which is best of a document's ``own`` period,
    under a head that says nothing but when; the first of those that fit as well."""
    cells = [cell for cell in held.row.cells if not tokens(" ".join(cell.heads)) - _WHEN]
    fitting = [cell for cell in cells if years <= period(" ".join(cell.heads)).years]
    return max(fitting, key=lambda one: own.shared(period(" ".join(one.heads))), default=None)


def _scale(held: Held, cell: Cell) -> str:
    """The figure's scale. One that has exceptions holds but for amounts per share."""
    if cell.figure.scale or cell.figure.unit == "%":
        return cell.figure.scale
    block = held.row.block
    span = held.document.span(block.start, block.end)
    scale = scale_over(held.document, span, cell.start, cell.heads).removesuffix(EXCEPTIONS)
    return "" if _per_share(held) else scale


def _per_share(held: Held) -> bool:
    return "per" in held.words | _group_words(held)


def _said(one: _Chosen) -> str:
    """The row's label, and the period over the figure."""
    label = " ".join(one.held.row.label.split()).strip(" :–—-")
    heads = " ".join(one.cell.heads)
    return f"{label} ({heads})" if heads and period(heads).years else label


def _ranked(order: Order | None, found: Sequence[_Chosen]) -> str | None:
    """Whose is the most or the least, which has to be one; or all of them in order."""
    rising = sorted(found, key=lambda one: one.amount)
    if order in ("rising", "falling"):
        shown = rising if order == "rising" else rising[::-1]
        return ", ".join(f"{one.figure} ({one.name})" for one in shown)
    first, second = (rising[-1], rising[-2]) if order == "most" else (rising[0], rising[1])
    if first.amount == second.amount:
        return None
    return f"{first.name}, {first.figure} [{first.held.n}]"


def _grouped(groups: Sequence[Group], found: Sequence[_Chosen]) -> str | None:
    """The groups with who is in each; None where somebody is in none."""
    places = [
        next((n for n, group in enumerate(groups) if group.holds(one.amount)), None)
        for one in found
    ]
    if None in places:
        return None

    def inside(number: int) -> Iterator[str]:
        yield from (one.name for one, place in zip(found, places, strict=True) if place == number)

    return "; ".join(
        f"{group.name}: {', '.join(inside(number)) or 'none'}"
        for number, group in enumerate(groups)
    )
