"""The real default reasoner, over evidence as the agent sends it."""

import pytest

from policy import Delta, Reasoner, ReasonerConfig, Usage, answer_messages, parse_answer

EVIDENCE = """Document: report.pdf

[1] (page 4; CONDENSED CONSOLIDATED STATEMENTS OF OPERATIONS)
Columns: July 1, 2023 | June 25, 2022
Cost of sales	45,384	47,074

[2] (page 14; Share Repurchase Program)
During the nine months ended July 1, 2023, the Company repurchased 365 million shares of its \
common stock for $56.1 billion."""


@pytest.mark.model
def test_the_figure_and_its_citation() -> None:
    reasoner = Reasoner(ReasonerConfig())
    question = (
        "How many shares did the Company repurchase during the nine months, and for how much?"
    )
    messages = answer_messages(question, EVIDENCE)
    *pieces, usage = reasoner.stream(messages, max_tokens=120)
    answer = parse_answer("".join(piece.text for piece in pieces if isinstance(piece, Delta)))
    assert "365 million" in answer.text and "56.1 billion" in answer.text
    assert answer.citations == (2,)
    assert not answer.refused
    assert isinstance(usage, Usage)
    assert usage.prompt_tokens == reasoner.count_messages(messages)
