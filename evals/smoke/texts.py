"""The training data's held-back part, and the texts that needles are hidden in."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from compressor.training.data import held_back
from evals.smoke.files import write_gzip, write_tar
from evals.smoke.prose import Place

DOCUMENTS = {
    "squad": "squad:Harbour_{}",
    "cuad": "cuad:HARBOUR_EX-10_SERVICE AGREEMENT {}.pdf",
    "2wiki": "2wiki:made{}",
    "tatqa": "tatqa:made-{}",
}
"""How sources name their documents: those that a task reads in a way of its own."""


def make(folder: Path) -> None:
    """``train/`` and ``haystack/``."""
    _train(folder / "train")
    _haystack(folder / "haystack")


def _train(folder: Path) -> None:
    """One document a source, with three questions; tatqa's in files of its own."""
    documents: list[dict[str, Any]] = []
    questions: list[dict[str, Any]] = []
    for number, (source, form) in enumerate(DOCUMENTS.items()):
        name = next(name for at in count() if held_back(name := form.format(at)))
        place = Place(number)
        text = ("\n" if source == "squad" else "\n\n").join(place.paragraphs())
        documents.append({"doc": name, "text": text})
        questions += _questions(source, name, place, text)
    for kind, rows in (("docs", documents), ("questions", questions)):
        for head, tatqa in (("", False), ("tatqa_dev_", True)):
            kept = [row for row in rows if row["doc"].startswith("tatqa") is tatqa]
            write_gzip(folder / f"{head}{kind}.jsonl.gz", kept)


def _questions(source: str, name: str, place: Place, text: str) -> list[dict[str, Any]]:
    rows = []
    for asked in place.questions():
        start = text.index(asked.sentence)
        rows.append(
            {
                "source": source,
                "doc": name,
                "question": asked.question,
                "answers": [asked.answer],
                "spans": [[start, start + len(asked.sentence)]],
            }
        )
    if source == "cuad":
        lacking = {"question": "Which clause is about insurance?", "answers": [], "spans": []}
        rows.append({"source": source, "doc": name, **lacking})
    if source == "tatqa":
        derived = {"question": "By how much did it grow?", "answers": ["31.25"], "scale": "percent"}
        rows = [{**row, "scale": "", "answer_from": "text"} for row in rows]
        rows.append({**rows[0], **derived, "answer_from": "table"})
    return rows


def _haystack(folder: Path) -> None:
    """Essays, and a novel between Project Gutenberg's marks."""
    essays = {f"./essay{n}.txt": _harbours(n) for n in (20, 22)}
    write_tar(folder / "pg_essays.tar.gz", essays)
    write_tar(folder / "gutenberg.tar.gz", {"./1.txt": _novel("The Harbours", _harbours(24))})


def _harbours(number: int) -> str:
    places = (Place(number), Place(number + 1))
    return "\n\n".join(text for place in places for text in place.paragraphs()) + "\n"


def _novel(title: str, text: str) -> str:
    mark = f"OF THE PROJECT GUTENBERG EBOOK {title.upper()} ***"
    return f"Title: {title}\n\n*** START {mark}\n\n{text}\n*** END {mark}\n"
