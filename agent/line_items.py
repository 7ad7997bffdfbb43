"""A line item of a document: the table row that is called what a question asks for, and its figure.

"Basic earnings per share" is the row "Basic" under "Net loss per share", the column of the period
asked for, or of the document's own, and in thousands where the table says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agent.amounts import whose
from agent.cells import Cell, Held, held_rows, table_around
from agent.dates import Period, period
from agent.figures import EXCEPTIONS, POWERS, SCALE, scale_over
from compressor.labels import as_printed, words_asked
from documents import Document, Evidence, Profile, profile_of
from documents.rows import initials, tokens

_APART = frozenset(
    "non not current noncurrent before after excluding beginning comprehensive gross basic diluted "
    "operating investing financing deferred average weighted outstanding other change adjusted "
    "per accumulated retained prepaid payable receivable paid short long".split()
)
"""Words that make another item of one: with one of them too many or too few a row is not meant."""
_COUNTS = frozenset("weighted average outstanding used number denominator computing".split())
_PARTS = frozenset({"change", "discontinued", "continuing"})
_SAME = (
    frozenset({"revenue", "sale", "turnover"}),
    frozenset({"income", "earning", "profit"}),
)
_ALIKE = (_SAME[0], _SAME[1] | {"loss"})
"""The same with a loss, which is an income below zero."""
_LOOSE = frozenset("balance total amount value level figure net flow equivalent".split())
_COSTS = frozenset("expense cost expenditure spending".split())
_INFLOWS = frozenset("income revenue sale gain benefit asset".split())
_SEGMENTS = frozenset("segment division business revenue sale".split())
"""Words of a question that a row need not have to be the one; costs, unless it is of an inflow;
those of the last where it is a segment's."""
_NEUTRAL = frozenset(
    "net total provided used generated common ordinary equivalent restricted continuing operation "
    "note consolidated group attributable".split()
)
"""Words of a row that say no other item."""
_EXCEPTED = frozenset("share number unit employee percent percentage ratio".split())
"""What is not in the scale of a table that is, with exceptions."""
_WHEN = frozenset(
    "january february march april may june july august september october november december jan feb "
    "mar apr jun jul aug sep sept oct nov dec three six nine twelve thirteen month week quarter "
    "quarterly year fiscal period date end audited unaudited restated first second third fourth "
    "q1 q2 q3 q4 fy us usd dollar thousand million billion except amount data per share".split()
) | frozenset(map(str, [*range(100), *range(1900, 2100)]))
"""Words of heads that say nothing but when, and in what."""


_Rated = tuple[float, int, Held, Cell]
"""How well a row fits, below 0; where it stands; the row and its figure."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A document's row and figure for an item, with the figure's scale in ``amount``."""

    held: Held
    cell: Cell
    scale: str
    amount: Decimal

    @property
    def document(self) -> str:
        """The id of whose it is."""
        return self.held.document.id

    @property
    def figure(self) -> str:
        """The figure as printed, with its scale."""
        one = self.cell.figure
        digits = f"{abs(one.value):,}"
        shown = f"({one.unit}{digits})" if one.value < 0 else f"{one.unit}{digits}"
        return f"{shown} {self.scale}".strip()


@dataclass(frozen=True, slots=True)
class Told:
    """An answer in words, each figure with the ``[n]`` of its evidence; the item that it is about,
    and the documents whose figure is not in the evidence."""

    text: str
    item: str
    lacking: tuple[str, ...]


def worded(
    found: Sequence[Chosen], names: Mapping[str, str], lacking: Sequence[str], result: str
) -> str:
    """The answer: a line a document, whose figure is missing, and what follows."""
    lines = [f"{names[one.document]}: {called(one)} {one.figure} [{one.held.n}]" for one in found]
    if lacking:
        lines.append(f"Not found in the evidence: {'; '.join(names[key] for key in lacking)}")
    lines.append(f"Therefore, the answer is {result}")
    return "\n".join(f"{line.removesuffix('.')}." for line in lines)  # a name may end with one


def names_of(documents: Sequence[Document]) -> dict[str, str]:
    """What each is called: by whose it is, where that tells them apart, else by the file too."""
    profiles = {document.id: profile_of(document) for document in documents}
    filers = [one.names[0] for one in profiles.values() if one.filer]

    def name(one: Profile) -> str:
        if not one.filer:
            return one.name
        own = one.names[0]
        return own if filers.count(own) == 1 else f"{own} ({one.period or one.name})"

    return {key: name(one) for key, one in profiles.items()}


def choose(
    item: str, question: str, document: Document, rows: Sequence[Held], *, sure: bool = False
) -> Chosen | None:
    """The document's row that is called what is asked for, the first of those that fit best, and
    its figure of the year that the question names, or of the document's own period. With ``sure``
    None where no row names all of it, or several do that say different figures: those that speak
    of nothing besides, if there are any."""
    spoken, asked = tokens(item) - whose(document), words_asked(item)
    when, own = period(question), period(profile_of(document).period)
    if len(when.years) > 1:  # it may compare them
        when = Period()
    rated = [
        (-worth, row.row.block.start, row, cell)
        for row in rows
        if (worth := _worth(row, spoken, asked)) > 0 and (cell := _cell(row, when, own)) is not None
    ]
    if sure:
        rated = _sure(item, rated)
    if not rated:
        return None
    _, _, held, cell = min(rated, key=lambda entry: entry[:2])
    scale = scale_of(held, cell)
    return Chosen(held, cell, scale, cell.figure.value.scaleb(POWERS[scale]))


