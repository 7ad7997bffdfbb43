"""The open citation: its page with the words marked, and the pages around it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.service import Service
from documents import Box, DocumentInfo
from documents.errors import LongdocError
from ui.parts import place
from ui.parts.errors import show_error
from ui.parts.text import label, marked_html, quote_html

_AROUND = 1_500
"""Characters shown before and after a quote of a file without pages."""


def show_page(service: Service, opened: place.Opened, citation: dict[str, Any]) -> None:
    """The page that an open citation is on, or another of the same document."""
    with st.container(border=True, key="page"):
        try:
            info = service.store.info(citation["document"])
            if info.pages:
                _paged(service, opened, citation, info)
            else:
                _unpaged(service, citation, info)
        except LongdocError as error:
            _heading(citation["name"], "")
            show_error(error)


def _paged(
    service: Service, opened: place.Opened, citation: dict[str, Any], info: DocumentInfo
) -> None:
    page = min(max(opened.page, 1), info.pages)
    _heading(info.name, f"page {page:,} of {info.pages:,}")
    with st.container(horizontal=True):
        _turn("Previous page", ":material/chevron_left:", opened, page - 1, info.pages)
        _turn("Next page", ":material/chevron_right:", opened, page + 1, info.pages)
        for cited in citation["pages"]:
            if cited != page:
                _turn(f"Cited page {cited:,}", ":material/format_quote:", opened, cited, info.pages)
    boxes = [
        Box(box["page"] - 1, box["x0"], box["y0"], box["x1"], box["y1"])
        for box in citation["boxes"]
    ]
    marked = ", the quote marked" if page in citation["pages"] else ""
    with st.spinner("Drawing the page…"):
        image = service.store.page_image(info.id, page - 1, boxes)
    alt = f"Page {page} of {info.name}{marked}"
    st.image(image, width="stretch", output_format="PNG", alt=alt)  # else text is smeared by JPEG
    st.html(quote_html(citation["quote"]))


def _unpaged(service: Service, citation: dict[str, Any], info: DocumentInfo) -> None:
    _heading(info.name, "")
    text = service.store.get(info.id).text
    start, end = citation["start"], citation["end"]
    before, after = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    st.html(marked_html(before, text[start:end], after))


def _heading(name: str, where: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{label(name)}**" + (f" · {where}" if where else ""), width="stretch")
        st.button("Close", key="close-page", icon=":material/close:", type="tertiary",
                  on_click=place.close, help="Close the page")  # fmt: skip


def _turn(words: str, icon: str, opened: place.Opened, page: int, pages: int) -> None:
    st.button(
        words,
        key=f"turn-{words}",
        icon=icon,
        disabled=not 1 <= page <= pages,
        on_click=place.open_citation,
        args=(place.Opened(opened.run, opened.index, page),),
    )
