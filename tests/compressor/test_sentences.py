"""Sentences: not every full stop ends one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.sentences import sentences

prose = st.text(alphabet='abAB19 .,!?\n\t"()。收', max_size=120)


@pytest.mark.parametrize(
    "expected",
    [
        ["Mr. Smith of Acme Inc. paid $3.5 million.", "It closed on Sept. 30."],
        ["See Fig. 2 and Sec. 4 for e.g. rents.", "They rose approx. 4%."],
        ["J. R. Smith signed.", "So did A. Jones."],
        ["It grew by 1.5 in the U.S. market.", "Version 2.0 follows."],
        ["1. The first item.", "2. The second item.", "3.1. A third."],
        ['He said "Stop."', "(It did.)", "Then it went on."],
        ["Is it due?", "yes!", "It is."],
        ["The sum was 5.", "The rest was 7."],
        ["It goes on. and on, though."],
        ["No full stop at the end"],
    ],
)
def test_examples(expected: list[str]) -> None:
    text = " ".join(expected)
    if expected[0].startswith("1."):
        text = "\n".join(expected)
    assert [text[a:b] for a, b in sentences(text)] == expected


def test_chinese_needs_no_spaces() -> None:
    text = "公司收入为3.5亿元。利润呢？下降了！"
    found = [text[a:b] for a, b in sentences(text)]
    assert found == ["公司收入为3.5亿元。", "利润呢？", "下降了！"]


def test_a_line_end_is_a_sentence_end_only_where_asked() -> None:
    text = "One line\nof two. Next\n\n  more"
    assert [text[a:b] for a, b in sentences(text)] == ["One line\nof two.", "Next\n\n  more"]
    found = [text[a:b] for a, b in sentences(text, lines_end=True)]
    assert found == ["One line", "of two.", "Next", "more"]


@given(prose, st.integers(0, 120), st.integers(0, 120), st.booleans())
def test_they_are_in_order_and_hold_all_but_white_space(
    text: str, start: int, end: int, lines_end: bool
) -> None:
    start, end = sorted((min(start, len(text)), min(end, len(text))))
    at = start
    for first, last in sentences(text, start, end, lines_end=lines_end):
        assert at <= first < last <= end
        assert not text[at:first].strip()
        assert text[first:last] == text[first:last].strip()
        at = last
    assert not text[at:end].strip()
