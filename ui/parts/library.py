"""The side bar: files come in here, and the library is listed."""

from __future__ import annotations

import streamlit as st

from app.service import Service
from app.uploads import Upload, Uploads
from documents import DocumentInfo
from documents.errors import LongdocError
from ui.parts.errors import show_error, show_failure, told
from ui.parts.text import label

POLL_S = 0.5
SUFFIXES = ["pdf", "md", "markdown", "txt"]


def show_library(service: Service, uploads: Uploads) -> list[DocumentInfo]:
    """The upload field, files being read, and the documents there are; returns these."""
    _uploader(uploads)
    polled = _waiting(uploads)
    st.fragment(told(_uploads), run_every=POLL_S if polled else None)(uploads, polled)
    documents = service.store.list()
    if documents:
        st.markdown(f"**Library** · {len(documents)}")
        for info in reversed(documents):
            with st.container(gap=None):
                st.markdown(label(info.name))
                st.caption(describe(info))
    return documents


def describe(info: DocumentInfo) -> str:
    """A document in a line: its pages and what is amiss."""
    if not info.pages:
        return f"{info.chars:,} characters"
    text = f"{info.pages:,} page{'s' if info.pages > 1 else ''}"
    if without := len(info.pages_without_text):
        text += f", {without} without text"
    return text


def newly_read(uploads: Uploads) -> list[str]:
    """Documents of this page's own uploads that were read since the last call."""
    found = _mine_read(uploads)
    for upload in found:
        uploads.dismiss(upload.id)
    return [upload.document for upload in found]


def _mine_read(uploads: Uploads) -> list[Upload]:
    mine = st.session_state.get("uploads", ())
    return [upload for upload in uploads.all() if upload.document and upload.id in mine]


def _waiting(uploads: Uploads) -> bool:
    return any(upload.waiting for upload in uploads.all())


def _uploader(uploads: Uploads) -> None:
    """A field that is emptied at once: the library keeps the file, the page need not."""
    turn = st.session_state.setdefault("turn", 0)
    key = f"files-{turn}"
    st.file_uploader(
        "Add documents",
        type=SUFFIXES,
        accept_multiple_files=True,
        key=key,
        on_change=_take,
        args=(uploads, key),
        help="PDF, Markdown or text. They are read once and stay in the library on this machine.",
    )
    if (error := st.session_state.pop("upload_error", None)) is not None:
        show_error(error)


def _take(uploads: Uploads, key: str) -> None:
    for file in st.session_state[key] or ():
        try:
            st.session_state.setdefault("uploads", []).append(
                uploads.add(file.name, file.getbuffer())
            )
        except LongdocError as error:
            st.session_state["upload_error"] = error
    st.session_state["turn"] += 1


def _uploads(uploads: Uploads, polled: bool) -> None:
    """Files being read, and those that could not be. Reruns the page when one is in, or when
    there is something to poll for that was not, or no longer."""
    if _mine_read(uploads) or _waiting(uploads) != polled:
        st.rerun()
    for upload in uploads.all():
        if upload.error:
            _failed(uploads, upload)
        elif upload.waiting:
            _progress(uploads, upload)


def _progress(uploads: Uploads, upload: Upload) -> None:
    if upload.total:
        text = f"{label(upload.name)}  \nreading page {upload.done:,} of {upload.total:,}"
        st.progress(min(upload.done / upload.total, 1.0), text)
    else:
        st.progress(0.0, f"{label(upload.name)}  \nwaiting to be read")
    st.button("Cancel", key=f"cancel-{upload.id}", on_click=uploads.dismiss, args=(upload.id,),
              type="tertiary", help=f"Stop reading {label(upload.name)}")  # fmt: skip


def _failed(uploads: Uploads, upload: Upload) -> None:
    show_failure(upload.error, upload.hint)
    if upload.encrypted:
        key = f"password-{upload.id}"
        st.text_input("Password", type="password", key=key, on_change=_unlock,
                      args=(uploads, upload.id, key))  # fmt: skip
    st.button("Dismiss", key=f"dismiss-{upload.id}", on_click=uploads.dismiss, args=(upload.id,),
              type="tertiary", help=f"Forget {label(upload.name)}")  # fmt: skip


def _unlock(uploads: Uploads, upload: str, key: str) -> None:
    if password := st.session_state[key]:
        uploads.unlock(upload, password)
