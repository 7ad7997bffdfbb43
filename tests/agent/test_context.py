"""Numbered evidence under a budget."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.context import arrange, fill, render
from agent.strategies.full import whole
from documents import Document, DocumentStore, Evidence


def words(text: str) -> int:
    """A tokenizer that can be checked by hand."""
    return len(text.split())


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    folder: Path = tmp_path_factory.mktemp("context")
    store = DocumentStore(folder / "home")
    found = {}
    for name in ("one", "two"):
        lines = [f"Sentence {n} of {name} says {n * 7}." for n in range(60)]
        table = "| Item | 2023 |\n|---|---|\n| Rent | 12 |\n| Wages | 34 |"
        text = f"# Title {name}\n\n## Part A\n\n{' '.join(lines)}\n\n## Part B\n\n{table}\n"
        (folder / f"{name}.md").write_text(text)
        document = store.ingest(folder / f"{name}.md")
        found[document.id] = document
    return found


def _evidence(documents: dict[str, Document], seed: list[tuple[int, int, int]]) -> list[Evidence]:
    chosen = []
    for which, start, length in seed:
        document = list(documents.values())[which % 2]
        begin = start % (len(document.text) - 1)
        end = min(len(document.text), begin + 1 + length)
        chosen.append(Evidence(document.span(begin, end), 1 / (1 + len(chosen))))
    return chosen


SPANS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 5_000), st.integers(0, 400)), max_size=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=SPANS, budget=st.integers(30, 400), cut=st.booleans())
def test_the_text_never_passes_the_budget(
    documents: dict[str, Document], seed: list[tuple[int, int, int]], budget: int, cut: bool
) -> None:
    chosen, text = fill(_evidence(documents, seed), documents, budget, words, cut_last=cut)
    assert words(text) <= budget
    assert render(chosen, documents) == text
    for item in chosen:
        assert documents[item.span.document].slice(item.span) in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=SPANS)
def test_arranged_evidence_is_in_order_and_apart(
    documents: dict[str, Document], seed: list[tuple[int, int, int]]
) -> None:
    given_ = _evidence(documents, seed)
    arranged = arrange(given_, documents)
    order = list(documents)
    keys = [(order.index(e.span.document), e.span.start) for e in arranged]
    assert keys == sorted(keys)
    for one, other in pairwise(arranged):
        assert not one.span.overlaps(other.span)
    for item in given_:
        assert any(
            item.span.document == e.span.document
            and e.span.start <= item.span.start
            and item.span.end <= e.span.end
            for e in arranged
        )


def test_a_row_comes_with_its_column_heads_and_headings(documents: dict[str, Document]) -> None:
    document = next(iter(documents.values()))
    row = next(b for b in document.blocks if "Wages" in document.text[b.start : b.end])
    text = render([Evidence(document.span(row.start, row.end), 1.0)], documents)
    assert text.startswith(f"Document: {document.name}\n\n[1] (Title one; Part B)\n")
    assert "Columns: Item | 2023\n" in text
    assert text.endswith(document.text[row.start : row.end])


def test_what_stands_over_neighbours_is_written_once(documents: dict[str, Document]) -> None:
    document = next(iter(documents.values()))
    text = document.text
    blocks = [b for b in document.blocks if text[b.start : b.end].startswith(("| Rent", "| Wages"))]
    sentences = [text.index(f"Sentence {n} ") for n in (3, 9)]
    spans = [document.span(at, at + 12) for at in sentences]
    spans += [document.span(b.start, b.start + 6) for b in blocks]
    shown = render([Evidence(span, 1.0) for span in spans], documents)
    assert shown == (
        f"Document: {document.name}\n\n"
        "[1] (Title one; Part A)\nSentence 3 o\n\n"
        "[2] Sentence 9 o\n\n"
        "[3] (Title one; Part B)\nColumns: Item | 2023\n| Rent\n\n"
        "[4] | Wage"
    )


def test_the_next_best_takes_the_room_left(documents: dict[str, Document]) -> None:
    document = next(iter(documents.values()))
    at = [document.text.index(f"Sentence {n} ") for n in (3, 20, 40)]
    short, long, last = at[0], at[1], at[2]
    ranked = [
        Evidence(document.span(short, short + 30), 0.9),
        Evidence(document.span(long, long + 400), 0.8),
        Evidence(document.span(last, last + 30), 0.7),
    ]
    chosen, _ = fill(ranked, documents, 30, words, cut_last=False)
    assert [item.score for item in chosen] == [0.9, 0.7]
    cut, _ = fill(ranked, documents, 30, words, cut_last=True)
    assert [item.score for item in cut] == [0.9, 0.8]


def test_the_best_is_cut_when_nothing_fits(documents: dict[str, Document]) -> None:
    document = next(iter(documents.values()))
    everything = [Evidence(document.span(0, len(document.text)), 1.0)]
    chosen, text = fill(everything, documents, 40, words, cut_last=False)
    assert len(chosen) == 1
    assert 30 <= words(text) <= 40


def test_reading_in_full_leaves_nothing_out(documents: dict[str, Document]) -> None:
    document = next(iter(documents.values()))
    read = "".join(document.slice(piece.span) for piece in whole(document))
    assert "".join(read.split()) == "".join(document.text.split())
