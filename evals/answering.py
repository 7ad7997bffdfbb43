"""Answers as longdoc's agent gives them, over a sample's documents in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from langchain_core.runnables import RunnableConfig

from agent import (
    CONCURRENT,
    Answer,
    Context,
    ContextStrategy,
    Deps,
    State,
    answer_of,
    build_graph,
    evidence_of,
    verdict_of,
)
from agent import Usage as Spent
from agent.citations import cite, marked
from agent.context import render
from agent.graph import build_answering_graph
from agent.memory import build_memory_graph
from app.beginning import begin
from app.questions import Question
from app.settings import Settings
from app.texts import Texts
from documents import Document, IsCancelled
from documents.errors import SettingsError
from documents.progress import no_progress
from evals.samples import Sample
from policy import Delta, Message, Reasoner, Usage, answer_messages

Mode = Literal["select", "memory"]


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a sample: the context, and, where the reasoner was asked, its answer."""

    context: Context
    answer: Answer | None = None
    select_s: float = 0.0
    first_token_s: float = 0.0


@dataclass(frozen=True)
class Agent:
    """longdoc's graphs under its settings; ``strategies`` for those that look for evidence."""

    settings: Settings
    reasoner: Reasoner
    strategies: Mapping[str, ContextStrategy] = field(default_factory=dict)

    def answer(self, sample: Sample, context: Context, cancelled: IsCancelled) -> Ran:
        """Over a context chosen already, in one straight pass: neither arithmetic nor a repair
        asks the reasoner again. A task's own prompt, and a question without any context
        (what the reasoner knows by itself), go to the reasoner as they are."""
        if sample.prompt or not context.evidence:
            return self._plain(sample, context, cancelled)
        texts = Texts()
        state = State(
            question=texts.put(sample.question),
            documents=[document.id for document in sample.documents],
            evidence=[
                (e.span.document, e.span.start, e.span.end, e.score) for e in context.evidence
            ],
        )
        deps = replace(self._deps(sample, texts, cancelled), arithmetic=False, repairs=0)
        final = build_answering_graph().invoke(state, context=deps)
        found: State = final  # type: ignore[assignment]  # typed as a plain dict
        answer = answer_of(found, texts)
        return Ran(context, answer, first_token_s=found.get("first_token_s", 0.0))

    def whole(
        self, sample: Sample, budget: int, mode: Mode, answer: bool, cancelled: IsCancelled
    ) -> Ran:
        """From the question on: the graph plans and looks for the evidence itself, in rounds, or
        reads everything in turns. Raises `SettingsError` for a task with a prompt of its own."""
        if sample.prompt:
            raise SettingsError(
                f"{sample.task} has a prompt of its own, which the agent does not use.",
                "Choose methods that only select contexts.",
            )
        texts = Texts()
        graph = (build_memory_graph if mode == "memory" else build_graph)(answer=answer)
        question = Question(
            sample.question,
            tuple(document.id for document in sample.documents),
            budget=budget,
            looking_for=sample.looking_for,
            granularity=sample.granularity,
            mode=mode,
        )
        config: RunnableConfig = {"max_concurrency": CONCURRENT}
        final = graph.invoke(
            begin(question, texts, self.settings, self.reasoner),
            config,
            context=self._deps(sample, texts, cancelled),
        )
        found: State = final  # type: ignore[assignment]  # typed as a plain dict
        return Ran(
            self._context(sample, found),
            answer_of(found, texts) if answer else None,
            found["select_s"],
            found.get("first_token_s", 0.0),
        )

    def _context(self, sample: Sample, state: State) -> Context:
        evidence = evidence_of(state)
        text = render(evidence, _documents(sample)) if evidence else ""
        return Context(tuple(evidence), text, state["context_tokens"], state["source_tokens"])

    def _deps(self, sample: Sample, texts: Texts, cancelled: IsCancelled) -> Deps:
        settings = self.settings
        return Deps(
            documents=_documents(sample),
            strategies=self.strategies,
            reasoner=lambda: self.reasoner,
            notes=texts,
            emit=lambda kind, data: None,  # noqa: ARG005 - nobody listens
            progress=no_progress,
            cancelled=cancelled,
            least_score=settings.least_score,
            arithmetic=settings.arithmetic,
            plan=settings.plan,
            max_rounds=settings.max_rounds,
            repairs=settings.repairs,
            step_s=settings.step_timeout_s,
            answer_tokens=sample.max_answer_tokens,
        )

    def _plain(self, sample: Sample, context: Context, cancelled: IsCancelled) -> Ran:
        if sample.prompt:
            content = sample.prompt.replace("{context}", context.text)
            messages: list[Message] = [{"role": "user", "content": content}]
        else:
            messages = answer_messages(sample.question, context.text)
        parts: list[str] = []
        used = Usage()
        for piece in self.reasoner.stream(
            messages, max_tokens=sample.max_answer_tokens, cancelled=cancelled
        ):
            if not isinstance(piece, Delta):
                used = piece
            elif piece.kind == "answer":
                parts.append(piece.text)
        text = "".join(parts).strip()
        found = cite(text, context.evidence, _documents(sample), sample.question)
        answer = Answer(
            marked(text, found.marks),
            "",
            found.citations,
            verdict_of(text, found.citations, unsupported=len(found.unsupported)),
            Spent(used.prompt_tokens, used.completion_tokens),
        )
        return Ran(context, answer, first_token_s=used.first_token_s or 0.0)


def _documents(sample: Sample) -> dict[str, Document]:
    return {document.id: document for document in sample.documents}
