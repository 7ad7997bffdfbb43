"""The nodes that check an answer: verify (→ repair → verify, as often as is set)."""

from __future__ import annotations

from functools import partial

from langgraph.graph import END
from langgraph.runtime import Runtime

from agent import citing, computing, discussing
from agent.citations import Cited, cite, marked
from agent.repairing import Repaired, repaired
from agent.state import Deps, State, calibrated, computed_of, evidence_of, spent
from agent.values import Citation, Verdict
from documents.errors import ReasonerError
from documents.progress import check, within
from policy import parse_answer


def verify(state: State, runtime: Runtime[Deps]) -> State:
    """Find and check the quotes, and say whether the documents answer the question."""
    deps = runtime.context
    check(deps.cancelled)
    if state.get("verdict") == "not_in_documents":  # a sentence of our own: it cites nothing
        update: State = {"citations": [], "unknown": [], "refused": False, "marked": ""}
        deps.emit("checked", {**update, "verdict": state["verdict"]})
        return update
    evidence = evidence_of(state)
    text, found = _cited(state, deps)
    citations, shown = found.citations, marked(text, found.marks)
    for one in computed_of(state, deps.notes):  # its result stands nowhere: its operands do
        citations += tuple(computing.citations(one, evidence, deps.documents))
        text = f"{text}\n{computing.sentence(one)}".strip()
        shown = f"{shown}\n{computing.sentence(one)}".strip()
    unheld = len(found.unsupported)
    _, lacking = state.get("ruled") or ("", [])
    update = {
        "citations": [
            (c.n, c.span.document, c.span.start, c.span.end, c.verified, c.by) for c in citations
        ],
        "unknown": list(found.unknown),
        "verdict": verdict_of(text, citations, state.get("withheld", 0) + len(lacking), unheld),
        "unsupported": deps.notes.put("\n".join(found.unsupported)) if unheld else "",
        "contradicted": len(found.contradicted),
        "marked": deps.notes.put(shown) if found.marks else "",
    }
    if found.marks:
        deps.emit("marked", {"text": shown})
    deps.emit("checked", {**update, "unsupported": list(found.unsupported)})
    if state.get("repairs", 0) < deps.repairs:  # else nothing comes of it
        question = deps.notes.get(state["question"])
        update["refused"] = discussing.refused(question, text, evidence, deps.documents)
    return update


def _cited(state: State, deps: Deps) -> tuple[str, Cited]:
    """What the reasoner said, and what was found out about it."""
    text = deps.notes.get(state["answer"]) if state["answer"] else ""
    for one in computed_of(state, deps.notes):
        text = text.removesuffix(computing.sentence(one)).rstrip()
    question, evidence = deps.notes.get(state["question"]), evidence_of(state)
    if state.get("ruled"):
        documents = {key: deps.documents[key] for key in state["documents"]}
        told = citing.related(question, evidence, documents)
        if told is not None and told.text == text:
            return text, citing.shown(told, evidence)
    return text, cite(text, evidence, deps.documents, question)


def after_verify(state: State, runtime: Runtime[Deps]) -> str:
    """Whether a contradiction, or a refusal to discuss, goes back to the reasoner."""
    again = state.get("contradicted", 0) or state.get("refused", False)
    return "repair" if again and state.get("repairs", 0) < runtime.context.repairs else END


def repair(state: State, runtime: Runtime[Deps]) -> State:
    """Ask the reasoner once more, and take what it answers if that is better founded: with what
    its quotes say where they contradict it, for what bears on the question where it refuses to
    discuss it. ``repair`` events hold the answer that stands now."""
    deps = runtime.context
    check(deps.cancelled)
    said, found = _cited(state, deps)
    mistakes = [m.text for c in found.contradicted for m in c.mistakes]
    update = State(repairs=state.get("repairs", 0) + 1)
    try:
        made = _asked_again(state, deps, said, found)
    except ReasonerError as error:
        told = {"mistakes": mistakes, "taken": False, "text": deps.notes.get(state["answer"])}
        deps.emit("repair", {**told, "failed": error.message})
        return update
    text = "\n".join([made.text, *map(computing.sentence, computed_of(state, deps.notes))])
    text = text if made.taken else deps.notes.get(state["answer"])
    deps.emit("repair", {"mistakes": mistakes, "taken": made.taken, "text": text})
    update["usage"] = spent(state, made.usage)
    if made.taken:
        update |= {"answer": deps.notes.put(text), "withheld": made.withheld, "verdict": None}
    return update


def _asked_again(state: State, deps: Deps, said: str, found: Cited) -> Repaired:
    question, evidence = deps.notes.get(state["question"]), evidence_of(state)
    again = partial(repaired, found=found) if found.contradicted else discussing.discussed
    return again(
        question,
        said,
        evidence=evidence,
        documents=deps.documents,
        calibrated=calibrated(state, deps),
        reasoner=deps.reasoner(),
        cancelled=within(deps.step_s, deps.cancelled),
    )


def verdict_of(
    text: str, citations: tuple[Citation, ...], withheld: int = 0, unsupported: int = 0
) -> Verdict:
    """Whether the answer answers: wholly only where a citation of each claim holds and no
    sentence was withheld."""
    if not text or parse_answer(text).refused:
        return "not_in_documents"
    held = {citation.claim for citation in citations if citation.verified}
    whole = held == {citation.claim for citation in citations} and not (withheld or unsupported)
    return "answered" if held and whole else "partly"
