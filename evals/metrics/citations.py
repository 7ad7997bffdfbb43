"""Citations: how many of those made are right, and how much of the answer they cover."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agent.checking import names, supports
from agent.citations import statements
from documents import Document, Span
from evals.metrics.figures import figures
from evals.samples import Gold, Outcome, Scores
from policy import parse_answer


def citation_scores(gold: Gold, outcome: Outcome, documents: Mapping[str, Document]) -> Scores:
    """Measures of an answer's citations; empty where no reasoner was asked.

    ``cited``: 1 if it cites at all. Of the spans cited, the shares ``citation_verified``,
    ``citation_on_gold_page`` and ``citation_in_gold``; ``citation_coverage``: of the answer's
    sentences with a figure or a name, the share that carries a mark and is held up by a verified
    citation. A measure is left out where nothing can be said: no citation, no gold, no claim.
    """
    if outcome.answer is None:
        return {}
    scores = {"cited": float(bool(outcome.cited))}
    if outcome.cited:
        scores["citation_verified"] = sum(outcome.verified) / len(outcome.cited)
        if gold.spans:
            scores["citation_in_gold"] = share(
                outcome.cited, lambda span: any(span.overlaps(other) for other in gold.spans)
            )
        if gold.pages:
            pages = set(gold.pages)
            scores["citation_on_gold_page"] = share(
                outcome.cited, lambda span: bool(pages & set(_pages(span, documents)))
            )
    claims = claimed(outcome.answer)
    if claims:
        trusted = [s for s, ok in zip(outcome.cited, outcome.verified, strict=True) if ok]
        covered = [marked and _held_up(text, trusted, documents) for text, marked in claims]
        scores["citation_coverage"] = sum(covered) / len(covered)
    return scores


def abstention_scores(outcome: Outcome, answerable: bool) -> Scores:
    """``abstained`` on a question that has an answer, ``abstained_rightly`` on one that has none:
    two rates, as an average of both would reward refusing everything."""
    if outcome.answer is None:
        return {}
    said_so = abstains(outcome)
    return {"abstained" if answerable else "abstained_rightly": float(said_so)}


def abstains(outcome: Outcome) -> bool:
    """Whether the answer is that the documents do not tell: its verdict where it has one."""
    if outcome.verdict:
        return outcome.verdict == "not_in_documents"
    return outcome.answer is not None and parse_answer(outcome.answer).refused


def claimed(answer: str) -> list[tuple[str, bool]]:
    """The parts of an answer with a figure or a name, without their marks, and whether they carry
    one."""
    return [
        (said, bool(marks))
        for said, marks in statements(parse_answer(answer).text)
        if figures(said) or names(said)
    ]


def share(spans: Sequence[Span], right: Callable[[Span], bool]) -> float:
    """The share of the spans that are right."""
    return sum(map(right, spans)) / len(spans)


def _held_up(claim: str, trusted: Sequence[Span], documents: Mapping[str, Document]) -> bool:
    return any(supports(claim, documents[span.document], span) for span in trusted)


def _pages(span: Span, documents: Mapping[str, Document]) -> list[tuple[str, int]]:
    return [(span.document, page) for page in documents[span.document].pages_of(span)]
