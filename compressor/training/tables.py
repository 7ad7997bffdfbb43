"""Table rows as evidence: questions over tables narrowed to rows, and questions made from rows.

A table in the data is a run of lines with `` | `` between cells. The header lines go, half
of the time, into what stands over the window, as they do in use, where a window in the
middle of a table carries its header cells.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from compressor.instruction import Instruction

if TYPE_CHECKING:
    from compressor.training.data import Question

_NUMBER = re.compile(r"\d[\d,.]*")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_TEMPLATES = (
    "What was {label} in {column}?",
    "What is the amount of {label} in {column}?",
    "How much was {label} for {column}?",
    "{label} {column}",
    "What was the change in {label}?",
    "What were the company's {label}?",
    "What was {label} as of {column}?",
)


@dataclass(frozen=True, slots=True)
class TableQuestion:
    """A question, its document's lines, how many of them head the table, and which to keep."""

    question: str
    lines: tuple[str, ...]
    heads: int
    keep: frozenset[int]


def table_question(question: Question, text: str) -> TableQuestion | None:
    """The question with its table narrowed to rows; None if no row can be told."""
    if "table" not in question.answer_from:
        return None
    lines = tuple(text.split("\n"))
    rows = [i for i, line in enumerate(lines) if " | " in line]
    if not rows:
        return None
    heads = head_count([lines[i] for i in rows])
    body = rows[heads:]
    keep = {i for i in body if _label_in(lines[i], question.text)}
    if not keep:
        keep = {i for i in body if any(_has_cell(lines[i], a) for a in question.answers)}
    if not keep:
        best = max(body, key=lambda i: _shared(lines[i], question.text), default=-1)
        keep = {best} if best >= 0 and _shared(lines[best], question.text) else set()
    return TableQuestion(question.text, lines, rows[0] + heads, frozenset(keep)) if keep else None


def rows_asked(question: Question, text: str) -> list[tuple[int, int]]:
    """The rows of `table_question` as ranges of the text; none if no row can be told."""
    if (table := table_question(question, text)) is None:
        return []
    starts = list(accumulate((len(line) + 1 for line in table.lines), initial=0))
    return [(starts[i], starts[i] + len(table.lines[i])) for i in sorted(table.keep)]


def head_count(rows: list[str]) -> int:
    """How many of a table's first rows are headers: no label, or no figure besides years."""
    for index, row in enumerate(rows[:4]):
        label, *cells = [cell.strip() for cell in row.split("|")]
        figures = [c for c in cells if _NUMBER.search(_YEAR.sub("", c)) and not _is_head(c)]
        if label and figures:
            return index
    return min(1, len(rows))


def _is_head(cell: str) -> bool:
    return bool(_YEAR.search(cell)) or cell.lower().startswith(("note", "fy"))


def _label(row: str) -> str:
    return re.sub(r"\s*\(\d\)", "", row.split("|", 1)[0]).strip(" :")


def _label_in(row: str, question: str) -> bool:
    label = _label(row).lower()
    return len(label) > 3 and label in question.lower()


def _has_cell(row: str, answer: str) -> bool:
    wanted = answer.strip(" $£€%()-").lower()
    return bool(wanted) and any(wanted == c.strip(" $£€%()-").lower() for c in row.split("|"))


def _shared(row: str, question: str) -> int:
    words = set(re.findall(r"[a-z]{4,}", question.lower()))
    return len(words & set(re.findall(r"[a-z]{4,}", _label(row).lower())))


def made_up_questions(tables: list[TableQuestion]) -> list[TableQuestion]:
    """Questions from the labels and column heads of the tables' own rows."""
    made = []
    for table in {t.lines: t for t in tables}.values():
        head = " ".join(table.lines[: table.heads])
        columns = _YEAR.findall(head) or ["the year"]
        rng = random.Random(head)
        for index in range(table.heads, len(table.lines)):
            line = table.lines[index]
            label = _label(line)
            if " | " not in line or not _NUMBER.search(line) or not 4 <= len(label) <= 70:
                continue
            asked = rng.choice(_TEMPLATES).format(label=label.lower(), column=rng.choice(columns))
            same = {i for i, other in enumerate(table.lines) if _label(other) == label}
            made.append(TableQuestion(asked, table.lines, table.heads, frozenset(same)))
    return made


def draw_table(
    asked: TableQuestion,
    others: list[TableQuestion],
    size: int,
    positive_share: float,
    rng: random.Random,
) -> tuple[tuple[Instruction, str], str, str, tuple[tuple[int, int], ...]]:
    """What is asked, header, text and kept ranges of one window: the asked table among others'
    lines, or (a negative) others' lines alone; the only table stands by itself."""
    alone = all(other.lines == asked.lines for other in others)
    positive = alone or rng.random() < positive_share + 0.1
    pieces = [(asked, True)] if positive else []
    length = sum(len(line) for line in asked.lines) if positive else 0
    while length < size * 0.7 and not alone:
        other = rng.choice(others)
        if other.lines != asked.lines:
            pieces.append((other, False))
            length += sum(len(line) for line in other.lines)
    rng.shuffle(pieces)
    gap = rng.choice((" | ", " ", "  ", "\t"))
    header = ""
    text = ""
    kept = []
    for number, (table, is_asked) in enumerate(pieces):
        skip = 0
        if rng.random() < 0.5 and (is_asked or not number):
            cells = [c.strip() for line in table.lines[: table.heads] for c in line.split("|")]
            header, skip = " ".join(c for c in cells if c), table.heads
        for index, raw in enumerate(table.lines[skip:], skip):
            line = _joined(raw, gap)
            if not line:
                continue
            if is_asked and index in asked.keep:
                kept.append((len(text), len(text) + len(line)))
            text += line + "\n"
    start = _window_start(kept, len(text), size, rng)
    ranges = [(max(0, a - start), min(size, b - start)) for a, b in kept]
    wanted = Instruction(rng.choice(("row", "row", "sentence"))), asked.question
    return wanted, header[:200], text[start : start + size], tuple(r for r in ranges if r[0] < r[1])


def _joined(line: str, gap: str) -> str:
    return gap.join(c for cell in line.split("|") if (c := cell.strip()))


def _window_start(kept: list[tuple[int, int]], length: int, size: int, rng: random.Random) -> int:
    if length <= size:
        return 0
    around = kept[rng.randrange(len(kept))][0] if kept else rng.randrange(length)
    return max(0, min(around - rng.randint(0, size // 2), length - size))
