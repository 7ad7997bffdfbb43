"""Decoding: overlaps merged, short gaps closed, words and numbers never cut."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_documents import Tokenizer, document_of

from compressor.critics.base import TokenScores
from compressor.spans import BEGIN, END, GAP_TOKENS, Merged, decode, snapped
from compressor.windows import Window, prepare

INSIDE = 1
WORDS = " ".join("abcdefghijklmnopqrstuvwxyz" * 4)


def merged(text: str, keep: Collection[int] = (), tags: dict[int, int] | None = None) -> Merged:
    """One paragraph whose tokens numbered ``keep`` are kept with 0.75, others with 0.25."""
    found = Merged(prepare(document_of([("paragraph", text)]), Tokenizer().many))
    size = len(found.keep)
    tag = [(tags or {}).get(at, INSIDE) for at in range(size)]
    found.keep[:] = [0.75 if at in keep else 0.25 for at in range(size)]
    found.boundary[:] = np.eye(4, dtype=np.float32)[tag]
    return found


def texts(given_: Merged, threshold: float = 0.5) -> list[str]:
    text = given_.prepared.document.text
    return [text[span.start : span.end] for span in decode(given_, threshold)]


def test_a_short_gap_is_closed_and_a_longer_one_is_not() -> None:
    assert texts(merged(WORDS, {0, GAP_TOKENS})) == [WORDS[: 2 * GAP_TOKENS + 1]]
    assert texts(merged(WORDS, {0, GAP_TOKENS + 1})) == ["a", "v"]


def test_no_gap_is_closed_after_an_end_or_before_a_beginning() -> None:
    assert texts(merged(WORDS, {0, 2}, {0: END})) == ["a", "c"]
    assert texts(merged(WORDS, {0, 2}, {2: BEGIN})) == ["a", "c"]
    assert texts(merged(WORDS, {0, 2}, {0: BEGIN, 1: END, 2: END})) == ["a b c"]


def test_a_score_is_the_mean_of_what_is_kept() -> None:
    given_ = merged(WORDS, {0, 4})
    given_.keep[4] = 0.5
    (span,) = decode(given_, 0.5)
    assert span.score == pytest.approx(0.625)


def test_two_parts_of_one_word_are_one_span() -> None:
    given_ = merged("to abcdefghi it", {1, 3}, {1: END})
    given_.keep[3] = 0.875
    (span,) = decode(given_, 0.5)
    assert (span.start, span.end, span.score) == (3, 12, 0.875)


def test_nothing_kept_gives_no_span() -> None:
    assert decode(merged(WORDS), 0.5) == []
    assert decode(merged(""), 0.5) == []


def test_overlapping_windows_are_merged_as_a_mean_over_the_document() -> None:
    given_ = merged(WORDS)
    given_.keep[:] = 0
    for first, last, value in ((0, 6, 0.2), (2, 8, 0.5), (4, 9, 0.8)):
        one = TokenScores(
            np.full(last - first, value, np.float32), np.full((last - first, 4), value, np.float32)
        )
        given_.add(Window(given_.prepared, first, last), one)
    expected = [0.2, 0.2, 0.35, 0.35, 0.5, 0.5, 0.65, 0.65, 0.8, 0]
    assert given_.keep[:10] == pytest.approx(expected)
    assert given_.boundary[4].tolist() == pytest.approx([0.5] * 4)


_WHOLE = re.compile(r"[a-zé0-9]+(?:[.,'&-][a-zé0-9]+)*")
parts = st.text(alphabet="abé019.,'&-!()收入", min_size=1, max_size=25)
numbers = st.integers(0, 60)
prose = st.lists(parts, min_size=1, max_size=30).map(" ".join)


@given(prose, st.sets(numbers), st.dictionaries(numbers, st.integers(0, 3)))
def test_spans_cut_no_word_or_number_and_hold_all_that_is_kept(
    text: str, keep: set[int], tags: dict[int, int]
) -> None:
    given_ = merged(text, keep, tags)
    spans = decode(given_, 0.5)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    for word in _WHOLE.finditer(text):
        for span in spans:
            assert not word.start() < span.start < word.end()
            assert not word.start() < span.end < word.end()
    held = {at for span in spans for at in range(span.start, span.end)}
    for at in keep & set(range(len(given_.keep))):
        assert set(range(given_.prepared.starts[at], given_.prepared.ends[at])) <= held


@pytest.mark.parametrize(
    ("piece", "whole"),
    [
        ("234", "$1,234.5"),
        ("ompan", "company's"),
        ("wel", "twelve-month"),
        ("12", "12%"),
        ("公", "公"),
        ("司收", "司收"),
        ("56", "56.7"),
        ("(", "("),
    ],
)
def test_a_piece_grows_to_the_word_it_is_in(piece: str, whole: str) -> None:
    text = "The company's $1,234.5 (over 12%) in the twelve-month term. 公司收入为56.7万元。"
    at = text.index(piece)
    start, end = snapped(text, at, at + len(piece))
    assert text[start:end] == whole


def test_without_spaces_every_character_is_a_word() -> None:
    text = "公司收入为八万元"
    found = Merged(prepare(document_of([("paragraph", text)]), _characters))
    found.keep[2:4] = 1
    assert texts(found) == ["收入"]


def _characters(given_: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
    return [([0] * len(t), [(at, at + 1) for at in range(len(t))]) for t in given_]
