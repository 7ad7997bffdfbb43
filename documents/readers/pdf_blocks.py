"""From printed rows to blocks: tables, paragraphs, headings, list items and captions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from documents.document import BlockKind
from documents.readers.pdf_order import Row, regions, rows, usual_gap
from documents.readers.pdf_tables import TableRow, find_tables
from documents.readers.pdf_words import PageWords, Piece

MARKER = re.compile(
    r"(?:[•●○◦▪■□–—‣∙·*»►➢✓❑]|[-]|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,5})[.)]|\(\d{1,2}\)|\[\d{1,3}\])"
)
_CAPTION = re.compile(
    r"(?:Figure|Fig\.|Table|Exhibit|Chart|Listing|Algorithm)\s+\d+[\w.]*[:.]\s*\S"
)
_HEAD_NUMBER = re.compile(r"(?:\d{1,2}(?:\.\d{1,2})*\.?|[A-Z]\.|Item\s+\d+[A-Z]?\.|Note\s+\d+)\s")
_BULLETS = "•●○◦▪■□‣∙·»►➢✓❑"
_END = (".", ":", ";", "!", "?", ".”", '."', ".)")


@dataclass(slots=True, eq=False)
class Draft:
    """A block before its text is written. A cell is a list of printed lines, a line a list of
    word numbers; everything but a table row has one cell."""

    kind: BlockKind
    cells: list[list[list[int]]]
    size: float
    table: int = -1
    header: list[tuple[Draft, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Look:
    """What is usual: the page's text size and whether it is bold, and a column's white space
    between lines (as a share of size) and edges."""

    size: float
    bold: bool
    gap: float
    left: float
    right: float


@dataclass(slots=True, eq=False)
class PageDrafts:
    """A page's blocks in reading order, and the number of the printed line of every word."""

    drafts: list[Draft]
    lines: list[int]


def draft_page(words: PageWords) -> PageDrafts:
    """Put a page's words into blocks in reading order."""
    texts = words.texts
    lines = [0] * len(texts)
    drafts: list[Draft] = []
    body = _body_style(words.main)
    number = tables = 0
    for region in regions(words.main):
        column = rows(region)
        for row in column:
            for piece in row.pieces:
                for word in piece.words:
                    lines[word] = number
            number += 1
        at, first = 0, len(drafts)
        look = Look(*body, usual_gap(column), min(p.x0 for p in region), max(p.x1 for p in region))
        for start, end, table in find_tables(column, texts):
            drafts.extend(_text_blocks(column[at:start], texts, look))
            drafts.extend(_table_blocks(table, tables))
            tables += 1
            at = end
        drafts.extend(_text_blocks(column[at:], texts, look))
        _join_columns(drafts, first, texts)
    for piece in words.turned:
        for word in piece.words:
            lines[word] = number
        number += 1
        drafts.append(Draft("paragraph", [[piece.words]], piece.size))
    return PageDrafts(drafts, lines)


def _join_columns(drafts: list[Draft], first: int, texts: list[str]) -> None:
    """Where a column starts in mid-sentence, go on with the paragraph the last one ended in."""
    if not 0 < first < len(drafts):
        return
    above, below = drafts[first - 1], drafts[first]
    if above.kind not in ("paragraph", "list_item") or below.kind != "paragraph":
        return
    if abs(above.size - below.size) > 0.4 or texts[above.cells[0][-1][-1]].endswith(_END):
        return
    if texts[below.cells[0][0][0]][:1].islower():
        above.cells[0].extend(below.cells[0])
        del drafts[first]


def _body_style(pieces: list[Piece]) -> tuple[float, bool]:
    """The size most of the page's characters have, and whether most of those are bold."""
    weights: dict[float, int] = {}
    bold = 0
    for piece in pieces:
        size = round(piece.size * 2) / 2
        weights[size] = weights.get(size, 0) + piece.letters
        bold += piece.letters if piece.bold else 0
    if not weights:
        return 0.0, False
    return max(weights, key=lambda size: weights[size]), bold > 0.6 * sum(weights.values())


def _table_blocks(table: list[TableRow], number: int) -> list[Draft]:
    """A table's rows as drafts; header cells point at the drafts they are in."""
    made: dict[int, Draft] = {}
    for row in table:
        draft = Draft("table_row", [cell.lines for cell in row.cells], row.rows[0].size, number)
        draft.header = [(made[id(above)], cell) for above, cell in row.header]
        made[id(row)] = draft
    return list(made.values())


