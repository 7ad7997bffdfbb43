"""What is compared: longdoc's strategies, retrieval in three ways, and controls.

A method ranks evidence for a sample once; the runner fills any number of budgets from the
ranking, numbering and headings counted, as the product does. A method that writes a text of its
own compresses for each budget instead.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from agent import Request
from agent.gathering import fair
from agent.planning import by_rules
from agent.strategies.cprs import Cprs
from agent.strategies.full import Full
from agent.strategies.rag import Rag
from app.settings import Settings
from compressor import Compressor
from compressor.units import units
from documents import Document, Evidence, IsCancelled
from documents.progress import check, no_progress
from evals import llmlingua
from evals.answering import Agent, Mode, Ran
from evals.samples import Sample
from policy import Reasoner
from retrieval import Retriever
from retrieval.embedder import BertEmbedder
from weights import ensure

Rank = Callable[[Sample, IsCancelled], Sequence[Evidence]]
Compress = Callable[[Sample, int, IsCancelled], llmlingua.Compressed]
Run = Callable[[Sample, int, bool, IsCancelled], Ran]
"""``run(sample, budget, answer, cancelled)``."""
LINE_TOKENS = 500
"""Where a document has no pages, a line is taken of every so many words."""
SHORT_CHUNK = 100
"""Tokens of the short chunks that RAG is also measured with."""
_SHORT_LINE = re.compile(r"\S(?:[^\n]{0,78}\S)?(?!\S)")
"""At most 80 characters of a line, whole words; a paragraph can be one line."""
CASCADE_TOKENS = 32_000
"""Tokens that the critic reads in a cascade."""


@dataclass(frozen=True, slots=True)
class Method:
    """``rank``: best first. ``cut_last``: whether the last piece may be cut to fill the budget.
    ``forget`` drops what was kept about a document (an index), so that disk use is bounded.
    ``compress``: for what must know the budget and writes its own text; then nothing is ranked.
    ``run``: for what does all by itself, answer included."""

    name: str
    rank: Rank
    cut_last: bool = True
    forget: Callable[[str], None] | None = None
    compress: Compress | None = None
    run: Run | None = None


class Methods:
    """The methods by name; models load when one that needs them is first used."""

    def __init__(self, settings: Settings, reasoner: Reasoner, home: Path) -> None:
        self._settings = settings
        self._reasoner = reasoner
        self._home = home
        self._embedder: BertEmbedder | None = None

    def get(self, name: str) -> Method:
        """The method of that name. KeyError for a name not in `NAMES`."""
        return NAMES[name](self)

    def cprs(self) -> Method:
        """longdoc's compressor."""
        return Method("cprs", partial(_by_strategy, self._cprs), cut_last=False)

    def cprs_cascade(self) -> Method:
        """The same, but of long documents the critic reads the nearest windows alone."""
        config = replace(self._settings.compressor, cascade_tokens=CASCADE_TOKENS)
        strategy = Cprs(Compressor(config, cache=self._home / "vectors"), self._reasoner.count)
        return Method("cprs_cascade", partial(_by_strategy, strategy), cut_last=False)

    def cprs_planned(self) -> Method:
        """The same by the rules' plan: a search a sub-question, merged with a fair share each."""
        return Method("cprs_planned", partial(_by_plan, self._cprs), cut_last=False)

    def agent(self) -> Method:
        """The whole agent under the settings in force: its plan, its rounds, its checks."""
        return self._whole("agent", "select")

    def agent_unplanned(self) -> Method:
        """The same without a plan: the question is looked for as it is."""
        return self._whole("agent_unplanned", "select", plan="off")

    def agent_two_rounds(self) -> Method:
        """The same, which may say once what is missing and have it looked for."""
        return self._whole("agent_two_rounds", "select", max_rounds=2)

    def memory(self) -> Method:
        """The agent reading everything in turns."""
        return self._whole("memory", "memory")

    def full(self) -> Method:
        """Everything, its middle left out where it does not fit."""
        return Method("full", partial(_by_strategy, Full(self._reasoner.count)))

    def nothing(self) -> Method:
        """No context at all: what the reasoner knows or guesses."""
        return Method("none", _nothing)

    def dense(self) -> Method:
        """The RAG baseline: 600-token chunks by embeddings."""
        return self._retrieval("rag", "dense")

    def dense_short(self) -> Method:
        """The same with chunks of 100 tokens."""
        return self._retrieval("rag_100", "dense", SHORT_CHUNK)

    def bm25(self) -> Method:
        """The same chunks by words."""
        return self._retrieval("bm25", "bm25")

    def hybrid(self) -> Method:
        """The same chunks, both rankings fused."""
        return self._retrieval("hybrid", "hybrid")

    def random_sentences(self) -> Method:
        """Control: sentences and rows in an order drawn by the sample's id."""
        return Method("random", _random_sentences, cut_last=False)

    def line_a_page(self) -> Method:
        """Control: one short line of every page, then a second of every page, and so on. It
        touches every page and should keep next to nothing."""
        return Method("line_a_page", _line_a_page, cut_last=False)

    def rag_sentences(self) -> Method:
        """Control: RAG's best chunks cut into sentences, each ranked by the same embedder."""
        forget = self.dense().forget
        return Method("rag_sentences", self._rag_sentences, cut_last=False, forget=forget)

    def longllmlingua(self) -> Method:
        """LongLLMLingua over SmolLM2-135M. `SettingsError` where it has no environment."""
        return self._llmlingua("longllmlingua", llmlingua.causal_model)

    def llmlingua2(self) -> Method:
        """LLMLingua-2. `SettingsError` where it has no environment or no weights."""
        llmlingua.second_model()
        return self._llmlingua("llmlingua2", llmlingua.second_model)

    @cached_property
    def _cprs(self) -> Cprs:
        compressor = Compressor(self._settings.compressor, cache=self._home / "vectors")
        return Cprs(compressor, self._reasoner.count)

    def _whole(self, name: str, mode: Mode, **changed: object) -> Method:
        settings = self._settings.model_copy(update=changed)
        agent = Agent(settings, self._reasoner, {"cprs": self._cprs})

        def run(sample: Sample, budget: int, answer: bool, cancelled: IsCancelled) -> Ran:
            return agent.whole(sample, budget, mode, answer, cancelled)

        return Method(name, _nothing, run=run)

    def _llmlingua(self, name: str, model: Callable[[], Path]) -> Method:
        python = llmlingua.environment()
        made = llmlingua.LlmLingua(name, python, model, self._reasoner.count)
        return Method(name, _nothing, compress=made.compress)

    def _retrieval(self, name: str, ranking: str, chunk_tokens: int | None = None) -> Method:
        config = replace(
            self._settings.retrieval,
            ranking=ranking,  # type: ignore[arg-type]
            chunk_tokens=chunk_tokens or self._settings.retrieval.chunk_tokens,
        )
        retriever = Retriever(config, self._home, self._model())
        rag = Rag(retriever, self._reasoner.count)
        return Method(name, partial(_by_strategy, rag), forget=retriever.delete)

    def _model(self) -> BertEmbedder:
        if self._embedder is None:
            config = self._settings.retrieval
            self._embedder = BertEmbedder(ensure(config.embedder), config.batch_pieces)
        return self._embedder

    def _rag_sentences(self, sample: Sample, cancelled: IsCancelled) -> Sequence[Evidence]:
        chunks = self.dense().rank(sample, cancelled)[:50]
        found = [
            (document, unit.start, unit.end)
            for document in sample.documents
            for unit in units(document, "sentence")
            if any(_inside(document, unit.start, unit.end, chunk) for chunk in chunks)
        ]
        if not found:
            return ()
        texts = [document.text[start:end] for document, start, end in found]
        vectors = self._model().embed(texts, cancelled=cancelled)
        cosines = vectors @ self._model().embed([sample.question])[0]
        order = np.argsort(-cosines, kind="stable").tolist()
        return [Evidence(found[row][0].span(*found[row][1:]), float(cosines[row])) for row in order]


