"""Pictures of pages with passages marked, and unlocked copies: PyMuPDF outside the readers.

Boxes are where a person sees them, so they are painted on the finished picture: no rotation of
the page can move them. Pages are drawn in the worker process, since drawing is as easily
attacked as reading; that costs about half a second a picture, which the store's cache saves.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from documents.document import Box
from documents.errors import DamagedError, EncryptedError, UnknownDocumentError
from documents.progress import IsCancelled, never_cancelled
from documents.worker import stream

_YELLOW = (255, 226, 64)
_MAX_PIXELS = 25_000_000
_PAD = 1.0


def page_image(
    file: Path,
    page: int,
    boxes: Sequence[Box] = (),
    dpi: int = 110,
    *,
    crop: Box | None = None,
    name: str = "",
    cancelled: IsCancelled = never_cancelled,
) -> bytes:
    """A PNG of a page (from 0) with those boxes that stand on it marked in yellow.

    ``crop`` cuts the picture to one box. A page so large that it would pass 25 megapixels is
    drawn at a lower resolution. Raises `DocumentError`s and, for a page that is not there,
    `UnknownDocumentError`."""
    marks = [(box.x0, box.y0, box.x1, box.y1) for box in boxes if box.page == page]
    cut = (crop.x0, crop.y0, crop.x1, crop.y1) if crop else None
    name = name or file.name
    drawn = stream(
        draw_page, str(file), page, marks, dpi, cut, name,
        name=name, where=lambda _done: f" drawing page {page + 1}", cancelled=cancelled,
    )  # fmt: skip
    try:
        return next(drawn)
    finally:
        _close(drawn)


def _close(items: Iterator[bytes]) -> None:
    """End the worker now, not when the iterator is collected."""
    close = getattr(items, "close", None)
    if close is not None:
        close()


def draw_page(  # noqa: PLR0917 - a job takes its arguments in order
    file: str,
    page: int,
    marks: Sequence[tuple[float, float, float, float]],
    dpi: int,
    cut: tuple[float, float, float, float] | None,
    name: str,
) -> Iterator[bytes]:
    """The worker's job behind `page_image`."""
    import pymupdf

    try:
        with _opened(file, name) as document:
            if not 0 <= page < document.page_count:
                raise UnknownDocumentError(
                    f"{name} has no page {page + 1}.", f"It has {document.page_count}."
                )
            sheet = document[page]
            area = sheet.rect if cut is None else pymupdf.Rect(cut) & sheet.rect
            zoom = _zoom(area.width, area.height, dpi)
            pixels = sheet.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), clip=area, alpha=False)
    except (RuntimeError, ValueError) as error:
        raise _damaged(name, f"page {page + 1} cannot be drawn", error) from error
    rows = np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.stride)
    picture = rows[:, : pixels.width * pixels.n].reshape(pixels.height, pixels.width, pixels.n)
    # the picture starts on a whole pixel: pixels.x, not area.x0 * zoom
    yield _png(_marked(picture, marks, zoom, pixels.x, pixels.y))


def _zoom(width: float, height: float, dpi: int) -> float:
    """Pixels per point: as asked, unless that makes too large a picture."""
    most = math.sqrt(_MAX_PIXELS / max(width * height, 1.0))
    return min(max(dpi, 1) / 72, most)


def _marked(
    picture: np.ndarray[Any, np.dtype[np.uint8]],
    marks: Sequence[tuple[float, float, float, float]],
    zoom: float,
    left: int,
    top: int,
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture with yellow laid over the marks as a felt pen would: ink stays dark."""
    mask = np.zeros(picture.shape[:2], bool)
    for x0, y0, x1, y1 in marks:
        rows = slice(*_whole((y0 - _PAD) * zoom - top, (y1 + _PAD) * zoom - top))
        columns = slice(*_whole((x0 - _PAD) * zoom - left, (x1 + _PAD) * zoom - left))
        mask[rows, columns] = True
    painted = picture.copy()
    painted[mask] = painted[mask].astype(np.uint16) * np.array(_YELLOW, np.uint16) // 255
    return painted


def _whole(low: float, high: float) -> tuple[int, int]:
    return max(0, math.floor(low)), max(0, math.ceil(high))


def _png(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture, "RGB").save(out, "PNG", compress_level=3)
    return out.getvalue()


def unlock_pdf(source: str, target: str, password: str) -> None:
    """Writes an unlocked copy of a PDF that needs a password; of another, nothing. Called in
    the worker process."""
    import pymupdf

    name = Path(source).name
    try:
        with pymupdf.open(source) as document:
            if not document.needs_pass:
                return
            if not document.authenticate(password):
                raise EncryptedError(f"{name}: the password is wrong.", "Give its right password.")
            document.save(target, encryption=pymupdf.PDF_ENCRYPT_NONE)
    except (RuntimeError, ValueError) as error:
        raise _damaged(name, "cannot be unlocked", error) from error


def _opened(file: str, name: str) -> Any:
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    document = pymupdf.open(file)
    if document.needs_pass:
        document.close()
        raise EncryptedError(f"{name}: needs a password.", "Ingest it with its password first.")
    return document


def _damaged(name: str, what: str, error: Exception) -> DamagedError:
    return DamagedError(
        f"{name}: {what} ({str(error)[:100]}).", "Print the file to a new PDF and try that."
    )
