"""The web page's script: Streamlit runs it anew at each interaction. Layout only."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.runs import Run
from app.service import Service
from ui.parts import brand, place
from ui.parts.answer import show_run
from ui.parts.ask import show_ask
from ui.parts.errors import told
from ui.parts.library import newly_read, show_library
from ui.parts.page import show_page
from ui.parts.rooms import open_service
from ui.parts.thread import show_follow_up, show_question

EMPTY = """
### Ask a long document a question

1. **Add a document** in the side bar: a PDF of any length, a Markdown or a text file.
   It is read once and stays in the library on this machine.
2. **Ask.** longdoc reads all of it, keeps the passages that matter, and answers from those.
3. **Open a citation** to see the page it comes from, with the words marked.
"""


@told
def main() -> None:
    """The page."""
    st.set_page_config("longdoc", brand.ICON, layout="wide")
    st.logo(brand.LOGO, size="large", icon_image=brand.ICON)
    service, uploads = open_service()
    with st.sidebar:
        added = newly_read(uploads)
        documents = show_library(service, uploads)
    if not documents:
        st.markdown(EMPTY, anchors=False)
        return
    show_ask(service, documents, added)
    _results(service)


def _results(service: Service) -> None:
    """The runs of the address side by side; beside them the page of an open citation."""
    found = [service.log.find(run) for run in place.runs()]
    runs = [run for run in found if run is not None]
    if not runs:
        if found:
            st.caption("The answer at this address is no longer there. Ask again.")
        return
    show_question(service, runs)
    opened = place.opened()
    citation = _citation(service, runs, opened)
    if opened is None or citation is None:
        _side_by_side(service, runs)
    else:
        left, right = st.columns([max(len(runs), 1.4), 1.4], gap="medium")
        with left:
            _side_by_side(service, runs)
        with right:
            show_page(service, opened, citation)
    show_follow_up(service, runs)


def _side_by_side(service: Service, runs: list[Run]) -> None:
    for run, column in zip(runs, st.columns(len(runs)), strict=True):
        with column:
            show_run(service, run)


def _citation(
    service: Service, runs: list[Run], opened: place.Opened | None
) -> dict[str, Any] | None:
    """The open citation's record, if its run is on the page and done."""
    if opened is None or opened.run not in {run.id for run in runs}:
        return None
    done = [event.data for event in service.log.events(opened.run) if event.kind == "done"]
    citations: list[dict[str, Any]] = done[0].get("citations", []) if done else []
    return citations[opened.index] if opened.index < len(citations) else None


if __name__ == "__main__":
    main()
