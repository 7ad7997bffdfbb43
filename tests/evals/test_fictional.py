"""The fictional report: long, the same for a seed, and its answers stand where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pymupdf
import pytest

from evals.fictional import KnownQuestion, write_report


def _texts(path: Path) -> list[str]:
    with pymupdf.open(path) as pdf:
        return [" ".join(page.get_text().split()) for page in pdf]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[KnownQuestion]]:
    path = tmp_path_factory.mktemp("report") / "report.pdf"
    return path, write_report(path, seed=8)


@pytest.fixture(scope="module")
def report(written: tuple[Path, list[KnownQuestion]]) -> tuple[list[str], list[KnownQuestion]]:
    path, questions = written
    return _texts(path), questions


def _pages(figure: str, texts: list[str]) -> list[int]:
    """A page for every time the figure is printed."""
    alone = re.compile(rf"(?<![\d,.]){re.escape(figure)}(?!,?\d|\.\d)")
    return [page for page, text in enumerate(texts, 1) for _ in alone.finditer(text)]


def test_it_is_long(report: tuple[list[str], list[KnownQuestion]]) -> None:
    texts, questions = report
    assert len(texts) >= 150
    assert sum(len(text.split()) for text in texts) > 60_000
    assert len(questions) >= 3


def test_each_answer_stands_once_and_on_its_page(
    report: tuple[list[str], list[KnownQuestion]],
) -> None:
    texts, questions = report
    for asked in questions:
        assert _pages(asked.answer, texts) == [asked.page_hint], asked


def test_near_misses_are_there_and_are_not_the_answer(
    report: tuple[list[str], list[KnownQuestion]],
) -> None:
    texts, questions = report
    for asked in questions:
        assert len(asked.near_misses) >= 2
        for figure in asked.near_misses:
            assert figure != asked.answer
            assert _pages(figure, texts), (asked, figure)


def test_the_same_seed_writes_the_same_bytes(
    written: tuple[Path, list[KnownQuestion]], tmp_path: Path
) -> None:
    path, questions = written
    again, other = tmp_path / "again.pdf", tmp_path / "other.pdf"
    assert write_report(again, seed=8) == questions
    assert again.read_bytes() == path.read_bytes()
    write_report(other, seed=7)
    assert other.read_bytes() != path.read_bytes()


def test_long_words_are_broken_at_line_ends(
    written: tuple[Path, list[KnownQuestion]],
) -> None:
    with pymupdf.open(written[0]) as pdf:
        broken = sum(len(re.findall(r"[a-z]-\n[a-z]", page.get_text())) for page in pdf)
    assert broken > 50
