"""The nodes that answer from the evidence: reason, and compute."""

from __future__ import annotations

from dataclasses import dataclass, field

from langgraph.runtime import Runtime

from agent import citing, comparing, computing, lookup, planning, series
from agent.absence import WITHHELD, Gate, absence_text, absent, best_score
from agent.clauses import Clauses
from agent.context import render
from agent.gates import gate_for
from agent.state import Deps, State, calibrated, evidence_of, plan_of, spent
from documents.errors import ExpressionError, ReasonerError
from documents.progress import check, within
from policy import Delta, Message, Usage, answer_messages, parse_answer


def reason(state: State, runtime: Runtime[Deps]) -> State:
    """Ask the reasoner, streaming its reasoning and, sentence by sentence, what of its answer is
    founded. It is not asked where rows or citations tell, or the documents do not hold what the
    question names. Before the last round what it says is a draft."""
    deps = runtime.context
    kind = "answer" if state.get("round", deps.max_rounds) >= deps.max_rounds else "draft"
    if (info := runtime.execution_info) is not None and info.node_attempt > 1:
        deps.emit("retried", {"node": "reason", "attempt": info.node_attempt})
    evidence = evidence_of(state)
    if not evidence or best_score(evidence) < deps.least_score:
        return _unasked("")
    question = deps.notes.get(state["question"])
    if missing := absent(question, evidence, deps.documents):
        text = absence_text(missing)
        deps.emit(kind, {"text": text})
        return _unasked(deps.notes.put(text))
    if ruled := _ruled(state, deps, kind):
        return ruled
    likely = calibrated(state, deps)
    clauses = Clauses(question, evidence, deps.documents, likely)
    if clauses.hopeless:
        return _unasked("")
    gate = gate_for(question, evidence, deps.documents, calibrated=likely)
    said = _Said(deps, kind, gate)
    said.hear(_messages(state, deps))
    rest = gate.close()
    if gate.nothing_left and _computes(deps, question):
        rest = rest.removesuffix(WITHHELD)  # said by `compute`, where it has nothing better to say
    lost = gate.nothing_left or parse_answer("".join([*said.answer, rest])).refused
    nearest = clauses.nearest() if lost else ""
    said.say(f"{rest.removesuffix(WITHHELD)}\n{nearest}".lstrip() if nearest else rest)
    if not lost and (quote := clauses.quoted("".join(said.answer))):
        said.say(f"\n{quote}")
    return {
        "answer": deps.notes.put("".join(said.answer).strip()),
        "reasoning": deps.notes.put("".join(said.reasoning).strip()),
        "usage": spent(state, said.usage),
        "first_token_s": said.usage.first_token_s or 0.0,
        "withheld": gate.withheld,
        "ruled": None,
        "verdict": "not_in_documents" if gate.nothing_left and not nearest else None,
    }


@dataclass(slots=True)
class _Said:
    """What the reasoner said, as far as the gate lets it out."""

    deps: Deps
    kind: str
    gate: Gate
    answer: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    def hear(self, messages: list[Message]) -> None:
        """Ask, and pass on what comes."""
        deps = self.deps
        cancelled = within(deps.step_s, deps.cancelled)
        for piece in deps.reasoner().stream(
            messages, max_tokens=deps.answer_tokens, cancelled=cancelled
        ):
            if not isinstance(piece, Delta):
                self.usage = piece
            elif piece.kind == "answer":
                if not self.answer:
                    self.gate.hear("".join(self.reasoning))
                self.say(self.gate.feed(piece.text))
            else:
                self.reasoning.append(piece.text)
                deps.emit("reasoning", {"text": piece.text})

    def say(self, text: str) -> None:
        """Let a piece of the answer out."""
        if text:
            self.answer.append(text)
            self.deps.emit(self.kind, {"text": text})


def _messages(state: State, deps: Deps) -> list[Message]:
    planned = planning.note(plan_of(state, deps.notes)) if state.get("plan") else ""
    noted = deps.notes.get(state["noted"]) if state.get("noted") else ""
    context = f"{noted}\n\n{render(evidence_of(state), deps.documents)}".strip()
    question = deps.notes.get(state["question"])
    return answer_messages(f"{question}\n\n{planned}".strip(), context)


def _ruled(state: State, deps: Deps, kind: str) -> State | None:
    """The answer to a question for a line item, of one document or of several beside each other,
    where their rows tell it, or for who cites whom."""
    if not deps.arithmetic:
        return None
    question = deps.notes.get(state["question"])
    documents = {key: deps.documents[key] for key in state["documents"]}
    asked = (question, evidence_of(state), documents)
    found = comparing.compared(*asked) or lookup.looked_up(*asked) or citing.related(*asked)
    if found is None:
        return None
    deps.emit(kind, {"text": found.text})
    lacking = [place for place, key in enumerate(state["documents"]) if key in found.lacking]
    return {
        **_unasked(deps.notes.put(found.text)),
        "ruled": (deps.notes.put(found.item), lacking),
        "verdict": None,
    }


def _unasked(answer: str) -> State:
    return {
        "answer": answer,
        "reasoning": "",
        "first_token_s": 0.0,
        "withheld": 0,
        "ruled": None,
        "verdict": "not_in_documents",
    }


def compute(state: State, runtime: Runtime[Deps]) -> State:
    """Compute what the question asks to be computed, from figures of the evidence, and add one
    sentence that says so. Where that cannot be done the answer stays as it was."""
    deps = runtime.context
    check(deps.cancelled)
    question = deps.notes.get(state["question"])
    text = deps.notes.get(state["answer"]) if state["answer"] else ""
    lost = state.get("verdict") == "not_in_documents"  # the answer itself was held back
    refused = not lost and parse_answer(text).refused
    over = state.get("ruled") or refused or (lost and not state.get("withheld"))
    if over or not _computes(deps, question):
        return {"computed": ""}
    evidence, used = evidence_of(state), Usage()
    try:
        if ruled := series.expression(question, evidence, deps.documents):
            said, row = ruled
            done = computing.computed(said, question, evidence, deps.documents, row=row)
        else:
            said, used = computing.ask(
                question, evidence, deps.documents, deps.reasoner(), deps.cancelled
            )
            done = computing.computed(said, question, evidence, deps.documents)
    except (ExpressionError, ReasonerError) as error:
        deps.emit("computed", {"failed": error.message})
        added, update = (WITHHELD if lost else ""), State(computed="")
    else:
        deps.emit("computed", computing.shown(done))
        added = computing.sentence(done)
        update = State(computed=deps.notes.put(computing.packed(done)))
        if lost:
            update["verdict"] = "partly"
    if added:
        added = f"\n{added}" if text else added
        deps.emit("answer", {"text": added})
        update["answer"] = deps.notes.put(text + added)
    update["usage"] = spent(state, used)
    return update


def _computes(deps: Deps, question: str) -> bool:
    return deps.arithmetic and computing.asks_for_computation(question)
