"""Texts of documents and models never become Markdown, LaTeX or HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ui.parts.text import answer_html, label, marked_html, quote_html

NASTY = st.text(st.sampled_from("ab1 $*_`[](){}<>#+-.!|~:=&\\\n\t\"'/@^"), max_size=60)
JOINER = "\u2060"


@given(NASTY)
def test_a_label_shows_the_text_itself(text: str) -> None:
    shown = label(text)
    tokens = MarkdownIt("commonmark").parse(shown)
    inline = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    assert {child.type for child in inline} <= {"text", "text_special"}
    assert "".join(c.content for c in inline).replace(JOINER, "") == " ".join(text.split())


def test_a_label_has_no_latex_emoji_or_colour() -> None:
    assert label("$5 and $6") == "\\$5 and \\$6"
    assert ":smile:" not in label(":smile: :red[x] :material/menu:")


class _Seen(HTMLParser):
    """Tags and texts, as a browser takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def _seen(html: str) -> _Seen:
    seen = _Seen()
    seen.feed(html)
    seen.close()
    return seen


@given(NASTY)
def test_no_text_brings_tags_of_its_own(text: str) -> None:
    tags = {"div", "strong", "small", "blockquote", "mark"}
    for html in (answer_html(text, text), quote_html(text), marked_html(text, text, text)):
        assert _seen(html).tags <= tags


def test_an_answer_keeps_its_figures_and_shows_its_marks() -> None:
    seen = _seen(answer_html("Sales were $5 (up $1) <b>in</b> **2023** [1, 2].", "Answer"))
    assert seen.text == "Sales were $5 (up $1) <b>in</b> 2023 [1, 2]."
    assert seen.tags == {"div", "strong", "small"}
