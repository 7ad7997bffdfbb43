"""Windows: together they hold the whole text, in order, and cut as little as can be."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_documents import TOKEN, Part, Tokenizer, document_of, documents

from compressor.windows import Window, column_heads, cut, prepare
from documents.document import Document
from documents.errors import Cancelled

rooms = st.integers(20, 60)
overlaps = st.integers(0, 12)
HEADER_ROOM = 8


def windows_of(document: Document, room: int, overlap: int) -> list[Window]:
    tokenizer = Tokenizer()
    prepared = prepare(document, tokenizer.many)
    return list(cut(prepared, tokenizer.one, room, HEADER_ROOM, overlap))


@given(documents)
def test_every_token_outside_furniture_is_prepared_once_and_in_order(document: Document) -> None:
    prepared = prepare(document, Tokenizer().many)
    expected = [
        match.span()
        for block in document.blocks
        if block.kind != "furniture"
        for match in TOKEN.finditer(document.text, block.start, block.end)
    ]
    assert list(zip(prepared.starts, prepared.ends, strict=True)) == expected


@given(documents, rooms, overlaps)
def test_windows_cover_all_tokens_in_order_and_share_few(
    document: Document, room: int, overlap: int
) -> None:
    done, last_first = 0, -1
    for window in windows_of(document, room, overlap):
        assert max(last_first + 1, done - overlap) <= window.first <= done < window.last
        done, last_first = window.last, window.first
    assert done == len(prepare(document, Tokenizer().many).ids)


@given(documents, rooms, overlaps)
def test_no_window_is_longer_than_its_room(document: Document, room: int, overlap: int) -> None:
    for window in windows_of(document, room, overlap):
        assert len(window.header) <= HEADER_ROOM
        assert window.last - window.first + len(window.header) <= room


@given(documents, rooms, overlaps)
def test_only_a_piece_longer_than_a_window_is_cut_and_then_at_a_word(
    document: Document, room: int, overlap: int
) -> None:
    for window in windows_of(document, room, overlap):
        ends = set(window.prepared.pieces.tolist())
        if window.last in ends:
            continue
        limit = window.first + room - len(window.header)
        assert not ends & set(range(window.first + 1, limit + 1))
        assert document.text[window.end].isspace()  # no word here has 12 tokens


def test_a_window_opens_with_the_last_piece_of_the_one_before() -> None:
    document = document_of([("paragraph", " ".join(f"It is {n:03}." for n in range(30)))])
    first, second, *_ = windows_of(document, 40, 5)
    assert second.first == first.last - 4
    assert document.text[second.start : first.end] == document.text[second.start :][:10]
    assert all(one.last == other.first for one, other in pairwise(windows_of(document, 40, 3)))


def test_a_header_holds_name_headings_and_column_heads() -> None:
    rows = [["Item", "Y23"], *([f"r{n}", str(n)] for n in range(40))]
    tokenizer = Tokenizer()
    over: list[Part] = [("heading", "one"), ("heading", "Lease")]  # levels 1 and 3
    document = document_of([*over, rows])
    prepared = prepare(document, tokenizer.many)
    found = [tokenizer.read(w.header) for w in cut(prepared, tokenizer.one, 40, 20, 0)]
    assert found[0] == "aname"
    assert set(found[1:]) == {"anameoneLeaseItemY23"}


def test_column_heads_are_cut_last() -> None:
    rows = [["Item", "Y23"], *([f"r{n}", str(n)] for n in range(40))]
    tokenizer = Tokenizer()
    document = document_of([("heading", "one"), rows], name="a very long name of a file.txt")
    prepared = prepare(document, tokenizer.many)
    found = [tokenizer.read(w.header) for w in cut(prepared, tokenizer.one, 40, 5, 0)]
    assert set(found[1:]) == {"averItemY23"}


def test_a_head_has_no_heads_over_it() -> None:
    document = document_of([[["Item", "Y23"], ["Rent", "7"]]])
    first, second = document.blocks
    own = replace(document, blocks=(replace(first, header=second.header), second))
    assert column_heads(own, first.start) == column_heads(document, first.start) == []
    assert column_heads(document, second.start) == ["Item", "Y23"]


def test_preparing_is_stopped() -> None:
    with pytest.raises(Cancelled):
        prepare(document_of([("paragraph", "Text.")]), Tokenizer().many, lambda: True)


def test_nothing_has_no_windows() -> None:
    assert windows_of(document_of([]), 40, 5) == []
    assert windows_of(document_of([("furniture", "page 1")]), 40, 5) == []
