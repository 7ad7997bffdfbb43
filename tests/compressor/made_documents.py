"""Documents made by hypothesis, and a tokenizer that can be checked by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from documents.document import Block, BlockKind, Document
from documents.readers.assemble import assemble
from documents.readers.markdown import open_markdown

TOKEN = re.compile(r"\w{1,3}|[^\w\s]")
Part = tuple[BlockKind, str] | list[list[str]]
"""A block, or a table whose first row holds the column heads."""


class Tokenizer:
    """Words in parts of up to three characters, and single other marks."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def many(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Ids and characters of each text's tokens."""
        found = [list(TOKEN.finditer(text)) for text in texts]
        return [([self._id(m.group()) for m in one], [m.span() for m in one]) for one in found]

    def one(self, text: str) -> tuple[int, ...]:
        """The ids of one text."""
        return tuple(self.many([text])[0][0])

    def read(self, ids: Sequence[int]) -> str:
        """The tokens with nothing between them."""
        tokens = list(self.known)
        return "".join(tokens[number] for number in ids)

    def _id(self, token: str) -> int:
        return self.known.setdefault(token, len(self.known))


def document_of(parts: Sequence[Part], name: str = "a_name.txt") -> Document:
    """A document with one block for each part, and one for each row of a table."""
    text, blocks = "", list[Block]()
    for part in parts:
        if isinstance(part, tuple):
            level = 1 + len(part[1]) % 3 if part[0] == "heading" else 0
            blocks.append(Block(part[0], len(text), len(text) + len(part[1]), 0, level))
            text += part[1] + "\n\n"
            continue
        header = list[tuple[int, int]]()
        for number, row in enumerate(part):
            start = len(text)
            text += "\t".join(row)
            over = tuple(header) if number else ()
            blocks.append(Block("table_row", start, len(text), 0, header=over))
            if not number:
                ends = [start + sum(map(len, row[: i + 1])) + i for i in range(len(row))]
                header = [(end - len(c), end) for end, c in zip(ends, row, strict=True)]
            text += "\n"
    return Document("d", name, text, (), tuple(blocks))


def markdown(path: Path, text: str) -> Document:
    """The text as the Markdown reader reads it."""
    path.write_text(text)
    return assemble("d" * 64, path.name, list(open_markdown(str(path), None).pages()))


_KINDS: list[BlockKind] = ["heading", "paragraph", "list_item", "caption", "furniture"]
_words = st.text(alphabet="abcdefAB123.,!?é收", min_size=1, max_size=9)
_prose = st.lists(_words, min_size=1, max_size=40).map(" ".join)
_table = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.lists(_words, min_size=n, max_size=n), min_size=2, max_size=6)
)
_blocks = st.tuples(st.sampled_from(_KINDS), _prose)
documents = st.lists(st.one_of(_blocks, _blocks, _table), max_size=10).map(document_of)
