"""The question: which documents, by which strategies, what."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.runs import new_id
from app.service import Question, Service
from documents import DocumentInfo
from documents.errors import LongdocError, QuestionError
from ui.parts import place
from ui.parts.errors import show_error

STRATEGIES = {"cprs": "CPRS", "rag": "RAG", "full": "Full text"}
"""The strategies as the page calls them."""

_HELP = (
    "CPRS reads everything and keeps the passages that matter. RAG retrieves the chunks most like "
    "the question. Full text sends the document as far as the model's context goes."
)


def show_ask(service: Service, documents: Sequence[DocumentInfo], added: Sequence[str]) -> None:
    """The form; a question sent starts its runs and puts them into the address."""
    with st.form("ask", border=False):
        _choose(service, documents, added)
        st.text_area(
            "Question",
            key="question",
            height=80,
            placeholder="What were total net sales in the quarter?",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.pills("Answer by", list(STRATEGIES), default=["cprs", "rag"],
                     selection_mode="multi", format_func=STRATEGIES.__getitem__,
                     key="strategies", help=_HELP)  # fmt: skip
            st.space("stretch")
            sent = st.form_submit_button("Ask", type="primary", icon=":material/search:",
                                         help="Ctrl-Enter in the question asks too")  # fmt: skip
    if sent:
        try:
            place.show_runs(_start(service))
        except LongdocError as error:
            show_error(error)
        else:
            st.rerun()


def _start(service: Service) -> list[str]:
    chosen, strategies = st.session_state["chosen"], st.session_state["strategies"]
    if not chosen:
        raise QuestionError("No document is chosen.", "Choose one or more above the question.")
    if not strategies:
        raise QuestionError("No strategy is chosen.", "Choose CPRS or RAG below the question.")
    text = (st.session_state["question"] or "").strip()
    thread = new_id()
    return service.start(
        [
            Question(text, tuple(chosen), name, thread=thread, turn=1)
            for name in STRATEGIES
            if name in strategies
        ]
    )


def _choose(service: Service, documents: Sequence[DocumentInfo], added: Sequence[str]) -> None:
    names = {info.id: info.name for info in documents}
    if "chosen" not in st.session_state:
        st.session_state["chosen"] = _of_runs(service) or [documents[-1].id]
    st.session_state["chosen"] = [
        key for key in dict.fromkeys([*st.session_state["chosen"], *added]) if key in names
    ]
    st.multiselect(
        "Documents",
        list(names),
        key="chosen",
        format_func=names.__getitem__,
        placeholder="Choose what to ask",
    )


def _of_runs(service: Service) -> list[str]:
    """The documents of the runs on the page, when it is opened by its address."""
    found = [service.log.find(run) for run in place.runs()]
    return list(dict.fromkeys(key for run in found if run for key in run.documents))
