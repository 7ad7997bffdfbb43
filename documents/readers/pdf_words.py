"""The words of a PDF page with their places, and the pieces of lines they form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BULLETS = str.maketrans(dict.fromkeys("\uf0b7\uf0a7\uf0d8\uf076\uf0fc\uf02d", "•"))
_EXPERT = {  # Adobe's private codes for old-style digits and small capitals
    **{0xF730 + digit: str(digit) for digit in range(10)},
    **{0xF761 + letter: chr(ord("A") + letter) for letter in range(26)},
}
_READABLE = {**_BULLETS, **_EXPERT}
_JUNK = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]"
)
_LEADER = re.compile(r"[.·…_]{4,}")

RawWord = tuple[float, float, float, float, str, int, int, int]
"""What MuPDF gives for a word: x0, y0, x1, y1, text, block, line, number in the line."""


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How a printed line looks: its main font size in points, whether all of it is bold, and
    in which of four directions it runs (0 right, 1 down, 2 left, 3 up)."""

    size: float
    bold: bool
    turn: int


@dataclass(slots=True, eq=False)
class Piece:
    """Words that stand together on one line, with no wide gap between them. The box is in the
    layout frame, where text runs to the right. ``words`` are numbers of the page's words."""

    x0: float
    y0: float
    x1: float
    y1: float
    words: list[int]
    size: float
    bold: bool
    chars: int
    letters: int


@dataclass(frozen=True, slots=True, eq=False)
class PageWords:
    """A page's words: clean texts, whether a soft hyphen ended each, boxes as displayed, and
    the pieces: those of the main direction, then those that run another way."""

    texts: list[str]
    soft: set[int]
    boxes: NDArray[np.float32]
    main: list[Piece]
    turned: list[Piece]


def line_styles(
    page: dict[str, Any], matrix: tuple[float, ...]
) -> dict[tuple[int, int], LineStyle]:
    """The style of every line of a MuPDF page dictionary, by block and line number. ``matrix``
    turns the page as stored into the page as displayed."""
    found: dict[tuple[int, int], LineStyle] = {}
    a, b, c, d = matrix[:4]
    for block in page["blocks"]:
        number = block["number"]
        for index, line in enumerate(block.get("lines", ())):
            x, y = line["dir"]
            x, y = a * x + c * y, b * x + d * y
            turn = (0 if x > 0 else 2) if abs(x) >= abs(y) else (1 if y > 0 else 3)
            found[number, index] = _style(line["spans"], turn)
    return found


def _style(spans: list[dict[str, Any]], turn: int) -> LineStyle:
    """The style of one line from its spans."""
    if len(spans) == 1:
        span = spans[0]
        return LineStyle(span["size"], _is_bold(span), turn)
    weights: dict[float, int] = {}
    bold = True
    for span in spans:
        if length := len(span["text"].strip()):
            weights[span["size"]] = weights.get(span["size"], 0) + length
            bold = bold and _is_bold(span)
    size = max(weights, key=lambda key: weights[key]) if weights else spans[0]["size"]
    return LineStyle(size, bold, turn)


def _is_bold(span: dict[str, Any]) -> bool:
    return bool(span["flags"] & 16 or span["char_flags"] & 8)


def page_words(
    raw: list[RawWord],
    styles: dict[tuple[int, int], LineStyle],
    matrix: tuple[float, ...],
    width: float,
    height: float,
) -> PageWords:
    """Clean a page's words and cut its lines into pieces. Boxes end up as displayed, within
    ``width`` and ``height``; words without a visible character, or off the page, are left out."""
    words, soft = _clean(raw)
    boxes = _display(words, matrix, width, height)
    keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    if not keep.all():
        chosen = np.flatnonzero(keep)
        renumber = {int(old): new for new, old in enumerate(chosen)}
        soft = {renumber[index] for index in soft if index in renumber}
        words = [words[index] for index in chosen]
        boxes = boxes[keep]
    texts = [word[4] for word in words]
    turns = [style.turn for word in words if (style := styles.get((word[5], word[6])))]
    turn = max(range(4), key=turns.count) if turns else 0
    frame = _turn(boxes, turn, width, height).tolist()
    main, turned = _pieces(words, frame, styles, turn)
    return PageWords(texts, soft, boxes.astype(np.float32), main, turned)


