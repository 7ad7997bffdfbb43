"""Where the person is, kept in the address, so that a reload or a shared link finds it again.

``run``: the runs on the page, separated by commas. ``cite``: the open citation, as run and number
in its list. ``page``: the page shown, from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True, slots=True)
class Opened:
    """An open citation: the ``index``-th of a run. ``page`` counts from 1; 0: its own page."""

    run: str
    index: int
    page: int = 0


def runs() -> list[str]:
    """The runs on the page."""
    return [run for run in st.query_params.get("run", "").split(",") if run]


def show_runs(ids: Sequence[str]) -> None:
    """Put these runs on the page, and close what was open."""
    close()
    st.query_params["run"] = ",".join(ids)


def opened() -> Opened | None:
    """The open citation, if one is."""
    run, _, index = st.query_params.get("cite", "").rpartition("-")
    if not run or not index.isdecimal():
        return None
    page = st.query_params.get("page", "")
    return Opened(run, int(index), int(page) if page.isdecimal() else 0)


def open_citation(citation: Opened) -> None:
    """Open a citation beside the answers."""
    st.query_params["cite"] = f"{citation.run}-{citation.index}"
    st.query_params["page"] = str(citation.page)


def close() -> None:
    """Close the open citation."""
    for key in ("cite", "page"):
        if key in st.query_params:
            del st.query_params[key]
