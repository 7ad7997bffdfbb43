"""One run on the page: live while it works, replayed from its log, and finished."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.runs import Run
from app.service import Service
from app.watch import Watched
from ui.parts import place
from ui.parts.ask import STRATEGIES
from ui.parts.errors import show_failure, told
from ui.parts.text import answer_html, label, quote_html

POLL_S = 0.5
_VERDICTS = {
    "answered": ("Answered", "green", ":material/check_circle:"),
    "partly": ("Partly supported", "orange", ":material/rule:"),
    "not_in_documents": ("Not in the documents", "gray", ":material/search_off:"),
}
_VERIFIED = "The claim's figures, dates and names stand in this quote or over it on the page."
_UNVERIFIED = "Not everything the claim says could be found in this quote. Look at the page."


def show_run(service: Service, run: Run) -> None:
    """A run in its column."""
    with st.container(border=True, key=f"run-{run.strategy}-{run.id}"):
        watched = watched_run(service, run.id)
        if watched.ended:
            _ended(run, watched)
        else:
            st.fragment(told(_live), run_every=POLL_S)(service, run)


def watched_run(service: Service, run: str) -> Watched:
    """The run as far as the log goes; only what is new is read."""
    seen: dict[str, Watched] = st.session_state.setdefault("watched", {})
    watched = seen.setdefault(run, Watched())
    if not watched.ended:
        working = service.works_on(run)  # asked first: it may end in between
        watched.take(service.log.events(run, watched.seq))
        if not working and not watched.ended:
            watched.status = "failed"
            watched.error = "longdoc was stopped while it worked on this."
            watched.hint = f"Go on with it: longdoc resume {run}"
    return watched


def _live(service: Service, run: Run) -> None:
    watched = watched_run(service, run.id)
    if watched.ended:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{STRATEGIES[run.strategy]}**", width="stretch")
        st.button("Stop", key=f"stop-{run.id}", icon=":material/stop_circle:",
                  on_click=service.stop, args=(run.id,), type="tertiary",
                  help=f"Stop the answer by {STRATEGIES[run.strategy]}")  # fmt: skip
    if watched.stage and watched.total:
        text = f"{label(watched.stage)}: {watched.done:,} of {watched.total:,}"
        st.progress(min(watched.done / watched.total, 1.0), text)
    elif not watched.answer:
        st.caption(f":material/hourglass_top: {_doing(watched, _in_turn(service, run.id))}")
    if watched.so_far and not watched.answer:
        st.caption("Best so far, while the rest is read:")
        for document, start, end in watched.so_far:
            st.html(quote_html(service.store.get(document).text[start:end]))
    if watched.reasoning:
        with st.expander("Reasoning"):
            st.html(answer_html(watched.reasoning, "Reasoning"))
    if watched.answer:
        st.html(answer_html(watched.answer + " ▍", f"Answer by {STRATEGIES[run.strategy]}"))


def _in_turn(service: Service, run: str) -> bool:
    """Whether nothing that was asked before it is still being answered."""
    ids = place.runs()
    before = ids[: ids.index(run)] if run in ids else []
    return not any(service.works_on(earlier) for earlier in before)


def _doing(watched: Watched, in_turn: bool) -> str:
    if watched.reasoning:
        return "Thinking…"
    if watched.draft:
        return "Checking whether that is all…"
    if watched.missing and watched.passages is None:
        return f"Looking for what is missing: {label(watched.missing)}"
    if watched.passages is not None:
        passages = _counted(watched.passages, "passage")
        return f"The model reads {passages} ({watched.tokens:,} tokens)…"
    if watched.stage:
        return f"{label(watched.stage)}…"
    return "Starting…" if in_turn else "Waiting for its turn…"


def _ended(run: Run, watched: Watched) -> None:
    name = STRATEGIES[run.strategy]
    if watched.status == "done":
        _finished(run, watched.result)
        return
    st.markdown(f"**{name}**")
    if watched.status == "stopped":
        go_on = f"To go on with it: `longdoc resume {run.id}`"
        st.caption(f":material/stop_circle: Stopped. {go_on}")
    else:
        show_failure(watched.error, watched.hint)
    if watched.answer:
        st.html(answer_html(watched.answer, f"Unfinished answer by {name}"))


def _finished(run: Run, result: dict[str, Any]) -> None:
    name = STRATEGIES[run.strategy]
    if "verdict" not in result:  # of `longdoc select`, which asks no model
        st.markdown(f"**{name}**")
        st.caption("No model was asked: only passages were looked for.")
        st.caption(f":material/compress: {label(_tokens(result['context']))}")
        _passages(result["context"]["evidence"])
        return
    words, color, icon = _VERDICTS[result["verdict"]]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{name}**", width="stretch")
        st.badge(words, icon=icon, color=color)
    st.html(answer_html(result["answer"], f"Answer by {name}"))
    for index, citation in enumerate(result["citations"]):
        with st.container(gap="xsmall"):
            _citation(run.id, index, citation, len(result["documents"]) > 1)
    for sentence in result.get("unsupported", []):  # runs of earlier versions have none
        st.caption(f":material/warning: No quote supports: {label(sentence)}")
    if result["unknown_citations"]:
        marks = ", ".join(f"[{n}]" for n in result["unknown_citations"])
        st.caption(label(f"{marks}: no such passage was given to the model."))
    with st.container(gap=None):
        st.caption(f":material/compress: {label(_tokens(result['context']))}")
        st.caption(f":material/timer: {_times(result['timings'])}")
    if result["reasoning"]:
        with st.expander("Reasoning"):
            st.html(answer_html(result["reasoning"], "Reasoning"))
    _passages(result["context"]["evidence"])


def _citation(run: str, index: int, citation: dict[str, Any], several: bool) -> None:
    """A button that opens the page, and the quote below it."""
    verified = citation["verified"]
    where = _pages(citation["pages"])
    if several or not where:
        where = ", ".join(part for part in (citation["name"], where) if part)
    first = citation["pages"][0] if citation["pages"] else 0
    opened = place.opened()
    st.button(
        label(f"[{citation['n']}] {where} · {'verified' if verified else 'not verified'}"),
        key=f"cite-{run}-{index}",
        icon=":material/verified:" if verified else ":material/help:",
        help=_VERIFIED if verified else _UNVERIFIED,
        type="primary" if opened and (opened.run, opened.index) == (run, index) else "secondary",
        on_click=place.open_citation,
        args=(place.Opened(run, index, first),),
    )
    st.html(quote_html(citation["quote"]))


def _passages(evidence: list[dict[str, Any]]) -> None:
    if not evidence:
        return
    with st.expander(f"What the model was given: {_counted(len(evidence), 'passage')}"):
        for passage in evidence:
            where = ", ".join(p for p in (passage["name"], _pages(passage["pages"])) if p)
            st.caption(label(f"[{passage['n']}] {where}"))
            st.html(quote_html(passage["text"]))


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _pages(pages: list[int]) -> str:
    if not pages:
        return ""
    return f"page{'s' if len(pages) > 1 else ''} {', '.join(str(page) for page in pages)}"


def _tokens(context: dict[str, Any]) -> str:
    text = f"{context['source_tokens']:,} tokens read, {context['tokens']:,} sent"
    if (ratio := context["compression_ratio"]) and ratio > 1:
        text += f" ({ratio:g}× smaller)"
    return text + (f"; left out: {context['left_out']}" if context["left_out"] else "")


def _times(timings: dict[str, float]) -> str:
    named = {"select_s": "found", "first_token_s": "first word", "total_s": "total"}
    return " · ".join(f"{named[k]} {timings[k]:.1f} s" for k in named if k in timings)
