"""Errors on the page: what happened and what to do about it, never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from documents.errors import LongdocError
from ui.parts.text import label

Arguments = ParamSpec("Arguments")


def told(part: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """The part of a page, with its errors told where it stands: a fragment runs by itself, where
    the page's own boundary does not see them."""

    @wraps(part)
    def shown(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            part(*args, **kwargs)
        except LongdocError as error:
            show_error(error)

    return shown


def show_error(error: LongdocError) -> None:
    """The error's message and hint."""
    show_failure(error.message, error.hint)


def show_failure(message: str, hint: str) -> None:
    """A message, and a hint below it."""
    text = f"**{label(message)}**" if message else "**It failed.**"
    st.error(text + (f"\n\n{label(hint)}" if hint else ""), icon=":material/error:")
