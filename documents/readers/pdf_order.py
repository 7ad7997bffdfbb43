"""Reading order: columns of a page, and the printed rows of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from documents.readers.pdf_words import Piece

_MAX_DEPTH = 4
_MIN_LINES = 4
_STRONG = 12
_GAP = 0.9  # of the text size: white space that parts a page from side to side


@dataclass(slots=True, eq=False)
class Row:
    """Pieces that stand on one printed line of a column, from left to right."""

    x0: float
    y0: float
    x1: float
    y1: float
    pieces: list[Piece]
    size: float
    bold: bool


@dataclass(slots=True, eq=False)
class _Band:
    """A strip of the page between two white gaps or spanning lines."""

    pieces: list[Piece]
    spanning: bool


def regions(pieces: list[Piece], depth: int = 0) -> list[list[Piece]]:
    """The page's columns and full-width parts in reading order, each a list of pieces."""
    if depth >= _MAX_DEPTH or len(pieces) < 2 * _MIN_LINES:
        return [pieces] if pieces else []
    gutter, strong = _best_gutter(pieces)
    if gutter is None:
        return [pieces]
    found: list[list[Piece]] = []
    whole: list[Piece] = []
    for two_columns, part in _runs(_bands(pieces, gutter), gutter, strong):
        if not two_columns:
            whole.extend(part)
            continue
        if whole:
            found.extend(regions(whole, depth + 1) if len(whole) < len(pieces) else [whole])
            whole = []
        found.extend(regions([p for p in part if p.x0 < gutter - 1], depth + 1))
        found.extend(regions([p for p in part if p.x0 >= gutter - 1], depth + 1))
    if whole:
        found.append(whole)
    return found


def _is_prose(piece: Piece) -> bool:
    return len(piece.words) >= 3 and piece.letters > 0.7 * piece.chars


def _best_gutter(pieces: list[Piece]) -> tuple[float | None, bool]:
    """The left edge of a right-hand column that most lines respect, if there is one, and
    whether so many do that tables and figures will, too."""
    edges: dict[int, list[float]] = {}
    for piece in pieces:
        if _is_prose(piece):
            edges.setdefault(round(piece.x0 / 3), []).append(piece.x0)
    best, best_score, strong = None, _MIN_LINES - 1, False
    for key, values in edges.items():
        if len(values) + len(edges.get(key + 1, ())) < 3:
            continue
        gutter = min(values)
        left = right = crossing = 0
        for piece in pieces:
            if _is_prose(piece):
                if piece.x0 >= gutter - 1:
                    right += 1
                elif piece.x1 <= gutter + 1:
                    left += 1
                else:
                    crossing += 1
        score = min(left, right) - crossing // 4
        if score > best_score or (score == best_score and best is not None and gutter < best):
            best, best_score = gutter, score
            strong = min(left, right) >= _STRONG and crossing < 0.3 * (left + right)
    return best, strong


def _bands(pieces: list[Piece], gutter: float) -> list[_Band]:
    """Strips of the page from top to bottom; one with a line over the gutter is spanning."""
    bands: list[_Band] = []
    bottom = float("-inf")
    for piece in sorted(pieces, key=lambda p: (p.y0, p.x0)):
        spanning = piece.x0 < gutter - 1 and piece.x1 > gutter + 1
        middle = (piece.y0 + piece.y1) / 2
        if not bands or piece.y0 - bottom > _GAP * piece.size:
            bands.append(_Band([piece], spanning))
        elif spanning and not bands[-1].spanning:
            row = [p for p in bands[-1].pieces if p.y0 < middle < p.y1]
            rest = [p for p in bands[-1].pieces if not p.y0 < middle < p.y1]
            bands[-1].pieces = rest
            if not rest:
                bands.pop()
            bands.append(_Band([*row, piece], True))
        elif bands[-1].spanning and not spanning and not _beside(piece, bands[-1], gutter):
            bands.append(_Band([piece], False))
        else:
            bands[-1].pieces.append(piece)
        bottom = max(bottom, piece.y1)
    return bands


def _beside(piece: Piece, band: _Band, gutter: float) -> bool:
    """Whether the piece stands on a printed line with a spanning piece of the band."""
    middle = (piece.y0 + piece.y1) / 2
    return any(
        p.y0 < middle < p.y1 and p.x0 < gutter - 1 and p.x1 > gutter + 1 for p in band.pieces
    )


