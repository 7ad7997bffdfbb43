"""A clause that is asked for by its matter is not answered with another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.citations import cite
from agent.gates import gate_for
from documents import Document, DocumentStore, Evidence

CONTRACT = """# Supply agreement

## 9. Insurance

The Supplier keeps cover of two million crowns. It shows the policy on request.

## 10. General

10.5 Severability. If a part of this agreement is void, the rest stands.

10.6 Notices are given in writing. Late ones count from the next day.
"""


@pytest.fixture
def contract(tmp_path: Path) -> Document:
    (tmp_path / "supply.md").write_text(CONTRACT)
    return DocumentStore(tmp_path / "store").ingest(tmp_path / "supply.md")


def answered(contract: Document, question: str, answer: str) -> str:
    parts = ("The Supplier keeps", "It shows", "10.5", "If a part", "10.6", "Late ones")
    evidence = []
    for part in parts:
        start = contract.text.index(part)
        evidence.append(Evidence(contract.span(start, contract.text.index(".", start + 5) + 1), 1))
    gate = gate_for(question, evidence, {contract.id: contract})
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
