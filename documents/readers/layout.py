"""What a reader hands over for one page, before the pages become one document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from documents.document import Block, Words


@dataclass(frozen=True, slots=True, eq=False)
class PageLayout:
    """One page as read alone: its size, its text in reading order, its blocks and words with
    offsets into that text. ``font_sizes`` gives each block's main font size in points
    (0 where a format has none) so that heading levels can be settled over the whole document;
    ``tables`` gives each block's table number on the page, or -1."""

    width: float
    height: float
    text: str
    blocks: tuple[Block, ...]
    words: Words
    font_sizes: tuple[float, ...]
    tables: tuple[int, ...]


class Reader(Protocol):
    """Opens one file and reads it page by page. Raises `DocumentError`s."""

    @property
    def page_count(self) -> int:
        """How many pages the file has."""
        ...

    def pages(self, first: int = 0) -> Iterator[PageLayout]:
        """The pages from ``first`` on, in order."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


Open = Callable[[str, str | None], Reader]
"""``open(path, password)``: a reader for the file."""
