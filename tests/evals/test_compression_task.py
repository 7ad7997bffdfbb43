"""What the compression task says of a context, by hand."""

from __future__ import annotations

import pytest

from evals.samples import Gold, Outcome, Sample, text_document
from evals.tasks import compression
from evals.tasks.compression import Compression

TEXT = "Sales rose. Costs fell. Nobody knows why."
DOCUMENT = text_document("a", TEXT)


def sample(gold: str) -> Sample:
    spans = (DOCUMENT.span(TEXT.index(gold), TEXT.index(gold) + len(gold)),) if gold else ()
    return Sample("a", "compression", "Why?", (DOCUMENT,), Gold((), spans))


def test_the_share_of_all_and_of_the_rest() -> None:
    found = Compression().score(sample("Costs fell."), Outcome((DOCUMENT.span(6, 23),), "", 0))
    assert found["share"] == pytest.approx(17 / 41)
    assert found["rest"] == pytest.approx(6 / 30)  # "rose. "
    nothing = Compression().score(sample("Costs fell."), Outcome((), "", 0))
    assert nothing == {"share": 0, "rest": 0}
    right = Compression().score(sample("Costs fell."), Outcome((DOCUMENT.span(12, 23),), "", 0))
    assert right["rest"] == 0


def test_windows_without_evidence_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "WINDOW", 12)  # "Sales rose. ", with "Costs fell.", two more
    found = Compression().score(sample("Costs fell."), Outcome((DOCUMENT.span(6, 30),), "", 0))
    assert found["apart"] == pytest.approx((6 + 6) / (12 + 17))


def test_without_evidence_all_that_is_kept_is_too_much() -> None:
    found = Compression().score(sample(""), Outcome((DOCUMENT.span(0, 11),), "", 0))
    assert found == {"share_of_negatives": pytest.approx(11 / 41)}
