"""Tables from the geometry of words: runs of printed rows with cells in columns.

The library's own table finder is slow and needs ruled lines; financial statements have few.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from documents.readers.pdf_order import Row
from documents.readers.pdf_words import Piece

_VALUE = re.compile(
    r"[(\[<>~≈±+\-–—−]*\s?(?:[$€£¥₹]|US\$|C\$|A\$)?\s?[(\-–—−]?\d[\d.,'’]*(?:/\d+)?"
    r"\s?(?:%|x|bps|pts?|[BMK]|bn|million|billion)?\s?[)\]]*(?:\s?%)?\*?(?:\(\w\))?%?",
)
_NOTHING = re.compile(r"[$€£¥]?\s?(?:[-–—−]+|n/?a|N/?[AM]|nm|NM|\*+)\s?%?\)?")
_YEAR = re.compile(
    r"(?:FY|CY)?[’']?(?:19|20)\d\d[AE]?(?:\s?(?:/|[-–—])\s?\d\d(?:\d\d)?)?(?:\(\w\))?"
)
_DATE = re.compile(
    r"\b(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\b"
    r"|\bQ[1-4]\b|\bFY\s?\d\d|\b(?:months|weeks|quarters?|years?|period)\b",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"[(]?(?:[$€£¥₹]|US\$|C\$|A\$)[(]?|[(]")
_SIGNS = frozenset("$€£¥₹")
_CLOSING = re.compile(r"[)%]+|\)%|pts?\.?|bps")
_CONTINUES = re.compile(r"(?:,|\b(?:of|and|or|by|for|to|from|in|on|the|with|per|at|non))$")


@dataclass(slots=True, eq=False)
class Cell:
    """Words of one row that stand together in one column; ``lines`` has more than one entry
    where a label runs over several printed lines."""

    x0: float
    x1: float
    lines: list[list[int]]
    text: str
    kind: str = "text"  # "text", "value" (a figure) or "date" (a year or the name of a period)


@dataclass(slots=True, eq=False)
class TableRow:
    """One row of a table and the header cells over it, as (row, cell number)."""

    rows: list[Row]
    cells: list[Cell]
    header: list[tuple[TableRow, int]] = field(default_factory=list)


def cells_of(row: Row, texts: list[str]) -> list[Cell]:
    """Cut a printed row into cells at wide gaps; currency signs, parentheses and per cent
    signs stay with their number."""
    cells: list[Cell] = []
    for piece in row.pieces:
        for x0, x1, words in _before_currency(piece, texts):
            text = " ".join([texts[word] for word in words])
            cell = cells[-1] if cells else None
            if cell is not None and _belongs(cell, x0 - cell.x1, text, row.size):
                cell.lines[0].extend(words)
                cell.x1 = max(cell.x1, x1)
                cell.text += " " + text
            else:
                cells.append(Cell(x0, x1, [list(words)], text))
    for cell in cells:
        cell.kind = _kind(cell.text)
    return cells


def _before_currency(piece: Piece, texts: list[str]) -> list[tuple[float, float, list[int]]]:
    """A piece's words with their sides, cut where a figure ends and a currency sign follows,
    which belongs to the next column ("21,697 $" and then "14,891")."""
    words = piece.words
    cuts = [
        number
        for number in range(1, len(words))
        if texts[words[number]] in _SIGNS and _VALUE.fullmatch(texts[words[number - 1]])
    ]
    if not cuts:
        return [(piece.x0, piece.x1, words)]
    lengths = [len(texts[word]) + 1 for word in words]
    step = (piece.x1 - piece.x0) / (sum(lengths) - 1)
    found = []
    for start, end in pairwise([0, *cuts, len(words)]):
        x0 = piece.x0 + step * sum(lengths[:start])
        found.append((x0, x0 + step * (sum(lengths[start:end]) - 1), words[start:end]))
    return found


def _belongs(cell: Cell, gap: float, text: str, size: float) -> bool:
    """Whether a piece at ``gap`` right of the cell is part of it."""
    if _CURRENCY.fullmatch(cell.text) and (_is_value(text) or text.startswith("(")):
        return gap < 20 * size
    if _CLOSING.fullmatch(text):
        return gap < 1.5 * size
    if _is_value(text) and _is_value(cell.text):
        return gap < 0.3 * size
    if _CURRENCY.fullmatch(text):
        return False
    return gap < 0.9 * size


def _is_value(text: str) -> bool:
    return bool(_VALUE.fullmatch(text) or _NOTHING.fullmatch(text))


def _kind(text: str) -> str:
    if _YEAR.fullmatch(text):
        return "date"
    if _is_value(text):
        return "value"
    if len(text) < 60 and _DATE.search(text):
        return "date"
    return "text"


def split_values(row: Row, texts: list[str]) -> list[Cell]:
    """As `cells_of`, but a line of figures set close together is cut between the figures."""
    cells = cells_of(row, texts)
    found: list[Cell] = []
    for cell in cells:
        words = cell.lines[0]
        parts = [texts[word] for word in words]
        if len(words) < 2 or cell.kind != "text" or not all(map(_is_value, parts)):
            found.append(cell)
            continue
        width = (cell.x1 - cell.x0) / max(1, len(cell.text))
        at = cell.x0
        for word, part in zip(words, parts, strict=True):
            end = at + len(part) * width
            found.append(Cell(at, end, [[word]], part, _kind(part)))
            at = end + width
    return found


def is_tabular(cells: list[Cell]) -> bool:
    """Whether the row has the look of a table row: a figure beside something else, or three
    cells."""
    if len(cells) < 2:
        return False
    return len(cells) >= 3 or any(cell.kind != "text" for cell in cells[1:])


def find_tables(column: list[Row], texts: list[str]) -> list[tuple[int, int, list[TableRow]]]:
    """The tables of a column: first row, row after the last, and the rows of each."""
    cut = [split_values(row, texts) for row in column]
    strong = [is_tabular(cells) for cells in cut]
    _text_tables(column, cut, strong)
    found: list[tuple[int, int, list[TableRow]]] = []
    index = 0
    while index < len(column):
        if not strong[index]:
            index += 1
            continue
        start, end = _extent(column, cut, strong, index, found[-1][1] if found else 0)
        if _is_table(cut[start:end], strong[start:end]):
            table = _table(column[start:end], cut[start:end])
            found.append((start, end, table))
        index = max(end, index + 1)
    return found


def _text_tables(column: list[Row], cut: list[list[Cell]], strong: list[bool]) -> None:
    """Mark runs of three or more rows whose two cells start at the same places."""
    run: list[int] = []
    for index, cells in enumerate(cut):
        two = len(cells) == 2 and cells[1].x0 - cells[0].x1 > 1.2 * column[index].size
        two = two and len(cells[0].text) > 2
        if two and run and abs(cut[run[-1]][1].x0 - cells[1].x0) < 3:
            run.append(index)
            continue
        if len(run) >= 3:
            for number in run:
                strong[number] = True
        run = [index] if two else []
    if len(run) >= 3:
        for number in run:
            strong[number] = True


def _label_limit(cut: list[list[Cell]], strong: list[bool]) -> float:
    """The left edge of the first column of figures."""
    marked = [cells for cells, good in zip(cut, strong, strict=True) if good and len(cells) > 1]
    figures = [[c.x0 for c in cells[1:] if c.kind == "value"] for cells in marked]
    edges = sorted(min(lefts) for lefts in figures if lefts)
    if len(edges) < len(marked) // 2 or not edges:
        edges = sorted(min(cell.x0 for cell in cells[1:]) for cells in marked)
    return edges[len(edges) // 10] if edges else float("inf")


def _extent(
    column: list[Row], cut: list[list[Cell]], strong: list[bool], index: int, floor: int
) -> tuple[int, int]:
    """First row and row after the last of the table around a tabular row."""
    end = index + 1
    last = index
    while end < len(column) and end - last <= 4:
        above, row = column[end - 1], column[end]
        if row.y0 - above.y1 > 2.6 * max(above.size, row.size):
            break
        limit = _label_limit(cut[index : last + 1], strong[index : last + 1])
        if strong[end]:
            last = end
        elif not _fits(column, cut, end, limit):
            break
        end += 1
    end = last + 1
    end = _trailing_label(column, cut, end)
    limit = _label_limit(cut[index:end], strong[index:end])
    start = index
    while start > floor and index - start < 6:
        row, below = column[start - 1], column[start]
        if below.y0 - row.y1 > 1.8 * max(row.size, below.size):
            break
        cells = cut[start - 1]
        over = all(cell.x1 > limit - row.size for cell in cells)
        headed = over and cells[0].x0 > column[index].x0 + row.size
        label = start == index and _wraps(cells, cut[index]) and cells[0].x1 < limit
        if not (headed or label or (len(cells) > 1 and cells[-1].x1 > limit)):
            break
        start -= 1
    return start, end


def _fits(column: list[Row], cut: list[list[Cell]], index: int, limit: float) -> bool:
    """Whether a row without figures may stand inside a table: a label left of the figures, a
    group's name, or a header over them."""
    cells, row = cut[index], column[index]
    if len(cells) > 1:
        return cells[0].x1 <= limit + row.size or cells[0].x0 >= limit - row.size
    return len(cells[0].text) <= 110 and (
        cells[0].x1 <= limit + 2 * row.size or cells[0].x0 >= limit - 4 * row.size
    )


