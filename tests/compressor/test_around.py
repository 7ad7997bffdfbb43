"""The share of the question's words that stands around a unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.around import NEAR, Around
from compressor.units import Unit, units
from documents.document import Block, Document
from documents.progress import never_cancelled


def document(text: str, name: str = "a.txt", identity: str = "a") -> Document:
    return Document(identity, name, text, (), (Block("paragraph", 0, len(text), 0),))


def shares(question: str, *documents: Document) -> list[list[float]]:
    around = Around(question, documents, never_cancelled)
    return [around.shares(each, units(each, "sentence")).tolist() for each in documents]


FILLER = "The harbour was quiet that day. " * (2 * NEAR // 32 + 2)


def test_words_count_within_reach_and_no_further() -> None:
    text = f"The Ondurra lighthouse was rebuilt. It took years. {FILLER}It was painted blue."
    first, second, *_, last = shares("When was Ondurra rebuilt?", document(text))[0]
    assert first == second > 0.6  # "it" is the lighthouse
    assert last == 0


def test_rare_words_count_for_more() -> None:
    rare, common = "Form K-7712 is filed here.", "A quiet harbour report is filed here."
    text = f"{rare} {FILLER}{common} {FILLER}"
    found = document(text)
    places = [Unit(text.index(each), text.index(each) + len(each)) for each in (rare, common)]
    around = Around("the harbour, quiet, in form K-7712", [found], never_cancelled)
    first, second = around.shares(found, places).tolist()
    assert first > second


def test_forms_of_a_word_are_the_word() -> None:
    assert shares("Which painted ships?", document("Painting a ship."))[0][0] == 1
    assert shares("Which painted ships?", document("The pain of shipping."))[0][0] == 0


def test_a_documents_name_is_around_all_of_it() -> None:
    both = document("Sales rose.", "Apex annual.pdf", "a"), document("Sales rose.", "B.pdf", "b")
    (named,), (other,) = shares("What were the sales of Apex?", *both)
    assert named > other > 0


def test_nothing_asked_is_nowhere() -> None:
    assert shares("", document("Sales rose. Costs fell.")) == [[0.0, 0.0]]
    assert shares("What is the?", document("Sales rose.")) == [[0.0]]


@given(st.text("abc xyz.\n", max_size=300), st.text("abcxyz ", max_size=30))
def test_a_share_is_a_share(text: str, question: str) -> None:
    found = document(text)
    around = Around(question, [found], never_cancelled)
    share = around.shares(found, units(found, "sentence"))
    assert share.dtype == np.float32
    assert ((share >= 0) & (share <= 1 + 1e-6)).all()


def test_a_stop_is_heeded() -> None:
    from documents.errors import Cancelled

    with pytest.raises(Cancelled):
        Around("what?", [document("x")], lambda: True)