NAMES: Mapping[str, Callable[[Methods], Method]] = {
    "cprs": Methods.cprs,
    "cprs_cascade": Methods.cprs_cascade,
    "cprs_planned": Methods.cprs_planned,
    "agent": Methods.agent,
    "agent_unplanned": Methods.agent_unplanned,
    "agent_two_rounds": Methods.agent_two_rounds,
    "memory": Methods.memory,
    "full": Methods.full,
    "none": Methods.nothing,
    "rag": Methods.dense,
    "rag_100": Methods.dense_short,
    "bm25": Methods.bm25,
    "hybrid": Methods.hybrid,
    "random": Methods.random_sentences,
    "line_a_page": Methods.line_a_page,
    "rag_sentences": Methods.rag_sentences,
    "longllmlingua": Methods.longllmlingua,
    "llmlingua2": Methods.llmlingua2,
}


def _by_strategy(
    strategy: Cprs | Full | Rag, sample: Sample, cancelled: IsCancelled
) -> Sequence[Evidence]:
    request = Request(sample.question, 0, sample.looking_for, sample.granularity)  # type: ignore[arg-type]
    return strategy.rank(request, sample.documents, no_progress, cancelled)


def _by_plan(strategy: Cprs, sample: Sample, cancelled: IsCancelled) -> Sequence[Evidence]:
    plan = by_rules(sample.question, sample.documents, sample.granularity)  # type: ignore[arg-type]
    documents = {document.id: document for document in sample.documents}
    found = []
    for sub in plan.sub_questions:
        request = Request(sub.text, 0, sample.looking_for, plan.granularity)
        its = tuple(documents[key] for key in sub.documents)
        found.append(strategy.rank(request, its, no_progress, cancelled))
    return fair(found)


def _nothing(sample: Sample, cancelled: IsCancelled) -> Sequence[Evidence]:
    del sample, cancelled
    return ()


def _random_sentences(sample: Sample, cancelled: IsCancelled) -> Sequence[Evidence]:
    check(cancelled)
    found = [
        Evidence(document.span(unit.start, unit.end), 0.0)
        for document in sample.documents
        for unit in units(document, "sentence")
    ]
    random.Random(sample.id).shuffle(found)
    return found


def _line_a_page(sample: Sample, cancelled: IsCancelled) -> Sequence[Evidence]:
    check(cancelled)
    pages = [_lines(document, *area) for document in sample.documents for area in _pages(document)]
    deepest = max(map(len, pages), default=0)
    return [page[row] for row in range(deepest) for page in pages if row < len(page)]


def _pages(document: Document) -> list[tuple[int, int]]:
    if document.pages:
        return [(page.start, page.end) for page in document.pages]
    ends = [match.end() for match in re.finditer(r"\S+", document.text)][
        LINE_TOKENS - 1 :: LINE_TOKENS
    ]
    cuts = [0, *ends, len(document.text)]
    return list(pairwise(cuts))


def _lines(document: Document, start: int, end: int) -> list[Evidence]:
    lines = _SHORT_LINE.finditer(document.text[start:end])
    return [Evidence(document.span(start + m.start(), start + m.end()), 0.0) for m in lines]


def _inside(document: Document, start: int, end: int, chunk: Evidence) -> bool:
    span = chunk.span
    return span.document == document.id and span.start < end and start < span.end
