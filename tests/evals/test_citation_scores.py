"""Citations: how many are right, what they cover, and when there are none."""

from __future__ import annotations

import pytest

from documents import Document, Page, Span
from documents.readers.text import parse
from evals.metrics.citations import abstention_scores, citation_scores, claimed
from evals.samples import Gold, Outcome, Scores

FIRST = "Revenue was $500 million in the year."
SECOND = "Costs were $300 million in the year."
TEXT = f"{FIRST}\n\n{SECOND}"
DOCUMENT = Document(
    "d", "report.pdf", TEXT,
    (Page(10, 10, 0, len(FIRST)), Page(10, 10, len(FIRST) + 2, len(TEXT))),
    tuple(parse(TEXT)[0]),
)  # fmt: skip
REVENUE, COSTS = Span("d", 0, len(FIRST)), Span("d", len(FIRST) + 2, len(TEXT))


def _scores(answer: str, cited: tuple[Span, ...], verified: tuple[bool, ...], gold: Gold) -> Scores:
    outcome = Outcome((), "", 0, answer, "answered", cited, verified)
    return citation_scores(gold, outcome, {"d": DOCUMENT})


def test_shares_of_the_spans_cited() -> None:
    gold = Gold(spans=(REVENUE,), pages=(("d", 0),))
    scores = _scores("Revenue was $500 million [1][2].", (REVENUE, COSTS), (True, False), gold)
    assert scores["citation_verified"] == 0.5
    assert scores["citation_in_gold"] == 0.5
    assert scores["citation_on_gold_page"] == 0.5


def test_coverage_counts_claims_that_a_verified_citation_holds_up() -> None:
    answer = "Revenue was $500 million [1]. Costs were $300 million. It went well."
    assert claimed(answer) == [
        ("Revenue was $500 million.", True),
        ("Costs were $300 million.", False),
    ]
    assert _scores(answer, (REVENUE,), (True,), Gold())["citation_coverage"] == 0.5
    assert _scores(answer, (REVENUE,), (False,), Gold())["citation_coverage"] == 0.0
    cited_all = answer.replace("$300 million.", "$300 million [2].")
    assert _scores(cited_all, (REVENUE, COSTS), (True, True), Gold())["citation_coverage"] == 1.0
    # A mark alone covers nothing: the figure must stand in what is cited.
    wrong = "Costs were $301 million [1]."
    assert _scores(wrong, (REVENUE,), (True,), Gold())["citation_coverage"] == 0.0


def test_nothing_is_said_where_nothing_can_be() -> None:
    assert _scores("It went well.", (), (), Gold()) == {"cited": 0.0}
    assert citation_scores(Gold(), Outcome((), "", 0), {}) == {}


@pytest.mark.parametrize(
    ("verdict", "answer", "answerable", "scores"),
    [
        ("not_in_documents", "…", True, {"abstained": 1.0}),
        ("answered", "not mentioned", True, {"abstained": 0.0}),
        ("", "It is not mentioned in the documents.", False, {"abstained_rightly": 1.0}),
        ("", "$5", False, {"abstained_rightly": 0.0}),
    ],
)
def test_abstention_is_two_rates(
    verdict: str, answer: str, answerable: bool, scores: dict[str, float]
) -> None:
    assert abstention_scores(Outcome((), "", 0, answer, verdict), answerable) == scores
