"""Errors on the page: what happened and what to do about it, never a traceback."""

from __future__ import annotations

import streamlit as st

from documents.errors import LongdocError
from ui.parts.text import label


def show_error(error: LongdocError) -> None:
    """The error's message and hint."""
    show_failure(error.message, error.hint)


def show_failure(message: str, hint: str) -> None:
    """A message, and a hint below it."""
    text = f"**{label(message)}**" if message else "**It failed.**"
    st.error(text + (f"\n\n{label(hint)}" if hint else ""), icon=":material/error:")
