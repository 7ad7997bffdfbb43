"""A table's figure and what stands beside and over it: its row's label and its column's heads.

Heads are told by where they stand on the page; in a file without pages by the number of the cell
between pipes, or by the column of text that is set with spaces. Where that leaves a doubt nothing
is told.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.figures import Figure, every
from documents import Block, Document, Evidence
from documents.rows import BLANKS, Range, is_figure, label_of, row_cells, tokens

_YEAR_CELL = re.compile(r"\s*(?:19|20)\d\d\s*")
_SEPARATOR = re.compile(r"[\t|]")
_LINE = 3.0
"""Points between two printed lines of a head, at least."""
_GAP = 30.0
"""Points at most between a figure and the head of its column where the two do not overlap."""
_DOUBT = 1.3
"""How much further off the second nearest head must be."""
_CHARACTER = 5.0, 10.0
"""Points that a character of spaced columns counts for: its width, and what parts it at least from
a character on another line."""
_MOST_ROWS = 400
_INSIDE = ("table_row", "furniture")


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a table row: ``heads`` are the texts over it, outermost first; none where that
    cannot be told."""

    figure: Figure
    start: int
    heads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A table row; ``label`` is what stands in it beside the figures."""

    block: Block
    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A row as one of its table: its label's words, whether it has figures, and the ``group`` it
    is in: the last row over it that has none."""

    start: int
    label: str
    words: frozenset[str]
    figures: bool
    group_words: frozenset[str]
    group: str


@dataclass(frozen=True, slots=True)
class Held:
    """A row with figures that evidence ``n`` holds whole, and the words of its label."""

    n: int
    document: Document
    row: Row
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A head's text and where it stands."""

    text: str
    left: float
    right: float
    top: float

    def off(self, left: float, right: float) -> float:
        """Points between this and a range; below 0 where they overlap."""
        return max(left - self.right, self.left - right)

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


def row_at(document: Document, offset: int) -> Row | None:
    """The table row that holds the character at ``offset``."""
    blocks = document.blocks_in(offset, offset + 1)
    return read_row(document, blocks[0]) if blocks and blocks[0].kind == "table_row" else None


def read_row(document: Document, block: Block) -> Row:
    """A table row's label and figures, with the heads over each."""
    ranges = row_cells(document, block)
    amounts = [index for index, cell in enumerate(ranges) if is_figure(document, cell)]
    label, _ = label_of(document, block)
    header = _header(document, block, len(ranges))
    cells = []
    for index in amounts:
        start, end = ranges[index]
        for figure in every(document.text[start:end]):
            heads = _heads(document, header, (start, end))
            cells.append(Cell(figure, start + figure.start, heads))
    return Row(block, label, tuple(cells))


def held_rows(evidence: Sequence[Evidence], documents: Mapping[str, Document]) -> Iterator[Held]:
    """The rows with figures and a label that the evidence of these documents holds."""
    for n, item in enumerate(evidence, 1):
        document = documents.get(item.span.document)
        if document is None:
            continue
        for block in document.blocks_in(item.span.start, item.span.end):
            inside = item.span.start <= block.start and block.end <= item.span.end
            if block.kind == "table_row" and inside:
                row = read_row(document, block)
                if row.cells and (words := tokens(row.label)):
                    yield Held(n, document, row, words)


def table_around(document: Document, row: Block) -> tuple[Line, ...]:
    """The rows of the table that ``row`` is in, in order, on all the pages that it runs over."""
    index = _index(document, row)
    first = index
    while first > 0 and index - first < _MOST_ROWS and document.blocks[first - 1].kind in _INSIDE:
        first -= 1
    return _table(document, first)


@lru_cache(maxsize=64)
def _table(document: Document, first: int) -> tuple[Line, ...]:
    lines: list[Line] = []
    group = ""
    for block in document.blocks[first : first + 2 * _MOST_ROWS]:
        if block.kind not in _INSIDE:
            break
        if block.kind == "table_row":
            label, figures = label_of(document, block)
            lines.append(Line(block.start, label, tokens(label), figures, tokens(group), group))
            if not figures and len(row_cells(document, block)) == 1:
                group = label
    return tuple(lines)


def _index(document: Document, block: Block) -> int:
    return bisect.bisect_left(document.blocks, block.start, key=lambda other: other.start)


