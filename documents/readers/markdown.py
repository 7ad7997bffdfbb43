"""Reads Markdown: headings, list items, table rows, paragraphs and code.

The text stays as written, marks included, so that a quote is still the file's own words.
Kept simple on purpose: block structure only, nested blocks are not taken apart, and code,
quotes and HTML are paragraphs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from documents.document import Block
from documents.readers.text import TextReader, decode, trimmed

_HEADING = re.compile(r" {0,3}(#{1,6})(?:\s|$)")
_SETEXT = re.compile(r" {0,3}(=+|-+)\s*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+\S")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_CELL = re.compile(r"(?:^|\|)((?:\\.|[^|\\]|\\$)*)")

Line = tuple[int, int]


def open_markdown(path: str, password: str | None) -> TextReader:  # noqa: ARG001 - Open's signature
    """A reader for a Markdown file."""
    text = decode(Path(path).read_bytes(), Path(path).name)
    blocks, tables = parse(text)
    return TextReader(text, blocks, tables)


def parse(text: str) -> tuple[list[Block], list[int]]:
    """The blocks of a Markdown text, and for each its table's number or -1."""
    return _Parser(text).run()


class _Parser:
    """Walks the lines once. ``_open`` is where the paragraph or list item being read began."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = _lines(text)
        self.blocks: list[Block] = []
        self.tables: list[int] = []
        self.table_count = 0
        self._open: int | None = None
        self._open_is_item = False

    def run(self) -> tuple[list[Block], list[int]]:
        at = 0
        while at < len(self.lines):
            at = self._step(at)
        self._close(len(self.text))
        return self.blocks, self.tables

    def _step(self, at: int) -> int:
        """Reads the block part that starts on line ``at``; returns the next line to read."""
        start, end = self.lines[at]
        line = self.text[start:end]
        if not line.strip():
            self._close(start)
        elif fence := _FENCE.match(line):
            return self._code(at, fence[1])
        elif mark := _HEADING.match(line):
            self._close(start)
            self._add(start, end, "heading", len(mark[1]))
        elif self._is_underline(line):
            self._underlined(end, 1 if "=" in line else 2)
        elif self._is_table(at):
            return self._table(at)
        elif _ITEM.match(line):
            self._close(start)
            self._open, self._open_is_item = start, True
        elif self._open is None:
            self._open, self._open_is_item = start, False
        return at + 1

    def _add(self, start: int, end: int, kind: str = "paragraph", level: int = 0) -> None:
        block = trimmed(self.text, start, end)
        if block is None:
            return
        if kind == "heading":
            block = replace(block, kind="heading", level=level)
        elif kind == "list_item":
            block = replace(block, kind="list_item")
        self.blocks.append(block)
        self.tables.append(-1)

    def _close(self, end: int) -> None:
        if self._open is not None:
            self._add(self._open, end, "list_item" if self._open_is_item else "paragraph")
        self._open, self._open_is_item = None, False

    def _is_underline(self, line: str) -> bool:
        return self._open is not None and not self._open_is_item and bool(_SETEXT.match(line))

    def _underlined(self, end: int, level: int) -> None:
        """What was a paragraph turns out to be a heading, marked by the line under it."""
        assert self._open is not None
        self._add(self._open, end, "heading", level)
        self._open = None

    def _code(self, at: int, fence: str) -> int:
        """A fenced block: to the fence that closes it, or to the end of the text."""
        start = self.lines[at][0]
        self._close(start)
        last = at + 1
        while last < len(self.lines):
            line = self.text[slice(*self.lines[last])].strip()
            last += 1
            if line.startswith(fence) and not line.strip(fence[0]):
                break
        self._add(start, self.lines[last - 1][1])
        return last

    def _is_table(self, at: int) -> bool:
        """A line with a pipe over a line of dashes with as many cells."""
        if at + 1 >= len(self.lines):
            return False
        head, rule = self.lines[at], self.text[slice(*self.lines[at + 1])]
        if "|" not in self.text[slice(*head)] or not _RULE.match(rule):
            return False
        return len(self._cells(*head)) == len(rule.strip().strip("|").split("|"))

    def _table(self, at: int) -> int:
        """The head (with the line of dashes under it) and the rows down to a blank line."""
        self._close(self.lines[at][0])
        header = tuple(cell for cell in self._cells(*self.lines[at]) if cell[0] < cell[1])
        self._row(self.lines[at][0], self.lines[at + 1][1], ())
        at += 2
        while at < len(self.lines) and "|" in self.text[slice(*self.lines[at])]:
            self._row(*self.lines[at], header)
            at += 1
        self.table_count += 1
        return at

    def _row(self, start: int, end: int, header: tuple[Line, ...]) -> None:
        block = trimmed(self.text, start, end)
        if block is not None:
            self.blocks.append(replace(block, kind="table_row", header=header))
            self.tables.append(self.table_count)

    def _cells(self, start: int, end: int) -> list[Line]:
        """The cells of a line, without the white space around each."""
        found: list[Line] = []
        line = self.text[start:end]
        inner_start = start + len(line) - len(line.lstrip().removeprefix("|"))
        inner = self.text[inner_start:end].rstrip()
        inner = inner.removesuffix("|") if not inner.endswith("\\|") else inner
        for match in _CELL.finditer(inner):
            cell = match[1]
            left = inner_start + match.start(1) + len(cell) - len(cell.lstrip())
            found.append((left, left + len(cell.strip())))
        return found


def _lines(text: str) -> list[Line]:
    """Where each line starts and ends, without its line end."""
    found: list[Line] = []
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        found.append((start, end))
        start = end + 1
    return found
