"""Chunks: they cover what is not furniture, in order, and end at sentence ends."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from documents.document import Block, BlockKind, Document
from retrieval import chunk, chunk_text

KINDS: list[BlockKind] = ["paragraph", "heading", "table_row", "list_item", "furniture"]


def words(texts: Sequence[str]) -> list[NDArray[np.int64]]:
    """A tokenizer of words and single punctuation marks."""
    return [
        np.array([found.start() for found in re.finditer(r"\w+|[^\w\s]", text)], np.int64)
        for text in texts
    ]


def document_of(parts: Sequence[tuple[BlockKind, str]]) -> Document:
    text, blocks = "", []
    for kind, part in parts:
        if part:
            blocks.append(Block(kind, len(text), len(text) + len(part), 0))
            text += part + "\n\n"
    return Document("d", "d.txt", text, (), tuple(blocks))


prose = st.text(alphabet="abcAB1 .,!?\n-é", max_size=200).map(str.strip)
documents = st.lists(st.tuples(st.sampled_from(KINDS), prose), max_size=12).map(document_of)


@given(documents, st.integers(1, 40))
def test_chunks_cover_the_text_in_order_and_cut_no_word(document: Document, limit: int) -> None:
    chunks = chunk(document, limit, words)
    covered = np.zeros(len(document.text), bool)
    end = 0
    for span in chunks:
        assert span.start >= end
        end = span.end
        covered[span.start : span.end] = True
        before = document.text[span.start - 1 : span.start] or " "
        after = document.text[span.end : span.end + 1] or " "
        assert before.isspace()
        assert after.isspace()
    for block in document.blocks:
        for at in range(block.start, block.end):
            if block.kind != "furniture" and not document.text[at].isspace():
                assert covered[at]


@given(documents, st.integers(1, 40))
def test_a_chunk_holds_no_more_than_its_limit(document: Document, limit: int) -> None:
    for span in chunk(document, limit, words):
        text = chunk_text(document, span)
        assert len(words([text])[0]) <= limit or len(text.split()) == 1


def test_sentences_stay_whole() -> None:
    document = document_of([("paragraph", "One two three. Mr. Smith of Acme Inc. paid $3.5. End.")])
    found = [document.slice(span) for span in chunk(document, 13, words)]
    assert found == ["One two three.", "Mr. Smith of Acme Inc. paid $3.5.", "End."]


def test_a_sentence_over_a_page_end_stays_whole_and_leaves_the_running_head_out() -> None:
    document = document_of(
        [
            ("paragraph", "First one. The limit on leverage"),
            ("furniture", "Annual report 12"),
            ("paragraph", "is three times. Last one."),
        ]
    )
    found = [chunk_text(document, span) for span in chunk(document, 9, words)]
    assert "The limit on leverage\nis three times." in found[1]
    assert not any("Annual" in text for text in found)


def test_a_long_sentence_is_cut_at_word_ends() -> None:
    document = document_of([("paragraph", " ".join(f"word{n}" for n in range(25)))])
    found = [document.slice(span).split() for span in chunk(document, 10, words)]
    assert [len(part) for part in found] == [10, 10, 5]


def test_an_empty_document_has_no_chunks() -> None:
    assert chunk(document_of([]), 10, words) == []
    assert chunk(document_of([("furniture", "page 1")]), 10, words) == []