def _clean(raw: list[RawWord]) -> tuple[list[RawWord], set[int]]:
    """Words with only printable characters, printed once each and without the dots that lead
    the eye to a number; and the numbers of those that ended in a soft hyphen."""
    words: list[RawWord] = []
    soft: set[int] = set()
    seen: set[tuple[int, int, str]] = set()
    for word in raw:
        text = word[4]
        place = (round(word[0]), round(word[1]), text)
        if place in seen:
            continue
        seen.add(place)
        if text.isascii() and text.isprintable():
            if not _LEADER.fullmatch(text):
                words.append(word)
            continue
        ends_soft = text.endswith("\xad")
        text = _JUNK.sub("", text.translate(_READABLE))
        parts = text.split()
        if len(parts) == 1 and len(parts[0]) == len(word[4]):
            words.append(word)
            continue
        words.extend(_cut(word, text, parts))
        if ends_soft and parts:
            soft.add(len(words) - 1)
    return words, soft


def _cut(word: RawWord, text: str, parts: list[str]) -> list[RawWord]:
    """The parts of a word that holds spaces of its own, each with its share of the box."""
    if len(parts) == 1:
        return [(*word[:4], parts[0], *word[5:])]
    step = (word[2] - word[0]) / max(1, len(text))
    found: list[RawWord] = []
    at = 0
    for part in parts:
        at = text.index(part, at)
        x0, x1 = word[0] + at * step, word[0] + (at + len(part)) * step
        found.append((x0, word[1], x1, word[3], part, *word[5:]))
        at += len(part)
    return found


def _display(
    words: list[RawWord], matrix: tuple[float, ...], width: float, height: float
) -> NDArray[np.float64]:
    """The words' boxes on the page as displayed, clipped to it."""
    boxes = np.array([word[:4] for word in words], np.float64).reshape(-1, 4)
    boxes = np.nan_to_num(boxes, posinf=1e6, neginf=-1e6)
    a, b, c, d, e, f = matrix
    x, y = boxes[:, [0, 2]], boxes[:, [1, 3]]
    if b == 0 and c == 0:
        x, y = a * x + e, d * y + f
    else:
        x, y = c * y + e, b * x + f
    low, high = np.zeros(2), np.array([width, height])
    first = np.clip(np.stack([x.min(1), y.min(1)], 1), low, high)
    last = np.clip(np.stack([x.max(1), y.max(1)], 1), low, high)
    return np.concatenate([first, last], 1)


def _turn(
    boxes: NDArray[np.float64], turn: int, width: float, height: float
) -> NDArray[np.float64]:
    """The boxes in a frame where text that ran in direction ``turn`` runs to the right."""
    x0, y0, x1, y1 = boxes.T
    if turn == 1:
        return np.stack([y0, width - x1, y1, width - x0], 1)
    if turn == 2:
        return np.stack([width - x1, height - y1, width - x0, height - y0], 1)
    if turn == 3:
        return np.stack([height - y1, x0, height - y0, x1], 1)
    return boxes


def _pieces(
    words: list[RawWord],
    frame: list[list[float]],
    styles: dict[tuple[int, int], LineStyle],
    turn: int,
) -> tuple[list[Piece], list[Piece]]:
    """The pieces that run in direction ``turn``, and the others."""
    main: list[Piece] = []
    turned: list[Piece] = []
    pieces = main
    piece: Piece | None = None
    place = (-1, -1)
    for index, word in enumerate(words):
        x0, y0, x1, y1 = frame[index]
        key = (word[5], word[6])
        text = word[4]
        letters = len(text) if text.isalpha() else sum(map(str.isalpha, text))
        if piece is not None and key == place:
            upright = pieces is main
            if not upright or -0.5 * piece.size < x0 - piece.x1 < 1.2 * piece.size:
                piece.x0, piece.y0 = min(piece.x0, x0), min(piece.y0, y0)
                piece.x1, piece.y1 = max(piece.x1, x1), max(piece.y1, y1)
                piece.words.append(index)
                piece.chars += len(text)
                piece.letters += letters
                continue
        style = styles.get(key) or LineStyle(y1 - y0, False, turn)
        place = key
        pieces = main if style.turn == turn else turned
        size = min(max(style.size, 1.0), 300.0)
        piece = Piece(x0, y0, x1, y1, [index], size, style.bold, len(text), letters)
        pieces.append(piece)
    return main, turned