def _header(document: Document, block: Block, width: int) -> Sequence[Range]:
    """The row's header cells; where the reader found none, the first row of the table on the page
    if it has as many cells and no figure but years."""
    if block.header or width < 2:
        return block.header
    first = block
    at = _index(document, block)
    for other in reversed(document.blocks[max(0, at - _MOST_ROWS) : at]):
        if other.kind != "table_row" or other.page != block.page:
            break
        first = other
    cells = row_cells(document, first)
    bare = [cell for cell in cells if is_figure(document, cell)]
    years = [cell for cell in bare if _YEAR_CELL.fullmatch(document.text[cell[0] : cell[1]])]
    return cells if first is not block and len(cells) == width and bare == years else ()


def _heads(document: Document, header: Sequence[Range], cell: Range) -> tuple[str, ...]:
    if not document.pages and _separated(document, cell):
        own = _column(document, cell[0])
        above = [head for head in header if _column(document, head[0]) == own]
        return tuple(" ".join(document.text[start:end].split()) for start, end in above)
    placed = [_placed(document, *head) for head in header]
    lines = _lines([head for head in placed if head is not None])
    figure = _placed(document, *_bare(document, cell))
    leaf = _nearest(lines[-1], figure.left, figure.right) if lines and figure else None
    if leaf is None:
        return ()
    heads = [leaf.text]
    for line in reversed(lines[:-1]):
        over = [head for head in line if head.off(leaf.left, leaf.right) < 0]
        if not over and 2 * len(line) <= len(lines[-1]):
            over = [head for head in [_spanning(line, leaf.middle)] if head is not None]
        heads = [head.text for head in over] + heads
    return tuple(heads)


def _separated(document: Document, cell: Range) -> bool:
    """Whether the cells of this one's line stand between separators."""
    end = document.text.find("\n", cell[1])
    line = document.text[_line_start(document, cell[0]) : None if end < 0 else end]
    return _SEPARATOR.search(line) is not None


def _column(document: Document, offset: int) -> int:
    """How many separators stand before an offset in its line."""
    return len(_SEPARATOR.findall(document.text[_line_start(document, offset) : offset]))


def _line_start(document: Document, offset: int) -> int:
    return document.text.rfind("\n", 0, offset) + 1


def _bare(document: Document, cell: Range) -> Range:
    """The cell without the blanks and the currency sign, which may stand far to the left."""
    text = document.text[cell[0] : cell[1]]
    start = len(text) - len(text.lstrip(f"$€£¥{BLANKS}"))
    return cell[0] + start, cell[0] + len(text.rstrip())


def _placed(document: Document, start: int, end: int) -> _Placed | None:
    said = " ".join(document.text[start:end].split())
    if not document.pages:
        return _on_grid(document, start, end, said)
    boxes = document.boxes(document.span(start, end))
    if not boxes:
        return None
    return _Placed(
        said,
        min(box.x0 for box in boxes),
        max(box.x1 for box in boxes),
        min(box.y0 for box in boxes),
    )


def _on_grid(document: Document, start: int, end: int, said: str) -> _Placed:
    """A cell of a text without pages, as if its characters stood on a grid."""
    width, height = _CHARACTER
    line = _line_start(document, start)
    return _Placed(said, (start - line) * width, (end - line) * width, line * height)


def _lines(heads: Sequence[_Placed]) -> list[list[_Placed]]:
    """The heads by printed line, from the top."""
    lines: list[list[_Placed]] = []
    for head in sorted(heads, key=lambda head: head.top):
        if lines and head.top - lines[-1][0].top < _LINE:
            lines[-1].append(head)
        else:
            lines.append([head])
    return lines


def _nearest(line: Sequence[_Placed], left: float, right: float) -> _Placed | None:
    """The head over a figure: the one that overlaps it, else one near by and no other."""
    over = [head for head in line if head.off(left, right) < 0]
    if over:
        return min(over, key=lambda head: head.off(left, right))
    ranked = sorted(line, key=lambda head: head.off(left, right))
    gaps = [head.off(left, right) for head in ranked]
    if not ranked or gaps[0] > _GAP or (len(gaps) > 1 and gaps[1] < _DOUBT * gaps[0] + 1):
        return None
    return ranked[0]


def _spanning(line: Sequence[_Placed], middle: float) -> _Placed | None:
    """The head, of those over several columns, that a column's middle is nearest to."""
    ranked = sorted(line, key=lambda head: abs(head.middle - middle))
    if len(ranked) > 1:
        first, second = (abs(head.middle - middle) for head in ranked[:2])
        if second < _DOUBT * first:
            return None
    return ranked[0]
