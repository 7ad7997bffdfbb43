"""LongBench v1 and v2, and the two sets of QwenLong-L1 that are not LongBench's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evals.smoke.files import lines_of, write_text
from evals.smoke.prose import CHINESE, CHINESE_ASKED, Place
from evals.tasks.longbench import SPECS

_PLACE = Place(50)
_TEXT = "\n\n".join(_PLACE.paragraphs())
_NUMBERED = "\n\n".join(f"Paragraph {n}: {text}" for n, text in enumerate(_PLACE.paragraphs(), 1))
_NUMBERED_ZH = "\n\n".join(f"段落{n}：{text}" for n, text in enumerate(CHINESE, 1))
_SHOTS = "Question: How far is the isle?\nType: distance\n\nQuestion: Who steers?\nType: person"
_CODE = "def fare(nights):\n    rate = 26\n"

_Given = tuple[str, str, str]
"""Input, context, answer."""

_OWN: dict[str, _Given] = {
    "gov_report": ("", _TEXT, "A harbour town with a ferry."),
    "multi_news": ("", _TEXT, "A ferry crosses to an isle."),
    "vcsum": ("", "\n".join(CHINESE), "会议谈到了渡轮和泊位。"),
    "trec": ("Question: When does it leave?\nType:", _SHOTS, "time"),
    "lsht": ("新闻：渡轮停航。\n类别：", "新闻：球队获胜。\n类别：体育", "交通"),
    "samsum": ("Dialogue: A: Ferry at nine? B: Yes.\nSummary:", _TEXT, "They take the ferry."),
    "passage_count": ("", f"{_NUMBERED}\n\nParagraph 4: {_PLACE.paragraphs()[0]}", "3"),
    "passage_retrieval_en": ("The ferry and her captain.", _NUMBERED, "Paragraph 2"),
    "passage_retrieval_zh": ("渡轮和船长。", _NUMBERED_ZH, "段落2"),
    "lcc": ("", _CODE, "    return rate * nights"),
    "repobench-p": ("from harbour import fare\n", _CODE, "print(fare(2))"),
}
"""What is not a question about the English or the Chinese text."""

_CLASSES = {"trec": ["distance", "person", "time"], "lsht": ["体育", "交通"]}
_ZH = frozenset({"multifieldqa_zh", "dureader", "vcsum", "lsht", "passage_retrieval_zh"})


def make(folder: Path) -> None:
    """``longbench/``, ``longbench2/``, ``l1/``."""
    for number, task in enumerate(SPECS):
        row = _version1(task, number)
        write_text(folder / "longbench" / "data" / f"{task}.jsonl", lines_of([row]))
    write_text(folder / "longbench2" / "data.json", json.dumps([_version2()]))
    write_text(folder / "l1" / "docmath.jsonl", lines_of([_docmath()]))
    write_text(folder / "l1" / "frames.jsonl", lines_of([_frames()]))


def _version1(task: str, number: int) -> dict[str, Any]:
    asked, context, answer = _OWN.get(task) or _about_the_text(task)
    return {
        "input": asked,
        "context": context,
        "answers": [answer],
        "length": len(context.split()),
        "dataset": task,
        "language": "zh" if task in _ZH else "en",
        "all_classes": _CLASSES.get(task),
        "_id": f"made-up-{number}",
    }


def _about_the_text(task: str) -> _Given:
    if task in _ZH:
        return CHINESE_ASKED.question, "\n".join(CHINESE), CHINESE_ASKED.answer
    captain = _PLACE.questions()[0]
    return captain.question, _TEXT, captain.answer


def _version2() -> dict[str, Any]:
    captain = _PLACE.questions()[0]
    others = {f"choice_{letter}": Place(n).captain for n, letter in enumerate("BCD", 1)}
    return {
        "_id": "made-up-0",
        "domain": "Single-Document QA",
        "sub_domain": "Harbours",
        "difficulty": "easy",
        "length": "short",
        "question": captain.question,
        "choice_A": captain.answer,
        **others,
        "answer": "A",
        "context": _TEXT,
    }


def _docmath() -> dict[str, Any]:
    return {
        "question_id": "made-up-0",
        "question": f"How many crowns are two nights at {_PLACE.town}?",
        "paragraphs": _PLACE.paragraphs(),
        "ground_truth": str(2 * _PLACE.fee),
        "paragraph_evidence": [2],
        "table_evidence": [],
    }


def _frames() -> dict[str, Any]:
    captain = _PLACE.questions()[0]
    places = (_PLACE, Place(51))
    return {
        "Prompt": captain.question,
        "Answer": captain.answer,
        "wiki_items": [{"title": p.town, "text": "\n\n".join(p.paragraphs())} for p in places],
    }