def _trailing_label(column: list[Row], cut: list[list[Cell]], end: int) -> int:
    """Take in a row that only goes on with the last label."""
    if end >= len(column) or end == 0:
        return end
    above, row, cells = column[end - 1], column[end], cut[end]
    tight = row.y0 - above.y1 < 0.6 * row.size
    if len(cells) == 1 and tight and cells[0].text[:1].islower():
        values = [cell for cell in cut[end - 1] if cell.kind != "text"]
        if values and cells[0].x1 < values[0].x0:
            return end + 1
    return end


def _wraps(above: list[Cell], below: list[Cell]) -> bool:
    """Whether a lone label goes on in the first cell of the row below it."""
    if len(above) != 1 or above[0].kind == "value" or above[0].text.endswith(":"):
        return False
    if abs(above[0].x0 - below[0].x0) > 40:
        return False
    return below[0].text[:1].islower() or bool(_CONTINUES.search(above[0].text))


def _is_table(cut: list[list[Cell]], strong: list[bool]) -> bool:
    if sum(strong) >= 2:
        return True
    return any(sum(cell.kind != "text" for cell in cells[1:]) >= 2 for cells in cut)


def _table(column: list[Row], cut: list[list[Cell]]) -> list[TableRow]:
    """The rows of one table, labels joined over lines and headers found."""
    found: list[TableRow] = []
    limit = _label_limit(cut, [len(cells) > 1 for cells in cut])
    for row, cells in zip(column, cut, strict=True):
        above = found[-1] if found else None
        if above is not None and row.y0 - above.rows[-1].y1 < 0.8 * row.size:
            first = above.cells[0]
            if len(above.cells) == 1 and _wraps(above.cells, cells):
                first.lines.extend(cells[0].lines)
                first.text += " " + cells[0].text
                first.x0, first.x1 = min(first.x0, cells[0].x0), max(first.x1, cells[0].x1)
                above.cells.extend(cells[1:])
                above.rows.append(row)
                continue
            lone = len(cells) == 1 and len(above.cells) > 1 and cells[0].x1 < limit
            if lone and first.kind == "text" and cells[0].text[:1].islower():
                first.lines.extend(cells[0].lines)
                first.text += " " + cells[0].text
                above.rows.append(row)
                continue
        found.append(TableRow([row], list(cells)))
    _set_headers(found, limit)
    return found


