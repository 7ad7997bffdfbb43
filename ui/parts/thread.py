"""A thread of questions: how a follow-up was put, what was asked before it, and the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import streamlit as st

from app.questions import job_of
from app.runs import Run
from app.service import Service
from app.threads import following
from documents.errors import LongdocError
from ui.parts import place
from ui.parts.answer import watched_run
from ui.parts.errors import show_error
from ui.parts.text import label

_CORRECT = "A follow-up is put so that it stands alone. Correct it and ask again if that is wrong."


def show_question(service: Service, runs: Sequence[Run]) -> None:
    """What was asked; of a follow-up also how it was put, in a field to correct it."""
    run = runs[0]
    _others(service, run)
    st.markdown(f"#### {label(run.follow_up or run.question)}", anchors=False)
    if run.turn == 1:
        return
    with (
        st.form(f"put-{run.id}", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        text = st.text_input("Asked as", run.question, key=f"put-text-{run.id}", help=_CORRECT)
        sent = st.form_submit_button("Ask this instead", icon=":material/edit:")
    if sent:
        typed = run.follow_up or run.question
        _start(service, runs, text.strip(), run.turn, "" if text.strip() == typed else typed)


def show_follow_up(service: Service, runs: Sequence[Run]) -> None:
    """A field for the next question, once this one is answered."""
    run = runs[0]
    if not all(watched_run(service, one.id).ended for one in runs):
        return  # what shows the answer says so: the run itself has a little left to do after it
    with (
        st.form(f"follow-{run.id}", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        text = st.text_input("Follow-up", key=f"follow-text-{run.id}",
                             placeholder="And the year before?")  # fmt: skip
        sent = st.form_submit_button("Ask the follow-up", icon=":material/reply:")
    if sent:
        question = replace(job_of(run).question, text=text.strip(), turn=0, follow_up="")
        try:
            service.check(question)
            with st.spinner("Reading the thread…"):
                put, _ = following(service, question, until=run.turn)
        except LongdocError as error:
            show_error(error)
        else:
            last = service.log.thread(run.thread)[-1].turn
            _start(service, runs, put.text, last + 1, put.follow_up)


def _others(service: Service, run: Run) -> None:
    """The thread's other questions; a press goes there."""
    turns = [list(one) for _, one in groupby(service.log.thread(run.thread), lambda r: r.turn)]
    if len(turns) < 2:
        return
    with st.expander(f"This thread: {len(turns)} questions"):
        for asked in turns:
            newest = {one.strategy: one.id for one in asked if one.question == asked[-1].question}
            st.button(label(f"{asked[-1].turn}. {asked[-1].question}"), key=f"turn-{asked[-1].id}",
                      type="tertiary", disabled=asked[-1].turn == run.turn,
                      on_click=place.show_runs, args=(list(newest.values()),))  # fmt: skip


def _start(service: Service, runs: Sequence[Run], text: str, turn: int, follow_up: str) -> None:
    """Ask over the same documents by the same strategies, and show that."""
    questions = [
        replace(job_of(run).question, text=text, turn=turn, follow_up=follow_up) for run in runs
    ]
    try:
        place.show_runs(service.start(questions))
    except LongdocError as error:
        show_error(error)
    else:
        st.rerun()
