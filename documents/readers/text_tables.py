"""Tables in plain text: lines of cells between pipes, or set in columns with spaces.

Filings and ledgers saved as text keep their tables so. A table is told by its rows of figures;
what stands over the first of them in columns is its header, and short lines between rows are
rows of their own ("Current assets:"), as they are in a PDF. Drawn lines are furniture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from documents.rows import BLANKS, Range, cells, holds_figure

_YEAR = re.compile(r"(?:19|20)\d\d")
_DASH = re.compile(r"[-–—−]{1,3}")
_DRAWN = frozenset("-=_–—|:+ \t")
_WIDE = re.compile(rf"[{BLANKS}]{{3}}|\t")
_CELL_FIRST, _PIPE_FIRST = re.compile(r"\|\s*[-–—]?\s*\|"), re.compile(r"\|")
"""How a line begins whose first cell is empty: in a table with pipes at its edges, and without."""
_LONGEST, _LONGEST_CELL = 400, 160
"""Characters of a row and of its longest cell; more is a paragraph set with gaps."""
_SHORT = 100
"""Characters of a line that may be a row without figures."""
_INDENT = 12
"""Blanks before a line of columns that has no label."""
_BETWEEN = 4
"""Lines without figures between two rows of one table, at most."""
_OVER = 6
"""Lines of a header, at most."""
_LEAST = 2
"""Rows with figures that make a table; a lone one is as likely an address."""


@dataclass(frozen=True)
class Line:
    """A line with something on it, ``start`` to ``end`` of the text without the blanks at its
    ends; ``indent`` blanks stand before it; ``parted``: a blank line does."""

    text: str
    start: int
    end: int
    indent: int
    parted: bool

    @property
    def said(self) -> str:
        """What stands on it."""
        return self.text[self.start : self.end]

    @cached_property
    def cells(self) -> list[Range]:
        """Its cells."""
        return cells(self.text, self.start, self.end)

    @cached_property
    def piped(self) -> bool:
        """Whether its cells stand between pipes."""
        return "|" in self.said

    @cached_property
    def rule(self) -> bool:
        """Whether it is drawn, not written."""
        return _DRAWN.issuperset(self.said) and len(self.said.strip("|+ ")) > 2

    @cached_property
    def compact(self) -> bool:
        """Whether it is short enough for a row."""
        sizes = [end - start for start, end in self.cells]
        return max(sizes, default=0) <= _LONGEST_CELL and sum(sizes) <= _LONGEST

    @cached_property
    def figures(self) -> bool:
        """Whether there are figures on it, beside a label or in a column."""
        return any(holds_figure(text) for text in self._amounts)

    @cached_property
    def dashes(self) -> bool:
        """Whether there are dashes on it where figures would be."""
        return any(_DASH.fullmatch(text) for text in self._amounts)

    @cached_property
    def head(self) -> bool:
        """Whether it may stand over columns: cells, none of which is a figure but for years."""
        if len(self.cells) < 2 or self.rule or not self.compact:
            return False
        texts = [self.text[slice(*cell)].strip() for cell in self.cells]
        wide = self.piped or self.indent >= _INDENT or _WIDE.search(self.said) is not None
        return wide and all(_YEAR.fullmatch(text) for text in texts if holds_figure(text))

    @cached_property
    def over(self) -> bool:
        """Whether it is a head without a label, as stands over columns in the middle of a table."""
        if self.piped:
            empty = _CELL_FIRST if self.said.endswith("|") else _PIPE_FIRST
            return self.head and empty.match(self.said) is not None
        return self.head and self.indent >= _INDENT

    @cached_property
    def row(self) -> bool:
        """Whether it is a row with figures other than the years over columns."""
        amounts = self.figures or self.dashes
        return amounts and self.compact and not self.rule and not self.over

    @cached_property
    def aside(self) -> bool:
        """Whether it may stand between two rows: cells without figures, or a short line."""
        return self.head or self.rule or (len(self.cells) == 1 and len(self.said) <= _SHORT)

    @property
    def _amounts(self) -> list[str]:
        """The cells that may be amounts: all but a label's."""
        if len(self.cells) < 2 and self.indent < _INDENT:
            return []
        unlabelled = self.indent >= _INDENT or self.said.startswith("|")
        return [self.text[slice(*cell)].strip() for cell in self.cells[0 if unlabelled else 1 :]]


def tables(lines: Sequence[Line]) -> Iterator[tuple[int, int]]:
    """The first line of each table, and the one after its last."""
    done = at = 0
    while at < len(lines):
        if not lines[at].row:
            at += 1
            continue
        end, rows = _end(lines, at)
        if rows >= _LEAST:
            yield _start(lines, at, done), end
            done = end
        at = max(end, at + 1)


def headers(lines: Sequence[Line]) -> Iterator[tuple[Range, ...]]:
    """For each line of a table the header cells over it, if it is a row: those of the heads before
    the first row or rule, and of later heads without a label, for what comes after them."""
    header: list[Range] = []
    body = False
    for line in lines:
        if line.over or (line.head and not body):
            header = [*([] if body else header), *line.cells]
            body = False
            yield ()
            continue
        body = body or line.row or (line.rule and bool(header))
        yield tuple(_bare(line.text, cell) for cell in header) if line.row or line.head else ()


def _end(lines: Sequence[Line], first: int) -> tuple[int, int]:
    """The line after the table that begins with the row ``first``, and its rows."""
    end, rows, at = first, 0, first
    while at < len(lines) and at - end <= _BETWEEN and _goes_on(lines[at], lines[first]):
        if lines[at].row and len(lines[at].cells) > 1:  # one alone may be the page's number
            end, rows = at + 1, rows + lines[at].figures
        at += 1
    return end, rows


def _goes_on(line: Line, first: Line) -> bool:
    if first.piped:
        return line is first or (line.piped and not line.parted)
    return not line.piped and (line.row or line.aside)


def _start(lines: Sequence[Line], row: int, least: int) -> int:
    """The first head over the table's first row with figures, or that row."""
    first = at = row
    while at > max(least, row - _OVER):
        above = lines[at - 1]
        near = not lines[row].piped or not lines[at].parted
        if not above.aside or above.piped != lines[row].piped or not near:
            break
        at -= 1
        if above.head:
            first = at
    return first


def _bare(text: str, cell: Range) -> Range:
    """The cell without the blanks at its ends."""
    piece = text[slice(*cell)]
    start = cell[0] + len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())
