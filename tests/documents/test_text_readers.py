"""Plain text and Markdown: decoding, blocks, and which files are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents import Block, NotADocumentError
from documents.readers import file_type
from documents.readers import text as plain
from documents.readers.markdown import parse
from documents.readers.text import decode

MARKDOWN = """\
Report 2023
===========

Intro line one
goes on here.

## Sales ##

| Region | 2023 | 2022 |
|:-------|-----:|-----:|
| North  | 1,200 | 900 |
| South \\| East | 10 |  |

- first
  goes on
- second
1. third

```python
# not a heading
| a | b |
|---|---|
```
Sub
---
> quoted
"""


def _shown(text: str) -> list[tuple[str, int, str]]:
    return [(b.kind, b.level, text[b.start : b.end]) for b in parse(text)[0]]


def test_markdown_blocks() -> None:
    assert _shown(MARKDOWN) == [
        ("heading", 1, "Report 2023\n==========="),
        ("paragraph", 0, "Intro line one\ngoes on here."),
        ("heading", 2, "## Sales ##"),
        ("table_row", 0, "| Region | 2023 | 2022 |\n|:-------|-----:|-----:|"),
        ("table_row", 0, "| North  | 1,200 | 900 |"),
        ("table_row", 0, "| South \\| East | 10 |  |"),
        ("list_item", 0, "- first\n  goes on"),
        ("list_item", 0, "- second"),
        ("list_item", 0, "1. third"),
        ("paragraph", 0, "```python\n# not a heading\n| a | b |\n|---|---|\n```"),
        ("heading", 2, "Sub\n---"),
        ("paragraph", 0, "> quoted"),
    ]


def test_markdown_rows_know_their_header() -> None:
    blocks, tables = parse(MARKDOWN)
    row = next(b for b in blocks if "North" in MARKDOWN[b.start : b.end])
    assert [MARKDOWN[s:e] for s, e in row.header] == ["Region", "2023", "2022"]
    assert [t for t in tables if t >= 0] == [0, 0, 0]
    assert len(tables) == len(blocks)


@pytest.mark.parametrize(
    "text", ["a --- b\n", "| a | b |\nno rule\n", "#hash\n", "---\n", "```\nopen"]
)
def test_markdown_lookalikes_are_paragraphs(text: str) -> None:
    assert {kind for kind, _, _ in _shown(text)} == {"paragraph"}


PIECES = st.sampled_from(
    ["# T", "===", "---", "- x", "  y", "1. z", "| a | b |", "|---|---|", "```", "~~~", "> q", "",
     "\t", "\f", " ", "é\u2028x", "\\|", "|", "\x0b", "\u200b", "Cash    $  5   (6 )", "a  b",
     "              2024   2023", "Net cash  —\xa0\xa07%", "----   ----", "Assets:", "x | 2019"]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES).map("\n".join))


def _check_blocks(text: str, blocks: list[Block], blank: str | None) -> None:
    at = 0
    for block in blocks:
        assert at <= block.start < block.end <= len(text)
        assert not text[at : block.start].strip(blank)
        assert text[block.start : block.end] == text[block.start : block.end].strip(blank)
        assert all(0 <= s < e <= block.start for s, e in block.header)
        at = block.end
    assert not text[at:].strip(blank)


@given(TEXTS)
def test_blocks_hold_all_but_white_space(text: str) -> None:
    for (blocks, tables), blank in ((plain.parse(text), plain.EDGES), (parse(text), None)):
        _check_blocks(text, blocks, blank)
        assert len(tables) == len(blocks)


@pytest.mark.parametrize("head", ["||2023|2022|", "|2022||2023|", "2023|2022|", "| | |2023|"])
def test_a_table_may_have_heads_that_are_empty(head: str) -> None:
    rule = "|".join("-" * (head.strip("|").count("|") + 1 + head.startswith("||")))
    text = f"{head}\n|{rule}|\n|Revenue|5|6|\n"
    blocks, tables = parse(text)
    assert [block.kind for block in blocks] == ["table_row", "table_row"]
    assert tables == [0, 0]
    cells = [text[start:end] for start, end in blocks[1].header]
    assert cells == [cell.strip() for cell in head.split("|") if cell.strip()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_decoding(encoding: str) -> None:
    assert decode("Umsatz: 5 €\r\nZürich".encode(encoding), "x") == "Umsatz: 5 €\nZürich"


def test_decoding_falls_back_to_western() -> None:
    assert decode(b"caf\xe9 \x93quoted\x94", "x") == "café “quoted”"
    assert decode(b"\x81\xe9", "x") == "\x81é"


@pytest.mark.parametrize("data", [b"\x00\x01\x02abc", bytes(range(256)) * 4, b"\xff\xfea"])
def test_binary_is_refused(data: bytes) -> None:
    with pytest.raises(NotADocumentError, match=r"notes\.txt"):
        decode(data, "notes.txt")


def test_file_types(tmp_path: Path) -> None:
    for name, data, kind in [
        ("a.PDF", b"junk first %PDF-1.7", "PDF"),
        ("upload", b"%PDF-1.4", "PDF"),
        ("a.md", b"says %PDF-", "Markdown"),
        ("a.txt", b"x", "plain text"),
    ]:
        (tmp_path / name).write_bytes(data)
        assert file_type(tmp_path / name).name == kind


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.pdf", b"<html>", "is not one"),
        ("a.docx", b"PK", "not a file type"),
        ("a.txt", b"", "is empty"),
        ("missing.pdf", None, "no such file"),
    ],
)
def test_refused(tmp_path: Path, name: str, data: bytes | None, says: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(NotADocumentError, match=says) as caught:
        file_type(tmp_path / name)
    assert name in str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_refused_directory_pipe_and_odd_names(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    for path, says in [
        (tmp_path, "is a directory"),
        (tmp_path / "pipe.txt", "not a regular file"),
        (tmp_path / ("x" * 300), "cannot be opened"),
        (tmp_path / "nul\x00.txt", "cannot be opened"),
    ]:
        with pytest.raises(NotADocumentError, match=says):
            file_type(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_refused_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(NotADocumentError, match="no permission"):
        file_type(path)
