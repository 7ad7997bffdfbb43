"""Several searches under one budget: none starves, nothing is lost, one changes nothing."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.gathering import (
    Errand,
    as_found,
    coverage,
    evidence_in,
    fair,
    in_turn,
    key_of,
    merged,
    share,
)
from documents import Document, Evidence, Span
from documents.errors import Cancelled, TooLongError
from documents.progress import never_cancelled, within


def words(text: str) -> int:
    """A tokenizer that can be checked by hand."""
    return len(text.split())


def _document(key: str) -> Document:
    return Document(key, f"{key}.md", " ".join(f"{key}{n}" for n in range(400)), (), ())


def _errand(*keys: str, question: str = "q") -> Errand:
    return Errand(
        question=question, looking_for="", granularity="sentence", strategy="cprs", budget=50,
        documents=list(keys),
    )  # fmt: skip


groups_of_evidence = st.lists(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), max_size=12), min_size=1, max_size=5
)


def _ranked(drawn: list[list[tuple[int, float]]]) -> list[list[Evidence]]:
    groups = []
    for number, pieces in enumerate(drawn):
        scores = sorted((score for _, score in pieces), reverse=True)
        starts = [100 * place for place in range(len(pieces))]
        spans = [
            Span(str(number), start, start + length)
            for start, (length, _) in zip(starts, pieces, strict=True)
        ]
        groups.append([Evidence(span, s) for span, s in zip(spans, scores, strict=True)])
    return groups


@given(drawn=groups_of_evidence)
def test_every_group_has_its_share_of_every_beginning(
    drawn: list[list[tuple[int, float]]],
) -> None:
    groups = _ranked(drawn)
    order = fair(groups)
    assert sorted(e.span for e in order) == sorted(e.span for group in groups for e in group)
    if len(groups) == 1:
        assert order == groups[0]
        return
    longest = max((len(e.span) for e in order), default=0)
    lengths = [0] * len(groups)
    left = [len(group) for group in groups]
    for item in order:
        number = int(item.span.document)
        lengths[number] += len(item.span)
        left[number] -= 1
        for starved, length in enumerate(lengths):
            if left[starved]:  # what it found would be taken first, had it less than its share
                assert length >= sum(lengths) / (2 * len(groups)) - 2 * longest


def test_a_document_with_low_scores_is_not_starved() -> None:
    high = [Evidence(Span("a", 10 * n, 10 * n + 9), 0.9 - n / 1000) for n in range(20)]
    low = [Evidence(Span("b", 10 * n, 10 * n + 9), 0.1 - n / 1000) for n in range(20)]
    first = fair([high, low])[:8]
    assert [e.span.document for e in first].count("b") >= 2
    assert first[0] == high[0]


def test_searches_of_the_same_documents_take_turns() -> None:
    one, two = _errand("a", question="one"), _errand("a", question="two")
    documents = {"a": _document("a")}
    ranked = [Evidence(Span("a", 4 * n, 4 * n + 3), 1 - n / 10) for n in range(6)]
    found = {
        key_of(one): as_found(ranked[:3], one, documents, words),
        key_of(two): as_found([ranked[0], *ranked[3:]], two, documents, words),
    }
    order = [(e.span.start // 4) for e in merged([one, two], found)]
    assert order == [0, 1, 3, 2, 4, 5]
    assert merged([one], found) == ranked[:3]
    rows = coverage([one, two], found, ranked[:2], documents, words)
    assert rows == [(7, 2, 3)]


def test_what_is_kept_of_a_search_fills_its_budget_and_is_small() -> None:
    errand, documents = _errand("a"), {"a": _document("a")}
    text = documents["a"].text
    starts = [n for n in range(len(text)) if n == 0 or text[n - 1] == " "]
    ranked = [Evidence(Span("a", s, s + 3), 1.0) for s in starts]
    found = as_found(ranked, errand, documents, words)
    assert found["totals"] == [400]
    assert 100 < len(found["rows"]) < 120
    assert evidence_in(found, errand) == ranked[: len(found["rows"])]


def test_an_errand_is_another_where_anything_of_it_is() -> None:
    keys = {
        key_of(Errand(**{**_errand("a"), **change}))  # type: ignore[typeddict-item]
        for change in (
            {}, {"question": "other"}, {"documents": ["b"]}, {"budget": 51}, {"strategy": "rag"},
            {"granularity": "row"}, {"looking_for": "x"},
        )
    }  # fmt: skip
    assert len(keys) == 7
    assert key_of(_errand("a")) in keys


@given(budget=st.integers(50, 10_000), rounds=st.integers(1, 5))
def test_each_round_leaves_room_for_the_next(budget: int, rounds: int) -> None:
    shares = [share(budget, number, rounds) for number in range(1, rounds + 1)]
    assert shares[-1] == budget
    assert all(one < two for one, two in pairwise(shares))
    assert shares[0] >= budget * 2 // (rounds + 1) - 1


def test_a_stop_ends_the_waiting_for_a_search() -> None:
    lock = threading.Lock()
    with lock:
        stop = threading.Event()
        threading.Timer(0.1, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Cancelled), in_turn(lock, stop.is_set):
            pass
        assert time.monotonic() - began < 5
    with in_turn(lock, never_cancelled):
        assert lock.locked()
    assert not lock.locked()


def test_a_step_has_a_limit() -> None:
    assert within(0, never_cancelled)() is False
    assert within(60, lambda: True)() is True
    asked = within(0.01, never_cancelled)
    time.sleep(0.02)
    with pytest.raises(TooLongError, match=r"longer than 0\.01 seconds") as caught:
        asked()
    assert "STEP_TIMEOUT" in caught.value.hint
