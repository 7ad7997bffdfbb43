"""Compression alone: how much of the labelled evidence a context keeps.

Held-back documents of the training data, so that no critic trained here has read them. Each
source alone ("alone"), and its document among others until the whole is 32K or 128K tokens
long. Questions without evidence (a contract that lacks the clause) show what is kept of
documents where nothing should be. All are asked for sentences, the product's default, whatever
size a source's labels have: nobody tells the compressor that in use. Answers are scored where a
reasoner is asked, as it is of questions that need two facts ("hops").
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from compressor.training.data import (
    Corpus,
    Question,
    held_back,
    load,
    title_of,
    widened,
)
from compressor.training.tables import rows_asked
from documents import Document, Span
from documents.errors import DataError
from evals.metrics.evidence import common, merged
from evals.samples import Gold, Outcome, Sample, Scores, Setup, text_document
from evals.tasks.qa import qa_scores

SOURCES = (
    "squad", "cuad", "policyqa", "evidence_inference", "quoref", "qmsum", "covidqa", "2wiki",
    "musique", "tatqa",
)  # fmt: skip
"""obliqa is left out: its questions are machine-made."""


WINDOW = 2_000
"""Characters: about what a critic reads at once."""
Sizes = Callable[[str], int]
"""The tokens of a document, counted once."""


@dataclass(frozen=True, slots=True)
class Compression:
    """``length``: tokens of all documents together, 0 for the labelled document alone.
    ``sources``: those asked about."""

    length: int = 0
    sources: Sequence[str] = SOURCES
    kind: str = "compression"
    source: str = "the sets named in the training data's README; held-back documents only"

    @property
    def name(self) -> str:
        """The kind, and the length where there is one: compression-32k."""
        return f"{self.kind}-{self.length // 1000}k" if self.length else self.kind

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """``limit`` questions a source, and as many without evidence from cuad."""
        folder = setup.data / "train"
        if not folder.is_dir():
            raise DataError(f"{folder} is not there.", "Set LONGDOC_TEST_DATA to the data folder.")
        corpus = _corpus(folder)
        sizes = cache(lambda name: setup.count(corpus.texts[name]))
        for source in self.sources:
            rows = [q for q in corpus.questions.get(source, []) if held_back(q.doc)]
            for positive in (True, False):
                chosen = [q for q in rows if bool(q.spans) is positive]
                if not positive and source != "cuad":
                    continue
                rng = random.Random(f"{setup.seed}|{source}|{positive}")
                rng.shuffle(chosen)
                for number, question in enumerate(chosen[: setup.limit]):
                    yield self._sample(corpus, question, number, setup, sizes)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """``share``: the share of all characters that was kept, ``rest`` that of those which are
        no evidence, ``apart`` that of windows without any; of a question without evidence all,
        ``share_of_negatives``. The lower, the better. Where a reasoner was asked, also what its
        answer is worth (`qa_scores`)."""
        answered = qa_scores(sample, outcome)
        total = sum(len(document.text) for document in sample.documents)
        kept = sum(len(span) for span in outcome.evidence)
        if not sample.gold.spans:
            return answered | {"share_of_negatives": kept / total if total else 0.0}
        gold = sum(len(span) for span in merged(sample.gold.spans))
        right = sum(len(span) for span in common(sample.gold.spans, outcome.evidence))
        found = {"share": kept / total, "rest": (kept - right) / max(1, total - gold)}
        if apart := _apart(sample.documents, sample.gold.spans):
            size = sum(map(len, apart))
            found["apart"] = sum(map(len, common(apart, outcome.evidence))) / size
        return answered | found

    def _sample(
        self, corpus: Corpus, question: Question, number: int, setup: Setup, sizes: Sizes
    ) -> Sample:
        text = corpus.texts[question.doc]
        document = text_document(title_of(question.doc) or "document", text)
        gold = [document.span(a, b) for a, b in _evidence(question, text)]
        identity = f"{question.source}-{'p' if gold else 'n'}-{number}"
        rng = random.Random(f"{setup.seed}|{identity}")
        documents = self._joined(corpus, question.doc, document, rng, sizes)
        return Sample(
            id=identity,
            task=self.name,
            question=question.text,
            documents=documents,
            gold=Gold(question.answers, tuple(gold)),
            tags={"source": question.source, "evidence": "yes" if gold else "no"},
        )

    def _joined(
        self, corpus: Corpus, own: str, document: Document, rng: random.Random, sizes: Sizes
    ) -> tuple[Document, ...]:
        """The document among others, at a place drawn by the sample's id."""
        if not self.length:
            return (document,)
        others = sorted(doc for doc in corpus.texts if held_back(doc))
        room = self.length - sizes(own)
        joined: list[Document] = []
        for name in rng.sample(others, len(others)):
            if room <= 0:
                break
            tokens = sizes(name)
            if name != own and tokens <= room * 1.1:
                room -= tokens
                joined.append(text_document(title_of(name) or "document", corpus.texts[name]))
        joined.insert(rng.randint(0, len(joined)), document)
        return tuple(joined)


def _evidence(question: Question, text: str) -> list[tuple[int, int]]:
    """Its labels widened to what is kept whole. Where tatqa's label is a table, the rows that are
    asked for, as far as label, answer or words tell them: no question needs all of it."""
    if not question.spans:
        return []
    return rows_asked(question, text) or widened(question, text)


def _apart(documents: Sequence[Document], gold: Sequence[Span]) -> list[Span]:
    """The windows without evidence."""
    windows = [
        document.span(start, min(start + WINDOW, len(document.text)))
        for document in documents
        for start in range(0, len(document.text), WINDOW)
    ]
    return [each for each in windows if not any(each.overlaps(span) for span in gold)]


@lru_cache(maxsize=1)
def _corpus(folder: Path) -> Corpus:
    return load(folder)


HOPS = ("2wiki", "musique")
"""Sources whose questions take two facts or more, the second found by the first."""
TASKS = (
    Compression(),
    Compression(32_000),
    Compression(128_000),
    Compression(32_000, HOPS, "hops"),
    Compression(32_000, ("squad", "tatqa"), "threshold"),
)