def choose_each(
    item: str,
    question: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    *,
    sure: bool = False,
) -> dict[str, Chosen | None]:
    """Each document's figure, as far as the evidence has it."""
    rows = list(held_rows(evidence, documents))
    return {
        key: choose(item, question, each, [row for row in rows if row.document is each], sure=sure)
        for key, each in documents.items()
    }


def called(one: Chosen) -> str:
    """The row's label, and the period over the figure."""
    label = " ".join(one.held.row.label.split()).strip(" :–—-")
    heads = " ".join(one.cell.heads)
    if heads.isdecimal():  # in parentheses it would be a figure below zero
        return f"{label} in {heads}"
    return f"{label} ({heads})" if period(heads).years else label


def per_share(held: Held) -> bool:
    """Whether a row is of amounts per share."""
    return "per" in held.words | _group_words(held)


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


def _sure(item: str, rated: Sequence[_Rated]) -> list[_Rated]:
    """The entries that can only be meant, of those the ones that fit best; none where they
    differ."""
    full = [entry for entry in rated if names_all(entry[2], item)]
    exact = [entry for entry in full if not _besides(entry[2], item)] or full
    best = [entry for entry in exact if entry[0] == min(worth for worth, *_ in exact)]
    return best if len({cell.figure.value for *_, cell in best}) == 1 else []


def names_all(held: Held, item: str, *, segment: bool = False) -> bool:
    """Whether a row and the group that it is in name all of an item; ``segment``: or the segment
    of a company whose revenue it is."""
    words = held.words | _group_words(held) | initials(held.row.label)
    named = words.union(*(group for group in _ALIKE if group & words))
    spoken = tokens(item) - whose(held.document)
    wanted = spoken - _loose(words) - (_SEGMENTS if segment else frozenset())
    return (wanted or spoken) <= named or _as_accounts_say(held, item, named)


def _besides(held: Held, item: str) -> frozenset[str]:
    """The words of a row that make it another item than the one asked for."""
    asked = words_asked(item)
    if initials(held.row.label) & asked:
        return frozenset()
    alike = frozenset[str]().union(*(group for group in _ALIKE if group & asked))
    return held.words - asked - alike - _NEUTRAL - _WHEN


def _as_accounts_say(held: Held, item: str, named: frozenset[str]) -> bool:
    """Whether a row is what accounts call an item, and nothing besides: "Net cash provided by
    operating activities" is cash flow from operations."""
    known = whose(held.document)
    return any(
        len(held.words & printed) > 1
        and held.words - {"total"} <= printed | rest
        and rest - known - _LOOSE <= named
        for printed, rest in as_printed(item)
    )


def _loose(words: frozenset[str]) -> frozenset[str]:
    """The words of a question that a row with these words need not have."""
    return _LOOSE if words & _INFLOWS else _LOOSE | _COSTS


def _turned(group: frozenset[str], lacking: frozenset[str]) -> bool:
    """Whether a row's group makes another item of it: inventories under "changes in", "basic" under
    "weighted average shares" or "from discontinued operations"."""
    return bool(group & _PARTS) or bool(lacking and group & _COUNTS)


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
    needed = spoken - (_loose(words) - words) - {"segment"}
    enough = 2 * len(spoken & words) >= len(needed)
    return enough and not missing and not more


def _group_words(held: Held) -> frozenset[str]:
    """The words of the group that a row is in, but for those that say a scale."""
    start = held.row.block.start
    lines = table_around(held.document, held.row.block)
    group = next((line.group for line in lines if line.start == start), "")
    return tokens(SCALE.sub(" ", group))


def _cell(held: Held, asked: Period, own: Period) -> Cell | None:
    """The row's figure of the period asked for, if any, which is best of a document's ``own``
    period, under a head that says nothing but when; the first of those that fit as well."""
    cells = [cell for cell in held.row.cells if not tokens(" ".join(cell.heads)) - _WHEN]
    heads = {cell: period(" ".join(cell.heads)) for cell in cells}
    fitting = [cell for cell in cells if _of_period(asked, heads[cell], own)]
    return max(fitting, key=lambda one: own.shared(heads[one]), default=None)


def _of_period(asked: Period, here: Period, own: Period) -> bool:
    """Whether a column of a document, whose ``own`` period may say more, may be of the period asked
    for. A quarter's figure does not stand under a year alone."""
    if not asked.years <= here.years:
        return False
    both = ((asked.days, here.days or own.days), (asked.lasts, here.lasts))
    if any(wanted and said and not wanted & said for wanted, said in both):
        return False
    return not asked.lasts - {"12"} or bool(here.lasts or here.days)


def scale_of(held: Held, cell: Cell) -> str:
    """The figure's scale. One that has exceptions holds but for amounts per share and counts."""
    if cell.figure.scale or cell.figure.unit == "%":
        return cell.figure.scale
    block = held.row.block
    span = held.document.span(block.start, block.end)
    scale = scale_over(held.document, span, cell.start, cell.heads)
    if scale.endswith(EXCEPTIONS) and _EXCEPTED & (held.words | _group_words(held)):
        return ""
    return "" if per_share(held) else scale.removesuffix(EXCEPTIONS)
