"""A clause that is asked for by its matter is not answered with another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.citations import cite
from agent.clauses import LIKELY, NEAREST, Clauses
from agent.gates import gate_for
from documents import Document, DocumentStore, Evidence

CONTRACT = """# Supply agreement

## 9. Insurance

The Supplier keeps cover of two million crowns. It shows the policy on request.

## 10. General

10.5 Severability. If a part of this agreement is void, the rest stands.

10.6 Notices are given in writing. Late ones count from the next day.
"""


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "supply.md").write_text(CONTRACT)
    return DocumentStore(folder / "store").ingest(folder / "supply.md")


PARTS = ("The Supplier keeps", "It shows", "10.5", "If a part", "10.6", "Late ones")


def held(contract: Document, *scores: float) -> list[Evidence]:
    """The contract's sentences, with these scores and the rest with none."""
    evidence = []
    for number, part in enumerate(PARTS):
        start = contract.text.index(part)
        span = contract.span(start, contract.text.index(".", start + 5) + 1)
        evidence.append(Evidence(span, scores[number] if number < len(scores) else 0.0))
    return evidence


def answered(contract: Document, question: str, answer: str) -> str:
    gate = gate_for(question, held(contract, *[1.0] * 6), {contract.id: contract})
    return gate.feed(f"{answer}\n") + gate.close()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Which clause is about insurance? Quote it.", "The Supplier keeps cover [1]."),
        ("Which clause is about insurance?", "[1] The Supplier keeps cover. It shows the policy."),
        ("Which clause is about insurance?", "If a part of this agreement is void [1]."),
        ("Quote the provision on severability.", "If a part of this agreement is void, it stands."),
        ("What does the section on notices say?", "Notices are given in writing [5]."),
        ("Which clause is about a cap on liability?", "The documents do not say."),
        ("What happens where a part is void?", "The Supplier keeps cover [1]."),
    ],
)
def test_what_is_about_the_matter_comes_out(contract: Document, question: str, answer: str) -> None:
    assert answered(contract, question, answer).strip() == answer


@pytest.mark.parametrize(
    "answer",
    [
        "Therefore, the answer is (10.5 Severability) [3].",
        "Therefore, the answer is (5) [5].",
        "If a part of this agreement is void, the rest stands.",
        "The clause about a cap on liability is [1].",
    ],
)
def test_another_clause_does_not(contract: Document, answer: str) -> None:
    shown = answered(contract, "Which clause is about a cap on liability? Quote it.", answer)
    assert answer not in shown
    assert not cite(shown, (), {}).citations


CAP = "Which clause is about a cap on liability? Quote it."


@pytest.mark.parametrize(("score", "comes"), [(LIKELY, True), (0.9 * LIKELY, False)])
def test_what_a_critic_holds_likely_need_not_be_called_so(
    contract: Document, score: float, comes: bool
) -> None:
    evidence, documents = held(contract, score), {contract.id: contract}
    said = "The Supplier keeps cover of two million crowns [1]."
    gate = gate_for(CAP, evidence, documents, calibrated=True)
    assert ((gate.feed(f"{said}\n") + gate.close()).strip() == said) == comes
    assert gate_for(CAP, evidence, documents).feed(f"{said}\n") == ""  # a rank is no probability


@pytest.mark.parametrize(
    ("question", "score", "calibrated", "hopeless"),
    [
        (CAP, 0.9 * LIKELY, True, True),
        (CAP, LIKELY, True, False),
        (CAP, 0.9 * LIKELY, False, False),
        ("What happens where a part is void?", 0.0, True, False),
    ],
)
def test_a_clause_that_nothing_is_likely_to_be_is_not_there(
    contract: Document, question: str, score: float, calibrated: bool, hopeless: bool
) -> None:
    clauses = Clauses(question, held(contract, 0.0, score), {contract.id: contract}, calibrated)
    assert clauses.hopeless == hopeless


def test_the_likeliest_passage_is_quoted_and_cited(contract: Document) -> None:
    evidence, documents = held(contract, LIKELY, 0.5), {contract.id: contract}
    nearest = Clauses(CAP, evidence, documents, calibrated=True).nearest()
    assert nearest == f"{NEAREST}: “It shows the policy on request.” [2]"
    assert [c.verified for c in cite(nearest, evidence, documents, CAP).citations] == [True]
    assert Clauses(CAP, held(contract, 0.09), documents, calibrated=True).nearest() == ""
    assert Clauses(CAP, evidence, documents).nearest() == ""


def test_a_long_passage_is_quoted_in_part(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text(
        "The parties cap their liability as follows: " + "word " * 300
    )
    document = DocumentStore(tmp_path / "store").ingest(tmp_path / "long.md")
    evidence = [Evidence(document.span(0, len(document.text)), 0.5)]
    nearest = Clauses(CAP, evidence, {document.id: document}, calibrated=True).nearest()
    assert nearest.endswith(" word …” [1]") and len(nearest) < 700


INSURANCE = "Which clause is about insurance? Quote it."
COVER = "“The Supplier keeps cover of two million crowns.” [1]"


@pytest.mark.parametrize(
    ("question", "answer", "quote"),
    [
        (INSURANCE, "Therefore, the answer is (9) [1].", COVER),
        (INSURANCE, "Therefore, the answer is (9) [5, 1].", COVER),  # 10.6 is about notices
        (INSURANCE, "The Supplier keeps cover of two million crowns [1].", ""),
        (INSURANCE, "Clause 9 says so.", ""),
        (INSURANCE, "Clause 10 says so [9].", ""),
        ("Which clause is about insurance?", "Therefore, the answer is (9) [1].", ""),
        ("Quote what happens where a part is void.", "The rest stands [4].", ""),
    ],
)
def test_a_clause_by_its_number_alone_is_quoted(
    contract: Document, question: str, answer: str, quote: str
) -> None:
    evidence, documents = held(contract), {contract.id: contract}
    assert Clauses(question, evidence, documents).quoted(answer) == quote


def test_its_quote_is_cited(contract: Document) -> None:
    evidence, documents = held(contract), {contract.id: contract}
    found = cite(f"Therefore, the answer is (9) [1].\n{COVER}", evidence, documents, INSURANCE)
    assert [(c.n, c.verified) for c in found.citations] == [(1, True)]