def _set_headers(table: list[TableRow], limit: float) -> None:
    """Give every row under a header the header cells that stand over it."""
    header: list[TableRow] = []
    columns = _columns(table)
    in_header = True
    for index, row in enumerate(table):
        below = table[index + 1] if index + 1 < len(table) else None
        named = _is_header(row, limit) and below is not None
        if named and len(row.cells) == 1 and header and below is not None:
            named = _is_header(below, limit) and len(below.cells) > 1
        if named:
            header = [*header, row] if in_header else [row]
            in_header = True
            continue
        in_header = False
        if len(row.cells) == 1 or not header:
            continue
        row.header = [
            (above, number)
            for above in header
            for number, cell in enumerate(above.cells)
            if any(_over(cell, value, columns) for value in row.cells[1:])
        ]


def _is_header(row: TableRow, limit: float) -> bool:
    """Whether the row names columns: no figures in it, and cells over the figures."""
    values = [cell for cell in row.cells if cell.x1 > limit]
    if not values or any(cell.kind == "value" for cell in values):
        return False
    if any(cell.kind == "date" for cell in values) or len(values) > 1:
        return len(row.cells) <= len(values) + 1
    return values[0].x0 > limit - 30 and values[0] is row.cells[0]


def _columns(table: list[TableRow]) -> list[tuple[float, float]]:
    """The columns of figures, from side to side."""
    found: list[tuple[float, float]] = []
    cells = (cell for row in table for cell in row.cells[1:] if cell.kind == "value")
    for x0, x1 in sorted((cell.x0, cell.x1) for cell in cells):
        if found and x0 < found[-1][1] - 1:
            found[-1] = (found[-1][0], max(found[-1][1], x1))
        else:
            found.append((x0, x1))
    return found


def _over(cell: Cell, value: Cell, columns: list[tuple[float, float]]) -> bool:
    """Whether a header cell stands over a figure's column, give or take a little."""
    low, high = value.x0, value.x1
    for x0, x1 in columns:
        if x0 < high and low < x1:
            low, high = min(low, x0), max(high, x1)
            break
    return cell.x0 - 3 < high and low < cell.x1 + 3
