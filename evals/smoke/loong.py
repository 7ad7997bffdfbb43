"""Loong's layout: a row of each level, of financial, legal and paper documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evals.smoke.files import lines_of, write_tar, write_text

_TEMPLATE = "{docs}\n\n{instruction}\n\n{question}"
_CASH = {"Acme Harbours Inc.": "819,024", "Quay Holdings Corp": "523,110"}
_PAPERS = {
    "1.md": "# On larch piers\nLarch lasts. We follow the paper On harbours [1].\n",
    "2.md": "# On harbours\nHarbours are older than boats. We follow nobody.\n",
}
_LEGAL = {
    "a": {"content": "船主甲未付泊位费二十六元。", "result": "甲应付清泊位费。"},
    "b": {"content": "船主乙的船撞坏码头。", "result": "乙应赔偿码头。"},
}
_WHICH = "哪一份判决文书与泊位费有关？"


def make(folder: Path) -> None:
    """``loong/loong_dev.jsonl`` and ``loong/doc.tar.gz``."""
    write_text(folder / "loong" / "loong_dev.jsonl", lines_of(_rows()))
    files = {
        f"doc/financial/report-2024-{name}-j.txt": f"{name}\nCash at the year's end was ${cash}.\n"
        for name, cash in _CASH.items()
    }
    files |= {f"doc/paper/{name}": text for name, text in _PAPERS.items()}
    files["doc/legal/legal.json"] = json.dumps(_LEGAL, ensure_ascii=False)
    write_tar(folder / "loong" / "doc.tar.gz", files)


def _rows() -> list[dict[str, Any]]:
    first, second = _CASH
    titles = {name: text.split("\n", 1)[0] + " " for name, text in _PAPERS.items()}
    return [
        _row(1, "financial", f"How much cash had {first}?", f"${_CASH[first]}"),
        _row(2, "legal", _WHICH, "判决文书1", language="zh", doc=list(_LEGAL)),
        _row(
            3,
            "financial",
            'Sort the companies by cash over $600,000: {"over": [], "under": []}',
            {"over": [first], "under": [second]},
        ),
        _row(4, "paper", "", [titles["1.md"], titles["2.md"]], doc=list(_PAPERS)),
    ]


def _row(level: int, kind: str, question: str, answer: Any, **fields: Any) -> dict[str, Any]:
    row = {
        "level": level,
        "set": 1,
        "length": 100,
        "type": kind,
        "language": "en",
        "question": question,
        "instruction": "Answer from the documents alone.",
        "prompt_template": _TEMPLATE,
        "doc": list(_CASH),
        "answer": answer,
        "shuffle_doc": kind != "legal",
        "id": f"made-up-{level}",
    }
    return row | fields
