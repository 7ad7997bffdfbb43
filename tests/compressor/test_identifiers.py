"""Codes and numbers that a question names lead to what holds them, and to little else."""

from __future__ import annotations

import uuid
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor import Compressor, CompressorConfig, Instruction
from compressor.identifiers import MOST_PLACES, REACH, Identifiers, codes
from compressor.units import Unit, units
from documents.document import Block, Document
from documents.progress import never_cancelled


def document(text: str, identity: str = "a") -> Document:
    return Document(identity, "a.txt", text, (), (Block("paragraph", 0, len(text), 0),))


def held(question: str, text: str) -> list[float]:
    made = document(text)
    named = Identifiers(question, [made], never_cancelled)
    return list(named.held(made, units(made, "sentence")))


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What does invoice INV-2023-0042 charge?", {"INV-2023-0042"}),
        ("What does Section 12.3(b) allow?", {"12.3(b)"}),
        ("Is 0000789019 (CIK) the filer?", {"0000789019"}),
        ("Sales of 2023, in Q3, by 5%?", set()),
        ("Is it 1,234.5?", {"1,234.5"}),
    ],
)
def test_codes_of_a_question(question: str, named: set[str]) -> None:
    assert codes(question) == named


def test_a_code_is_found_whole_in_any_case() -> None:
    text = "See inv-2023-0042. See INV-2023-00421 too. See XINV-2023-0042 and INV-2023-0042/b."
    assert held("INV-2023-0042?", text) == [1.0, 0.0, 0.0]
    assert held("Section 12.3(b)?", "By Section 12.3(b), yes. By 12.3 (b), never.") == [1.0, 0.0]
    assert held("Section 12.3?", "By Section 12.3(b), never. By 12.3, yes.") == [0.0, 1.0]


def test_what_stands_in_many_places_names_nothing() -> None:
    few, many = ("Form K-7712 is due. " * count for count in (MOST_PLACES, MOST_PLACES + 1))
    assert held("Form K-7712?", few) == [1.0] * MOST_PLACES
    assert held("Form K-7712?", many) == [0.0] * (MOST_PLACES + 1)


@given(st.text("aZ 1-.", max_size=60), st.text("aZ 1-.", max_size=300))
def test_stretches_hold_their_code_and_stay_in_their_unit(question: str, text: str) -> None:
    made = document(text)
    found = units(made, "sentence") or [Unit(0, 0)]
    for start, end in Identifiers(question, [made], never_cancelled).stretches(made, found):
        assert any(code.casefold() in text[start:end].casefold() for code in codes(question))
        assert any(unit.start <= start < end <= unit.end for unit in found)
        assert end - start <= 2 * REACH + len(question)


def test_the_pair_of_a_random_key_comes_first_sentence_or_word() -> None:
    rng = Random(3)
    keys = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(240)]
    pairs = list(zip(keys[::2], keys[1::2], strict=True))
    key, value = pairs[71]
    said = document(" ".join(f"The magic number of {a} is {b}." for a, b in pairs))
    listed = document("{" + ", ".join(f'"{a}": "{b}"' for a, b in pairs) + "}")
    compressor = Compressor(CompressorConfig(similarity=False))
    asked = {Instruction("sentence"): said, Instruction("word"): listed}
    for instruction, made in asked.items():
        found = compressor.compress(instruction, f"What is the magic number of {key}?", [made])
        assert value in made.slice(found.units[0].span)
