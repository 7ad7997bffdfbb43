"""Units: what may be kept, in order, whole, and scored by the mean of its tokens."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_documents import Tokenizer, document_of, documents

from compressor.instruction import Granularity
from compressor.units import Unit, pieces, ranges, scores, units, without_mere_headings
from compressor.windows import prepare
from documents.document import Block, Document

SIZES: tuple[Granularity, ...] = ("word", "sentence", "row", "paragraph")
sizes = st.sampled_from(SIZES)


@given(documents, sizes)
def test_units_are_in_order_and_each_is_of_one_block(document: Document, size: Granularity) -> None:
    end = 0
    for unit in units(document, size):
        assert end <= unit.start < unit.end
        end = unit.end
        (block,) = document.blocks_in(unit.start, unit.end)
        assert block.start <= unit.start
        assert unit.end <= block.end
        assert block.kind != "furniture"
        assert unit.heading == (block.kind == "heading")
        text = document.text[unit.start : unit.end]
        assert text == text.strip()


@given(documents, sizes)
def test_nothing_but_furniture_and_column_heads_is_left_out(
    document: Document, size: Granularity
) -> None:
    held = "".join(document.text[unit.start : unit.end] for unit in units(document, size))
    heads = {start for block in document.blocks for start, _ in block.header}
    expected = "".join(
        document.text[block.start : block.end]
        for block in document.blocks
        if block.kind != "furniture" and block.start not in heads
    )
    assert "".join(held.split()) == "".join(expected.split())


@given(documents, sizes)
def test_rows_and_headings_are_whole(document: Document, size: Granularity) -> None:
    found = {(unit.start, unit.end) for unit in units(document, size)}
    for block in document.blocks:
        if block.kind == "heading" or block.header or (size == "paragraph" and _is_prose(block)):
            assert (block.start, block.end) in found


def _is_prose(block: Block) -> bool:
    return block.kind in {"paragraph", "list_item", "caption"}


def test_column_heads_are_context_and_no_units() -> None:
    document = document_of([[["Item", "2023"], ["Rent", "7"], ["Wages", "9"]]])
    texts = [document.text[unit.start : unit.end] for unit in units(document, "row")]
    assert texts == ["Rent\t7", "Wages\t9"]
    assert len(pieces(document, "row")) == 3


@given(documents, st.randoms(use_true_random=False))
def test_a_score_is_the_mean_of_the_tokens(document: Document, rng: Random) -> None:
    found = units(document, "sentence")
    starts = prepare(document, Tokenizer().many).starts
    keep = np.array([rng.random() for _ in starts], np.float32)
    expected = [
        np.mean([k for k, at in zip(keep, starts, strict=True) if unit.start <= at < unit.end])
        for unit in found
    ]
    assert scores(ranges(found, starts), keep) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ((0.6, 0.7, 0.1), (0.0, 0.7, 0.1)),
        ((0.8, 0.3, 0.1), (0.8, 0.3, 0.1)),
        ((0.7, 0.7, 0.1), (0.0, 0.7, 0.1)),
        ((0.6, 0.1, 0.7), (0.0, 0.1, 0.7)),
        ((0.4, 0.1, 0.1), (0.0, 0.1, 0.1)),
    ],
)
def test_a_heading_counts_if_it_is_good_and_what_it_heads_far_from_it(
    score: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    found = [Unit(0, 1, heading=True), Unit(2, 3), Unit(4, 5)]
    given_ = np.array(score, np.float32)
    assert without_mere_headings(found, given_) == pytest.approx(expected)
    assert given_ == pytest.approx(score)


def test_a_heading_is_not_measured_against_the_next_section() -> None:
    found = [Unit(0, 1, heading=True), Unit(2, 3), Unit(4, 5, heading=True), Unit(6, 7)]
    score = np.array((0.6, 0.1, 0.6, 0.9), np.float32)
    assert without_mere_headings(found, score) == pytest.approx((0.6, 0.1, 0, 0.9))
