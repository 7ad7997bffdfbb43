"""The nodes that look for evidence: plan, gather, assemble, and judge, which may begin again."""

from __future__ import annotations

import time
from typing import cast

from langgraph.runtime import Runtime
from langgraph.types import Overwrite, Send

from agent import asking, citing, planning, sufficiency
from agent.context import as_context, fill
from agent.gathering import Errand, as_found, coverage, in_turn, key_of, merged, share
from agent.state import Deps, State, evidence_of, plan_of, spent
from agent.sufficiency import Draft, Need
from agent.values import Granularity, Request
from documents import Evidence
from documents.progress import check, within
from policy import Usage


def plan(state: State, runtime: Runtime[Deps]) -> State:
    """Say what to find, and where."""
    deps = runtime.context
    check(deps.cancelled)
    question = deps.notes.get(state["question"])
    documents = [deps.documents[key] for key in state["documents"]]
    granularity = cast("Granularity", state.get("granularity", "sentence"))
    update = State(round=1, follow_ups=[])
    if deps.plan == "off" or state["strategy"] == "full":  # full reads all there is
        made = planning.identity(question, documents, granularity)
    elif deps.plan == "rules":
        made = planning.by_rules(question, documents, granularity)
    else:
        cancelled = within(deps.step_s, deps.cancelled)
        made, used = asking.plan(question, documents, granularity, deps.reasoner(), cancelled)
        update["usage"] = spent(state, used)
    places = {key: place for place, key in enumerate(state["documents"])}
    update["errands"] = [
        (deps.notes.put(sub.text), [places[key] for key in sub.documents])
        for sub in made.sub_questions
    ]
    update["granularity"] = made.granularity
    update["plan"] = deps.notes.put(planning.packed(made))
    deps.emit("plan", planning.shown(made))
    return update


def sends(state: State) -> list[Send] | str:
    """One search an errand; the way on where there is none."""
    return [Send("gather", errand) for errand in _errands(state)] or "compute"


def _errands(state: State) -> list[Errand]:
    first = state["round"] == 1
    return [
        Errand(
            question=question,
            looking_for=state.get("looking_for", "") if first else "",
            granularity=state["granularity"],
            strategy=state["strategy"],
            budget=state["budget"],
            documents=[state["documents"][place] for place in places],
        )
        for question, places in state["errands"]
    ]


def gather(state: Errand, runtime: Runtime[Deps]) -> State:
    """Search some documents for one sub-question."""
    deps, errand = runtime.context, state
    check(deps.cancelled)
    strategy = deps.strategies[errand["strategy"]]
    documents = {key: deps.documents[key] for key in errand["documents"]}
    request = Request(
        question=deps.notes.get(errand["question"]),
        budget_tokens=errand["budget"],
        looking_for=deps.notes.get(errand["looking_for"]) if errand["looking_for"] else "",
        granularity=cast("Granularity", errand["granularity"]),
        best=lambda found: deps.emit("so_far", {"spans": [_row(item) for item in found]}),
    )
    with in_turn(deps.turn, deps.cancelled):
        started = time.monotonic()
        cancelled = within(deps.step_s, deps.cancelled)
        ranked = strategy.rank(request, tuple(documents.values()), deps.progress, cancelled)
        check(deps.cancelled)
        found = as_found(ranked, errand, documents, strategy.count)
        found["seconds"] = time.monotonic() - started
    found["run"] = _run(runtime)
    deps.emit(
        "gathered",
        {
            "question": request.question,
            "documents": errand["documents"],
            "found": sum(found["totals"]),
            "seconds": found["seconds"],
        },
    )
    return {"found": {key_of(errand): found}}


def _row(item: Evidence) -> tuple[str, int, int]:
    return item.span.document, item.span.start, item.span.end


def _run(runtime: Runtime[Deps]) -> str:
    info = runtime.execution_info
    return (info.thread_id or "") if info is not None else ""


def assemble(state: State, runtime: Runtime[Deps]) -> State:
    """Fill the budget: what an earlier round kept stays, then what was found now."""
    deps = runtime.context
    check(deps.cancelled)
    started = time.monotonic()
    strategy = deps.strategies[state["strategy"]]
    documents = {key: deps.documents[key] for key in state["documents"]}
    errands, found = _errands(state), state["found"]
    earlier = evidence_of(state) if state["round"] > 1 else []
    question = deps.notes.get(state["question"]) if deps.arithmetic else ""
    ranked = [*earlier, *citing.mentions(question, documents), *merged(errands, found)]
    budget = share(state["budget"], state["round"], deps.max_rounds)
    chosen, text = fill(ranked, documents, budget, strategy.count, cut_last=strategy.cut_last)
    read = {key: documents[key] for errand in errands for key in errand["documents"]}
    left_out = strategy.left_out(chosen, read)
    context = as_context(chosen, text, documents, strategy.count, left_out=left_out)
    own = (one["seconds"] for one in found.values() if one["run"] == _run(runtime))
    update: State = {
        "evidence": [
            (e.span.document, e.span.start, e.span.end, float(e.score)) for e in context.evidence
        ],
        "coverage": coverage(errands, found, chosen, documents, strategy.count),
        "context_tokens": context.tokens,
        "source_tokens": context.source_tokens,
        "left_out": context.left_out,
        "select_s": state.get("select_s", 0.0) + sum(own) + time.monotonic() - started,
    }
    deps.emit("context", {**update, "round": state["round"]})
    return cast(State, {**update, "found": Overwrite({})})


def judge(state: State, runtime: Runtime[Deps]) -> State:
    """Say whether the evidence sufficed; if not, and another round is left, what to look for."""
    deps = runtime.context
    check(deps.cancelled)
    if state["round"] >= deps.max_rounds:
        return {"errands": []}
    text = deps.notes.get(state["answer"]) if state["answer"] else ""
    need, places, used = None, list[int](), Usage()
    if any(found > kept for found, kept, _ in state["coverage"]):  # else there is nothing more
        need, places, used = _missing(state, deps, text)
    update = State(usage=spent(state, used), errands=[])
    if need is None:
        if text:
            deps.emit("answer", {"text": text})
        return update
    number = state["round"] + 1
    deps.emit("round", {"round": number, "missing": need.text, "by": need.by})
    key = deps.notes.put(need.text)
    update["errands"] = [(key, places)]
    update["round"], update["follow_ups"] = number, [*state["follow_ups"], key]
    return update


def _missing(state: State, deps: Deps, text: str) -> tuple[Need | None, list[int], Usage]:
    """What to look for next, and the places of the documents to look in."""
    if ruled := state.get("ruled"):
        item, lacking = ruled
        return (Need(deps.notes.get(item), "rules") if lacking else None), lacking, Usage()
    question = deps.notes.get(state["question"])
    asked = [question, *(deps.notes.get(key) for key in state["follow_ups"])]
    draft = Draft(question, asked, evidence_of(state), text, state["withheld"])
    cancelled = within(deps.step_s, deps.cancelled)
    need, used = sufficiency.missing(draft, deps.documents, deps.reasoner(), cancelled)
    read = {k for sub in plan_of(state, deps.notes).sub_questions for k in sub.documents}
    return need, [place for place, k in enumerate(state["documents"]) if k in read], used
