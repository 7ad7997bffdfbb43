"""Evidence kept, against values worked out by hand; the controls rank at the bottom."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents import Document, Page, Span
from documents.document import Block
from evals.methods import NAMES, Methods
from evals.metrics.evidence import (
    answer_marks,
    characters_kept,
    evidence_kept,
    marks_on_pages,
    merged,
)
from evals.samples import Gold, Sample, find_all, text_document
from evals.stats import difference, estimate

TEXT = "Alpha beta gamma. Delta 4,812 million. Omega."
DOC = text_document("d", TEXT)
DOCS = {DOC.id: DOC}


def span(start: int, end: int) -> Span:
    return DOC.span(start, end)


def test_half_of_the_characters() -> None:
    gold = [span(0, 10)]  # "Alpha beta": nine characters beside the blank
    assert characters_kept(gold, [span(0, 5)], DOCS) == pytest.approx(5 / 9)
    assert characters_kept(gold, [span(0, 5), span(3, 6)], DOCS) == pytest.approx(5 / 9)
    assert characters_kept(gold, [span(0, 17)], DOCS) == 1
    assert characters_kept(gold, [span(18, 30)], DOCS) == 0


def test_found_from_nine_tenths_on() -> None:
    gold = Gold(spans=(span(0, 10),))
    assert evidence_kept(gold, [span(0, 9)], DOCS) == {"kept": pytest.approx(8 / 9), "found": 0}
    assert evidence_kept(gold, [span(0, 10)], DOCS) == {"kept": 1, "found": 1}
    assert evidence_kept(Gold(), [span(0, 10)], DOCS) == {}


def test_the_heads_over_a_selected_row_are_shown_with_it() -> None:
    text = "Item | 2019 | 2018\nRevenue | 12 | 10\nCosts | 7 | 6\n"
    heads = ((0, 4), (7, 11), (14, 18))
    rows = [
        Block("table_row", 0, 18, 0),
        Block("table_row", 19, 36, 0, header=heads),
        Block("table_row", 37, 50, 0, header=heads),
    ]
    docs = {"t": Document("t", "t.txt", text, (), tuple(rows))}
    years = Gold((), (Span("t", 7, 11), Span("t", 14, 18)))
    assert evidence_kept(years, [Span("t", 19, 36)], docs) == {"kept": 1, "found": 1}
    assert evidence_kept(years, [Span("t", 50, 51)], docs) == {"kept": 0, "found": 0}
    costs = Gold((), (Span("t", 37, 50),))
    assert evidence_kept(costs, [Span("t", 19, 36)], docs)["kept"] == 0


def paged() -> Document:
    """Two pages that both print 4,812."""
    text = "Revenue 4,812 is said here. Wages 77.\nOverview: 4,812 and more."
    pages = (Page(100, 100, 0, 38), Page(100, 100, 38, len(text)))
    return Document("paged", "p.pdf", text, pages, ())


@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [
        (0, 13, 1.0),  # the figure on the gold page
        (38, 63, 0.0),  # the same figure on another page
        (0, 7, 0.0),  # the gold page is touched, the figure is not there
    ],
)
def test_the_figure_must_stand_on_a_gold_page(start: int, end: int, kept: float) -> None:
    document = paged()
    gold = Gold(answers=("It was $4,812 million.",), pages=(("paged", 0),))
    scores = evidence_kept(gold, [document.span(start, end)], {"paged": document})
    assert scores["kept"] == kept


@pytest.mark.parametrize(
    ("answer", "marks"),
    [
        ("Revenue was 4,812 in 2023, up 7%.", {"4812", "7"}),
        ("In 2023.", {"2023"}),
        ("On March 31, 2023.", {"31"}),
        ("It is Ingrid Dahl.", {"Ingrid Dahl"}),
        ("blue whales", {"blue whales"}),
        ("", set()),
    ],
)
def test_what_of_an_answer_must_be_there(answer: str, marks: set[str]) -> None:
    assert answer_marks([answer]) == marks


@pytest.mark.parametrize(
    ("mark", "kept"),
    [
        ("12", 0), ("81.8", 0), ("1281.8", 1), ("16", 1), ("6", 0), ("Lee", 0), ("Leeds", 1),
        ("May 1", 0), ("May 17", 1), ("leeds, annual", 1),
    ],
)  # fmt: skip
def test_a_mark_is_no_part_of_a_longer_one(mark: str, kept: float) -> None:
    text = "In 2012 Leeds (Annual) sold 1,281.8 of 16GB up to May 17th: 281,800. Leeds, annual"
    document = Document("m", "m.pdf", text, (Page(100, 100, 0, len(text)),), ())
    whole = [document.span(0, len(text))]
    assert marks_on_pages(frozenset({mark}), [("m", 0)], whole, {"m": document}) == kept


SPANS = st.lists(
    st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 12)).map(
        lambda pair: span(pair[0], min(len(TEXT), sum(pair)))
    ),
    max_size=6,
)


def test_without_pages_only_telling_figures_of_the_documents_count() -> None:
    gold = Gold(("4,812 million in 2023, up 12 from 3,905",), anywhere=True)  # 3,905 is not there
    assert evidence_kept(gold, [span(18, 30)], DOCS) == {"kept": 1, "found": 1}
    assert evidence_kept(gold, [span(0, 17)], DOCS) == {"kept": 0, "found": 0}
    assert evidence_kept(Gold(("Up 12 since 2023.",), anywhere=True), [span(0, 45)], DOCS) == {}


@given(SPANS, SPANS, SPANS)
def test_more_context_never_keeps_less(
    gold: list[Span], less: list[Span], more: list[Span]
) -> None:
    kept = characters_kept(gold, less, DOCS)
    assert 0 <= kept <= characters_kept(gold, less + more, DOCS) <= 1


@given(SPANS)
def test_merged_spans_hold_the_same_characters(spans: list[Span]) -> None:
    def covered(some: list[Span]) -> set[int]:
        return {at for each in some for at in range(each.start, each.end)}

    joined = merged(spans)
    assert covered(joined) == covered(spans)
    assert all(a.end < b.start for a, b in pairwise(joined))


def test_the_mean_and_its_interval() -> None:
    found = estimate([0.0, 1.0] * 50)
    assert (found.mean, found.count) == (0.5, 100)
    # the standard error is 0.05: the 95% interval is about 0.4 to 0.6
    assert found.low == pytest.approx(0.4, abs=0.03)
    assert found.high == pytest.approx(0.6, abs=0.03)


def test_paired_differences_take_both_answers_of_a_question() -> None:
    rng = np.random.default_rng(1)
    hard = {str(n): float(rng.random()) for n in range(50)}
    better = {key: value + 0.1 for key, value in hard.items()}
    found = difference(better, hard | {"only here": 9.0})
    assert found is not None
    assert found.count == 50
    assert (found.low, found.mean, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert difference({"a": 1.0}, {"b": 1.0}) is None


def test_controls_touch_much_and_keep_little() -> None:
    lines = [f"Line {n} of this page says nothing. The answer is {n} krone." for n in range(400)]
    document = text_document("long", "\n\n".join(lines))
    gold = Gold(("217 krone",), find_all(document, "The answer is 217 krone."))
    sample = Sample("s1", "t", "What is the answer?", (document,), gold)
    for name in ("random", "line_a_page"):
        method = NAMES[name](Methods.__new__(Methods))
        ranked = method.rank(sample, lambda: False)[:15]
        assert len({item.span.start // 2_000 for item in ranked}) >= 8
        scores = evidence_kept(gold, [item.span for item in ranked], {document.id: document})
        assert scores["found"] == 0


def test_the_lines_of_the_control_are_short() -> None:
    text = "\n\n".join([" ".join(f"word{n}" for n in range(300)), "end", "x" * 100])
    document = text_document("d", text)
    sample = Sample("s1", "t", "?", (document,), Gold())
    ranked = NAMES["line_a_page"](Methods.__new__(Methods)).rank(sample, lambda: False)
    shown = [document.slice(item.span) for item in ranked]
    assert max(map(len, shown)) <= 80
    assert [word for line in shown for word in line.split()][:301] == text.split()[:301]
