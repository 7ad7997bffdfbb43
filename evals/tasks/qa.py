"""Scores that question sets over documents share: the answer, its citations, abstention."""

from __future__ import annotations

from evals.metrics.answers import Kind, key_terms, kind_of, mark, terms_kept
from evals.metrics.citations import abstention_scores, citation_scores
from evals.metrics.judge import FULL_MARKS, Judge, rate
from evals.samples import Outcome, Sample, Scores


def qa_scores(
    sample: Sample, outcome: Outcome, judge: Judge | None = None, kind: Kind | None = None
) -> Scores:
    """Empty where no reasoner was asked.

    ``correct`` where rules can tell (see `evals.metrics.answers`), with ``answer_precision`` and
    ``answer_recall``; for prose ``overlap`` (F1 of words) and ``key_terms`` instead; ``judged``
    and ``perfect`` with a judge; abstention; citations.
    """
    if outcome.answer is None:
        return {}
    golds = sample.gold.answers
    marked = mark(outcome.answer, golds, sample.question, kind)
    if marked.correct is None:
        terms = key_terms(golds[0], sample.question)
        scores = {"overlap": marked.f_measure}
        if terms:
            scores["key_terms"] = terms_kept(outcome.answer, terms)
    else:
        scores = {"correct": marked.correct}
        if marked.kind != "abstain":
            scores |= {"answer_precision": marked.precision, "answer_recall": marked.recall}
    scores |= judged(judge, sample.question, "\n".join(golds), outcome.answer)
    answerable = bool(golds) and (kind or kind_of(golds[0])) != "abstain"
    documents = {document.id: document for document in sample.documents}
    scores |= abstention_scores(outcome, answerable)
    return scores | citation_scores(sample.gold, outcome, documents)


def judged(judge: Judge | None, question: str, gold: str, answer: str) -> Scores:
    """The judge's rating as 0 to 1 and whether it is full marks; ``judge_read`` is 0, and the
    other two are absent, where its reply cannot be read."""
    if judge is None:
        return {}
    rating = rate(judge, question, gold, answer)
    if rating is None:
        return {"judge_read": 0.0}
    perfect = float(rating == FULL_MARKS)
    return {"judge_read": 1.0, "judged": rating / FULL_MARKS, "perfect": perfect}
