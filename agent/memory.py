"""The graph that reads everything in turns: cut → (read → note), once a chunk → recall → reason →
compute → verify (→ repair → verify).

After QwenLong-L1.5's memory agent (arXiv 2512.12967) and MemAgent (2507.02259): chunks in order,
a bounded memory and a plan brought up to date at each, then an answer. As there, the chunks are
read for the question alone and only the last prompt has the answer's format. Unlike there, memory
is not overwritten by the model: its lines stand on spans (`agent.notebook`), so that the answer is
written from the documents' own words and its citations open on the page. What the model passes
over and the critic holds strong is kept as well: a small model makes it no worse than that.

Each chunk is a turn of the graph, with checkpoints: a run that breaks off in one goes on there.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agent import chunks, notebook
from agent.absence import frame
from agent.context import fill, render
from agent.gathering import covered
from agent.graph import add_answering, again
from agent.notebook import Line
from agent.reading import ask, parsed, reading_messages
from agent.state import Deps, Notes, State, spent
from agent.values import Request
from documents import Document, Evidence
from documents.errors import EngineError, QuestionError
from documents.progress import check
from policy.faults import BrokenAnswerError

LEAST_CHUNK = 200
_MARK_TOKENS = 8


class MemoryState(State, total=False):
    """`State` and where the reading stands. ``chunk`` is the next to be read, from 0; ``chunks``
    is a key of `Notes` whose text lists the chunks' own keys; ``reply`` (the last chunk's),
    ``memory`` and ``outlook`` (the reader's plan) are keys, too. ``best``: the critic's best
    score. ``evicted`` counts lines that found no room."""

    chunks: str
    chunk_count: int
    chunk: int
    chunk_tokens: int
    memory_tokens: int
    reply: str
    memory: str
    outlook: str
    best: float
    evicted: int


def build_memory_graph(
    checkpointer: BaseCheckpointSaver[Any] | None = None, *, answer: bool = True
) -> CompiledStateGraph[State, Deps, State, State]:
    """The compiled graph; with ``answer=False`` it ends once the memory's evidence is chosen. Who
    runs it need not know that its state is a `MemoryState`."""
    graph = StateGraph(MemoryState, Deps)
    graph.add_node("cut", cut)
    graph.add_node("read", read, retry_policy=again(EngineError, BrokenAnswerError))
    graph.add_node("note", note)
    graph.add_node("recall", recall)
    graph.add_edge(START, "cut")
    graph.add_conditional_edges("cut", _next, ["read", "recall"])
    graph.add_edge("read", "note")
    graph.add_conditional_edges("note", _next, ["read", "recall"])
    if answer:
        add_answering(graph)
        graph.add_edge("recall", "reason")
        graph.add_edge("reason", "compute")
    else:
        graph.add_edge("recall", END)
    compiled = graph.compile(checkpointer=checkpointer)
    return cast("CompiledStateGraph[State, Deps, State, State]", compiled)


def sizes(room: int, budget: int, chunk_tokens: int, memory_tokens: int) -> tuple[int, int]:
    """Tokens of a chunk and of the memory: what is wanted, as far as there is ``room`` beside
    instructions, question and reply. Memory has at most a third of it, and half of the final
    ``budget``, which it shares with its evidence. Raises `QuestionError`."""
    memory = max(0, min(memory_tokens, room // 3, budget // 2))
    chunk = min(chunk_tokens, room - memory)
    if chunk < LEAST_CHUNK:
        raise QuestionError(
            f"The model's context leaves {max(0, chunk)} tokens to read a part of the documents.",
            f"Raise reasoner.context_tokens (and chunk_tokens, {LEAST_CHUNK} or more).",
        )
    return chunk, memory


def cut(state: MemoryState, runtime: Runtime[Deps]) -> MemoryState:
    """Cut the documents into chunks, and have the critic rank their sentences."""
    deps = runtime.context
    check(deps.cancelled)
    started = time.monotonic()
    count = deps.reasoner().count
    documents = _documents(state, deps)
    request = Request(
        deps.notes.get(state["question"]),
        state["budget"],
        deps.notes.get(state["looking_for"]) if state.get("looking_for") else "",
    )
    strategy = deps.strategies[state["strategy"]]
    every = strategy.rank(request, tuple(documents.values()), deps.progress, deps.cancelled)
    ranked = [item for item in every if not _is_heading(item, documents)]  # they stand over lines
    found = chunks.cut(documents, state["chunk_tokens"], count, deps.cancelled)
    keys = [deps.notes.put(chunks.packed(each)) for each in chunks.with_best(found, ranked)]
    return {
        "chunks": deps.notes.put(json.dumps(keys)),
        "chunk_count": len(keys),
        "chunk": 0,
        "memory": deps.notes.put(notebook.packed([])),
        "outlook": deps.notes.put(""),
        "best": float(ranked[0].score) if ranked else 0.0,
        "evicted": 0,
        "usage": (0, 0),
        "source_tokens": sum(count(document.text) for document in documents.values()),
        "select_s": time.monotonic() - started,
    }


def read(state: MemoryState, runtime: Runtime[Deps]) -> MemoryState:
    """Ask the reasoner to read one chunk. What comes of its reply is the next node's: a reply once
    given is never asked for again."""
    deps = runtime.context
    check(deps.cancelled)
    started = time.monotonic()
    number, total = state["chunk"], state["chunk_count"]
    deps.progress("reading", number, total)
    documents = _documents(state, deps)
    messages = reading_messages(
        deps.notes.get(state["question"]),
        render(_chunk(state, deps.notes).evidence, documents),
        notebook.listed(lines_of(state, deps.notes), documents),
        outlook_of(state, deps.notes),
        (number + 1, total),
    )
    reply, usage = ask(messages, deps.reasoner(), deps.cancelled)
    return {
        "reply": deps.notes.put(reply),
        "usage": spent(state, usage),
        "select_s": state["select_s"] + time.monotonic() - started,
    }


def note(state: MemoryState, runtime: Runtime[Deps]) -> MemoryState:
    """Bring memory and plan up to date: the facts of the reply that hold in the chunk, and what
    the critic holds strong in it."""
    deps = runtime.context
    check(deps.cancelled)
    number, count = state["chunk"], deps.reasoner().count
    documents, chunk = _documents(state, deps), _chunk(state, deps.notes)
    question = deps.notes.get(state["question"])
    before, plan = list(lines_of(state, deps.notes)), outlook_of(state, deps.notes)
    reply = parsed(deps.notes.get(state["reply"]))
    new: list[Line] = []
    if reply is not None:
        new = notebook.held(reply.facts, chunk, number, documents, question)
        new = notebook.unsaid(new, before)
        before = notebook.without(before, reply.forget, reply.facts)
        known = " ".join([frame(chunk.evidence, documents), plan, *(line.text for line in before)])
        opened = f"in the parts that follow, {reply.plan[:1].lower()}{reply.plan[1:]}"
        plan = reply.plan if notebook.founded(opened, known, question) else plan
    new += notebook.strong(chunk, number, state["best"], new, documents)
    kept = notebook.bounded([*before, *new], documents, state["memory_tokens"], count)
    evicted = len(before) + len(new) - len(kept)
    deps.progress("reading", number + 1, state["chunk_count"])
    deps.emit(
        "read",
        {
            "chunk": number + 1,
            "chunks": state["chunk_count"],
            "usable": reply is not None,
            "added": {by: sum(line.by == by for line in new) for by in ("reasoner", "longdoc")},
            "evicted": evicted,
            "lines": len(kept),
            "memory_tokens": count(notebook.listed(kept, documents)),
        },
    )
    return {
        "chunk": number + 1,
        "memory": deps.notes.put(notebook.packed(kept)),
        "outlook": deps.notes.put(plan),
        "evicted": state["evicted"] + evicted,
    }


def recall(state: MemoryState, runtime: Runtime[Deps]) -> MemoryState:
    """Choose the evidence: the spans that memory's lines stand on, under the budget, which the
    reasoner's own lines share."""
    deps = runtime.context
    check(deps.cancelled)
    started = time.monotonic()
    documents, count = _documents(state, deps), deps.reasoner().count
    lines = lines_of(state, deps.notes)
    written = [line for line in lines if line.by == "reasoner"]
    taken = count(_noted([(line, []) for line in written])) + _MARK_TOKENS * len(written)
    budget = max(1, state["budget"] - taken)
    ranked = notebook.ranked(lines)
    evidence, text = fill(ranked, documents, budget, count, cut_last=False)
    pieces = Counter(each.span.document for each in ranked)
    shown = notebook.numbered(lines, evidence)
    noted = _noted([(line, numbers) for line, numbers in shown if line.by == "reasoner"])
    lost = len(lines) - len(shown)
    update: MemoryState = {
        "evidence": [(e.span.document, e.span.start, e.span.end, float(e.score)) for e in evidence],
        "coverage": covered({key: pieces[key] for key in documents}, evidence, documents, count),
        "noted": deps.notes.put(noted) if noted else "",
        "context_tokens": count(f"{noted}\n\n{text}".strip()),
        "left_out": f"{lost} of {len(lines)} memory lines" if lost else "",
        "select_s": state["select_s"] + time.monotonic() - started,
    }
    deps.emit("context", {**update, "source_tokens": state["source_tokens"]})
    return update


def lines_of(state: MemoryState, notes: Notes) -> tuple[Line, ...]:
    """The memory that a state names."""
    return notebook.unpacked(notes.get(state["memory"]))


def outlook_of(state: MemoryState, notes: Notes) -> str:
    """The reader's plan that a state names: what to look for in the chunks that follow."""
    return notes.get(state["outlook"])


def _next(state: MemoryState) -> str:
    return "read" if state["chunk"] < state["chunk_count"] else "recall"


def _chunk(state: MemoryState, notes: Notes) -> chunks.Chunk:
    """The chunk that is read now."""
    return chunks.unpacked(notes.get(json.loads(notes.get(state["chunks"]))[state["chunk"]]))


def _is_heading(item: Evidence, documents: dict[str, Document]) -> bool:
    blocks = documents[item.span.document].blocks_in(item.span.start, item.span.end)
    return all(block.kind == "heading" for block in blocks)


def _documents(state: MemoryState, deps: Deps) -> dict[str, Document]:
    return {key: deps.documents[key] for key in state["documents"]}


def _noted(lines: list[tuple[Line, list[int]]]) -> str:
    """The reasoner's own lines, over the evidence that they stand on."""
    if not lines:
        return ""
    marked = [f"- {line.text} {''.join(f'[{n}]' for n in numbers)}" for line, numbers in lines]
    return "\n".join(["Noted while reading:", *marked])
