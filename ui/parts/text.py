"""Texts of documents and models on the page: shown as they are, never as Markdown or HTML.

Streamlit's labels and messages are Markdown with LaTeX between dollar signs, which would eat the
figures of a financial report. So long texts go through `st.html`, escaped; labels are escaped for
Markdown.
"""

from __future__ import annotations

import html
import re

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$~=@^&])")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", re.DOTALL)
_MARK = re.compile(r"[\[【]\d+(?:\s*[,;–-]\s*\d+)*[\]】]")
_WRAP = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.55"
_QUOTE = (
    "white-space:pre-wrap;overflow-wrap:anywhere;font-size:0.875rem;line-height:1.45;"
    "border-left:3px solid color-mix(in srgb,currentColor 25%,transparent);padding-left:0.75rem;"
    "opacity:0.85"
)
_WORD_JOINER = "\u2060"


def label(text: str) -> str:
    """A text for a Markdown label or message that shows as it is, on one line."""
    escaped = _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
    # colons open emoji names and colour directives, which no backslash prevents
    return escaped.replace(":", f":{_WORD_JOINER}")


def answer_html(text: str, name: str) -> str:
    """An answer as HTML: line breaks, ``**bold**`` and the ``[n]`` marks show; all else is text.
    ``name`` is what a screen reader calls it."""
    body = _BOLD.sub(r"<strong>\1</strong>", html.escape(text))
    body = _MARK.sub(lambda mark: f"<strong><small>{mark[0]}</small></strong>", body)
    return f'<div role="region" aria-label="{html.escape(name)}" style="{_WRAP}">{body}</div>'


def quote_html(text: str) -> str:
    """A document's words as a quotation."""
    return f'<blockquote style="{_QUOTE};margin:0">{html.escape(_rejoined(text))}</blockquote>'


def marked_html(before: str, marked: str, after: str) -> str:
    """A passage of a document without pages, with the quote marked."""
    inside = "".join(
        (html.escape(before), "<mark>", html.escape(marked), "</mark>", html.escape(after))
    )
    return f'<div style="{_WRAP}">{inside}</div>'


def _rejoined(text: str) -> str:
    """Printed lines run together; paragraphs and rows stay apart."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
