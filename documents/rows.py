"""What a table row is made of: cells, the label beside its figures, and the words of labels."""

from __future__ import annotations

import re

from documents.document import Block, Document

_CELL = re.compile(r"[^\t|]+")
BLANKS = " \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200C))) + "\u202f\u205f\u2060\u3000\ufeff"
"""What separates the cells of a table that is set with spaces; some have no width."""
_SPACED_CELL = re.compile(rf"[^{BLANKS}\n](?:[{BLANKS}]?[^{BLANKS}\n])*")
_OPENS = re.compile(r"[$€£¥(]+")
_CLOSES = re.compile(r"[)%]+")
_LONGEST_FIGURE = 80
_FIGURE_CELL = re.compile(r"[\s$€£¥()%–—−+*.,\d-]*\d[\s$€£¥()%–—−+*.,\d-]*(?:[a-z]{1,2})?\s*")
_TOKEN = re.compile(r"[^\W\d_]+\d*|(?<![\d/])(?<!\d[.,])(?:\d{1,2}|(?:19|20)\d\d)(?![\d%/]|[.,]\d)")
STOP_WORDS = frozenset(
    "the a an in on of for this that these those it its as at by to from and or is are was were be "
    "been what which who whom whose when where why how much many did do does has have had with "
    "their there than therefore answer please give find during company ended".split()
)
"""Words that say nothing of what a question is about."""


_SMALL = frozenset("and of the to for in on a an or".split())
Range = tuple[int, int]


def row_cells(document: Document, block: Block) -> list[Range]:
    """The row's cells that are not blank, in order."""
    return cells(document.text, block.start, block.end)


def cells(text: str, start: int, end: int) -> list[Range]:
    """The cells of a line that are not blank, in order: between tabs or pipes, else between two or
    more blanks, where a currency sign or a parenthesis that stands off belongs to its figure."""
    line = text[start:end]
    if "\t" in line or "|" in line:
        found = [match.span() for match in _CELL.finditer(line) if match[0].strip()]
    else:
        found = _spaced(line)
    return [(start + first, start + last) for first, last in found]


def _spaced(line: str) -> list[Range]:
    found: list[Range] = []
    opened = False
    for match in _SPACED_CELL.finditer(line):
        joined = opened or (found and _CLOSES.fullmatch(match[0]))
        if joined:
            found[-1] = (found[-1][0], match.end())
        else:
            found.append(match.span())
        opened = _OPENS.fullmatch(match[0]) is not None
    return found


def is_figure(document: Document, cell: Range) -> bool:
    """Whether a cell has nothing but a figure."""
    return holds_figure(document.text[cell[0] : cell[1]])


def holds_figure(cell: str) -> bool:
    """Whether a cell's text is nothing but a figure."""
    return len(cell) <= _LONGEST_FIGURE and _FIGURE_CELL.fullmatch(cell) is not None


def label_of(document: Document, block: Block) -> tuple[str, bool]:
    """What stands in a row beside its figures, and whether it has any."""
    ranges = row_cells(document, block)
    texts = [cell for cell in ranges if not is_figure(document, cell)]
    label = " ".join(document.text[start:end].strip() for start, end in texts)
    return label, len(texts) < len(ranges)


def tokens(text: str) -> frozenset[str]:
    """The words, years and small numbers of a label or a question, singular and folded."""
    found = set()
    for match in _TOKEN.finditer(text.replace("&", "")):
        word = match[0].casefold()
        if word not in STOP_WORDS:
            found.add(singular(word))
    return frozenset(found)


def initials(label: str) -> frozenset[str]:
    """The abbreviations that a label may go by: rd and rad of "Research and development"."""
    bare = re.sub(r"\([^)]*\)", " ", label).casefold()
    words = re.findall(r"[^\W\d_]+", bare)
    short = [word for word in words if word not in _SMALL]
    return frozenset("".join(word[0] for word in each) for each in (words, short)) - {""}


def singular(word: str) -> str:
    """Of a plural in -s; "loss" is none."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("xes", "sses", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
