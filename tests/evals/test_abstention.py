"""Hard negatives: they ask after what is not there, and both rates are told apart."""

from __future__ import annotations

import pytest

from documents import DocumentStore
from evals.samples import Outcome, Sample, Setup
from evals.smoke import make_data
from evals.tasks.abstention import ITEMS, Abstention


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("data")
    make_data(folder)
    store = DocumentStore(folder / "home")
    setup = Setup(folder, store.ingest, lambda text: len(text.split()))
    return list(Abstention().samples(setup))


def test_every_kind_is_made(samples: list[Sample]) -> None:
    kinds = [str(sample.tags["kind"]) for sample in samples]
    assert set(kinds) == {"answer", "period", "line item", "clause", "no clause"}
    assert len({sample.id for sample in samples}) == len(samples)
    for sample in samples:
        text = sample.documents[0].text.casefold()
        if sample.tags["kind"] == "period":
            assert sample.question.rstrip("?").split()[-1] not in text
        if sample.tags["kind"] == "line item":
            (word,) = [word for word, item in ITEMS if item in sample.question]
            assert word not in text
        if sample.tags["kind"] == "clause":
            assert sample.gold.spans


@pytest.mark.parametrize(
    ("kind", "verdict", "expected"),
    [
        ("period", "not_in_documents", {"abstained_rightly": 1.0}),
        ("no clause", "answered", {"abstained_rightly": 0.0}),
        ("answer", "not_in_documents", {"abstained": 1.0}),
        ("clause", "partly", {"abstained": 0.0}),
    ],
)
def test_two_rates(
    samples: list[Sample], kind: str, verdict: str, expected: dict[str, float]
) -> None:
    sample = next(sample for sample in samples if sample.tags["kind"] == kind)
    outcome = Outcome((), "", 0, answer="Something.", verdict=verdict)
    assert Abstention().score(sample, outcome) == expected