def _text_blocks(column: list[Row], texts: list[str], look: Look) -> list[Draft]:
    """Rows without a table as paragraphs, headings, list items and captions."""
    if not column:
        return []
    group = [column[0]]
    found: list[Draft] = []
    for above, row in pairwise(column):
        if _breaks(above, row, group, look, texts):
            found.append(_text_block(group, texts, look))
            group = []
        group.append(row)
    found.append(_text_block(group, texts, look))
    return found


def _words(row: Row) -> list[int]:
    if len(row.pieces) == 1:
        return row.pieces[0].words
    return [word for piece in row.pieces for word in piece.words]


def _breaks(above: Row, row: Row, group: list[Row], look: Look, texts: list[str]) -> bool:
    """Whether a new block starts with ``row``."""
    size = max(above.size, row.size)
    return (
        (_aside(row, texts) and above.x1 - above.x0 < 0.8 * (look.right - look.left))
        or row.y0 - above.y1 > (look.gap + 0.35) * size
        or above.y0 > row.y1
        or abs(above.size - row.size) > 0.08 * size
        or above.bold != row.bold
        or _begins_item(above, row, group, texts)
        or _begins_paragraph(above, row, group, look, texts)
    )


def _begins_item(above: Row, row: Row, group: list[Row], texts: list[str]) -> bool:
    """Whether ``row`` opens with a list's marker where a list item can start."""
    first, last = texts[row.pieces[0].words[0]], texts[above.pieces[-1].words[-1]]
    if not MARKER.fullmatch(first) or (len(row.pieces) == 1 and len(row.pieces[0].words) == 1):
        return False
    listed = MARKER.fullmatch(texts[group[0].pieces[0].words[0]])
    return listed is not None or last.endswith(_END) or first[0] in _BULLETS


def _begins_paragraph(above: Row, row: Row, group: list[Row], look: Look, texts: list[str]) -> bool:
    """Whether the line above ends a paragraph by being short, or ``row`` is indented."""
    first, last = texts[row.pieces[0].words[0]], texts[above.pieces[-1].words[-1]]
    left, right = look.left, look.right
    if last.endswith(_END):
        if above.x1 < right - 0.22 * (right - left) and not first[:1].islower():
            return True
        if row.x0 - above.x0 > 0.8 * max(above.size, row.size) and len(group) > 1:
            return True
    short = above.x1 < left + 0.5 * (right - left) and above.x1 < right - 60
    if short and row.x0 > above.x0 - row.size and first[:1].isupper() and len(group) > 1:
        return row.x0 >= group[-1].x0 - 1
    return False


def _aside(row: Row, texts: list[str]) -> bool:
    """Whether the row is one remark in parentheses, as under a table's title."""
    words = _words(row)
    return texts[words[0]].startswith("(") and texts[words[-1]].endswith(")")


def _text_block(group: list[Row], texts: list[str], look: Look) -> Draft:
    """One block of consecutive rows, with its kind."""
    lines = [_words(row) for row in group]
    text = " ".join([texts[word] for line in lines for word in line])
    size = max(group, key=lambda row: row.x1 - row.x0).size
    kind: BlockKind = "paragraph"
    if _CAPTION.match(text):
        kind = "caption"
    elif _is_heading(text, group, size, look):
        kind = "heading"
    elif MARKER.fullmatch(texts[lines[0][0]]) and len(text) > 4:
        kind = "list_item"
    return Draft(kind, [lines], size)


def _is_heading(text: str, group: list[Row], size: float, look: Look) -> bool:
    """Whether a block is a heading: short, and larger or bolder than the page's text."""
    if len(group) > 4 or len(text) > 200:
        return False
    numbered = _HEAD_NUMBER.match(text + " ")
    named = text[numbered.end() :] if numbered else text
    if sum(map(str.isalpha, named)) < max(3, 0.45 * len(named)):
        return numbered is not None and size >= 1.15 * look.size
    if text[0].islower() or "@" in text:
        return False
    ends = text.endswith((".", ",", ";")) and not numbered
    if size >= 1.15 * look.size:
        return len(text) <= 120 or not ends
    return size >= 0.93 * look.size and not ends and _stands_out(text, group, look)


def _stands_out(text: str, group: list[Row], look: Look) -> bool:
    """Whether a block in the text's own size is bold among plain text, or all capitals."""
    if all(row.bold for row in group) and not look.bold:
        return not text.endswith(":") or len(text) < 60
    return len(group) == 1 and text.isupper() and len(text.split()) > 1 and len(text) < 80
