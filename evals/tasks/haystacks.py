"""The long plain texts that needles are hidden in: essays and novels of the data folder."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from documents.errors import DataError

Text = tuple[str, str]
"""A name and a text."""

PART_WORDS = 20_000
"""A novel is cut into parts of about so many words, at paragraph ends."""

_START = re.compile(r"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.*?\*\*\*", re.S)
_END = re.compile(r"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK")
_TITLE = re.compile(r"^Title:[^\S\n]*(\S.*?)[^\S\n]*$", re.M)
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*(?:\n\s*)+")
_WORD = re.compile(r"\S+")


def essays(data: Path) -> list[Text]:
    """Paul Graham's essays, by name. Raises `DataError` where ``haystack`` lacks them."""
    members = _members(data / "haystack" / "pg_essays.tar.gz")
    return [(Path(name).stem, text) for name, text in sorted(members)]


def novels(data: Path) -> list[Text]:
    """Novels of Project Gutenberg without its notices, each once, in parts."""
    whole: dict[str, str] = {}
    for _, text in sorted(_members(data / "haystack" / "gutenberg.tar.gz")):
        title = found.group(1) if (found := _TITLE.search(text[:5000])) else text[:40].strip()
        begin = found.end() if (found := _START.search(text)) else 0
        end = found.start() if (found := _END.search(text)) else len(text)
        whole.setdefault(title, text[begin:end].strip())
    return [part for title, text in whole.items() for part in _parts(title, text)]


def first_words(text: str, count: int) -> str:
    """The text up to the end of its word number ``count``."""
    end = 0
    for number, match in enumerate(_WORD.finditer(text)):
        if number == count:
            break
        end = match.end()
    return text[:end]


def _parts(title: str, text: str) -> Iterator[Text]:
    start = number = words = here = 0
    for match in _PARAGRAPH_END.finditer(text):
        words += len(text[here : match.start()].split())
        here = match.end()
        if words >= PART_WORDS:
            number += 1
            yield f"{title}, part {number}", text[start : match.start()]
            start, words = here, 0
    if text[start:].strip():
        yield (f"{title}, part {number + 1}" if number else title), text[start:]


def _members(path: Path) -> list[Text]:
    """The text files of an archive. One that is not UTF-8 is read as Latin-1."""
    try:
        with tarfile.open(path) as archive:
            found = [
                (member.name, _decoded(file.read()))
                for member in archive
                if member.isfile() and (file := archive.extractfile(member)) is not None
            ]
    except FileNotFoundError as error:
        hint = "Set LONGDOC_TEST_DATA to the data folder."
        raise DataError(f"{path} is not there.", hint) from error
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{path.name} cannot be read: {error}", "Copy it anew.") from error
    if not found:
        raise DataError(f"{path.name} holds no text.", "Copy it anew.")
    return found


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n")