def _runs(bands: list[_Band], gutter: float, strong: bool) -> list[tuple[bool, list[Piece]]]:
    """Neighbouring bands put together: those that read as two columns, and the others."""
    verdicts = [
        None if band.spanning else _two_columns(band.pieces, gutter, strong) for band in bands
    ]
    spanning = [band.spanning for band in bands]
    if strong:
        _spread(verdicts, spanning)
    runs: list[tuple[bool, list[Piece]]] = []
    for index, band in enumerate(bands):
        verdict = verdicts[index]
        if band.spanning or verdict is False:
            two = False
        elif verdict:
            two = True
        else:
            before = next((v for v in reversed(verdicts[:index]) if v is not None), None)
            beside = index > 0 and not bands[index - 1].spanning
            after = index + 1 < len(bands) and bool(verdicts[index + 1])
            two = bool(before and beside) or after
        if runs and runs[-1][0] == two:
            runs[-1][1].extend(band.pieces)
        else:
            runs.append((two, list(band.pieces)))
        verdicts[index] = None if band.spanning else two
    return runs


def _spread(verdicts: list[bool | None], spanning: list[bool]) -> None:
    """On a page of two columns, let tables and figures that no spanning line parts from a
    band of two columns be read as part of it."""
    for order in (range(1, len(verdicts)), range(len(verdicts) - 2, -1, -1)):
        step = -1 if order.step > 0 else 1
        for index in order:
            if not spanning[index] and verdicts[index + step]:
                verdicts[index] = True


def _two_columns(pieces: list[Piece], gutter: float, strong: bool) -> bool | None:
    """Whether a band reads down each side of the gutter (True), across it (False), or is too
    small to tell (None). On a ``strong`` page of columns less of it need be prose: charts stand
    between the paragraphs."""
    left = [piece for piece in pieces if piece.x0 < gutter - 1]
    right = [piece for piece in pieces if piece.x0 >= gutter - 1]
    if not left or not right or len(left) + len(right) < _MIN_LINES:
        return None if not (left and right and _aligned(left, right)) else False
    fill_left, words_left = _fill(left)
    fill_right, words_right = _fill(right)
    if words_right >= 0.6 and fill_right >= 0.7 and len(right) >= 3:
        return words_left >= 0.5 or fill_left >= 0.6 or len(left) >= 3
    prose = 0.5 if strong else 0.6
    return min(words_left, words_right) >= prose and fill_left >= 0.65 and fill_right >= 0.45


def _aligned(left: Iterable[Piece], right: list[Piece]) -> bool:
    """Whether the two sides share a printed line, as the cells of a table row do."""
    return any(abs(p.y1 - q.y1) < 0.3 * p.size and not _is_prose(q) for p in left for q in right)


def _fill(pieces: list[Piece]) -> tuple[float, float]:
    """How much of the side's width its lines fill, and the share of its characters in prose."""
    width = max(p.x1 for p in pieces) - min(p.x0 for p in pieces)
    lines = rows(pieces)
    filled = sum(sum(p.x1 - p.x0 for p in row.pieces) for row in lines)
    chars = sum(p.chars for p in pieces)
    prose = sum(p.chars for p in pieces if _is_prose(p))
    return filled / max(1.0, width * len(lines)), prose / max(1, chars)


def rows(pieces: list[Piece]) -> list[Row]:
    """The printed lines of a column, from top to bottom."""
    found: list[Row] = []
    for piece in sorted(pieces, key=lambda p: (p.y0 + p.y1) / 2):
        for row in found[-1:-4:-1]:
            if _same_line(row, piece):
                row.pieces.append(piece)
                if piece.y1 - piece.y0 > row.y1 - row.y0:
                    row.y0, row.y1 = piece.y0, piece.y1
                break
        else:
            found.append(
                Row(piece.x0, piece.y0, piece.x1, piece.y1, [piece], piece.size, piece.bold)
            )
    for row in found:
        if len(row.pieces) > 1:
            row.pieces.sort(key=lambda p: p.x0)
            row.x0 = row.pieces[0].x0
            row.x1 = max(p.x1 for p in row.pieces)
            row.size = max(row.pieces, key=lambda p: p.chars).size
            row.bold = all(p.bold for p in row.pieces)
    found.sort(key=lambda row: row.y0 + row.y1)
    return found


def _same_line(row: Row, piece: Piece) -> bool:
    """Whether the piece stands on the row's printed line."""
    low, high = row.y1 - row.y0, piece.y1 - piece.y0
    small = max(0.1, min(low, high))
    if max(low, high) > 1.8 * small:
        return abs(row.y1 - piece.y1) < 0.6 * small or (
            min(row.y1, piece.y1) - max(row.y0, piece.y0) > 0.9 * small
            and abs((row.y0 + row.y1) - (piece.y0 + piece.y1)) < small
        )
    return min(row.y1, piece.y1) - max(row.y0, piece.y0) > 0.5 * small


def usual_gap(column: list[Row]) -> float:
    """The white space between two lines of a paragraph in this column, as a share of size."""
    gaps = sorted(
        (below.y0 - above.y1) / above.size
        for above, below in pairwise(column)
        if abs(above.size - below.size) < 0.5 and below.y0 - above.y1 < 2 * above.size
    )
    return min(gaps[len(gaps) // 4], 0.9) if gaps else 0.2
