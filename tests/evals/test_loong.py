"""Loong: assembly as published, its flaws by a switch, marks by rules, all-documents recall."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from documents.errors import DataError
from evals.metrics.structured import last_json, mapping_marks, sequence_marks
from evals.samples import Outcome, Sample, Setup
from evals.tasks.loong import Loong
from evals.tasks.loong_files import LINKS_TRIGGER, SEED, LoongFiles, arranged

TEMPLATE = "{docs}\n\n{instruction}\n\n{question}"
COMPANIES = ("Acme Inc.", "Globex Corp", "Initech")
FILES = {
    **{f"financial/x-2024-{name}-j.txt": f"Cash of {name} is {n}00." for n, name in
       enumerate(COMPANIES, 1)},
    "financial/old-2023-Acme Inc.-j.txt": "Cash of Acme Inc. is 7.",
    "financial/2023-acme-form10-k.txt": "In 2023 cash was 90,381.",
    "paper/1.md": "# First paper \nIt cites the second.",
    "paper/2.md": "# Second paper \nIt cites none.",
}  # fmt: skip


def _row(number: int, level: int, **fields: Any) -> dict[str, Any]:
    row = {
        "level": level, "set": 1, "length": 100, "type": "financial", "language": "en",
        "question": "What is the cash of Globex Corp?", "instruction": 'Use {"a": []}.',
        "prompt_template": TEMPLATE, "doc": list(COMPANIES), "answer": "200",
        "shuffle_doc": True, "id": f"id-{number}",
    }  # fmt: skip
    return row | fields


LINKS = LINKS_TRIGGER + "哪一个判决结果？"
ROWS = [
    _row(0, 1),
    _row(1, 2, question="Which company has the most cash?", answer="Initech"),
    _row(2, 3, answer={"high": ["Initech"], "low": ["Acme Inc.", "Globex Corp"]}),
    _row(3, 4, doc=["2023-acme-form10-k"], answer="It rose from $90,381 to $98,429 in a year."),
    _row(4, 3, type="paper", doc=["1.md", "2.md"], question="First paper",
         prompt_template="#Papers:\n{docs}\n\n{instruction}\n\n{question}",
         answer={"Reference": ["# Second paper "], "Citation": []}),
    _row(5, 4, type="paper", doc=["2.md", "1.md"], question="",
         prompt_template="{instruction}\n\n{docs}",
         answer=["# Second paper ", "# First paper "]),
    _row(6, 4, type="legal", language="zh", doc=["a", "b"], question=LINKS, shuffle_doc=False,
         answer={"判决文书1": "有罪"}),
]  # fmt: skip
LEGAL = {name: {"content": f"案情{name}。", "result": f"判决{name}。"} for name in "ab"}


def _folder(root: Path, *, legal: bool = True, packed: bool = True) -> Path:
    root.mkdir(parents=True)
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    (root / "loong_dev.jsonl").write_text(lines, encoding="utf-8")
    files = dict(FILES)
    if legal:
        files["legal/legal.json"] = json.dumps(LEGAL, ensure_ascii=False)
    if packed:
        with tarfile.open(root / "doc.tar.gz", "w:gz") as tar:
            for name, text in files.items():
                info = tarfile.TarInfo(f"doc/{name}")
                info.size = len(text.encode())
                tar.addfile(info, io.BytesIO(text.encode()))
    else:
        for name, text in files.items():
            (root / "doc" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "doc" / name).write_text(text, encoding="utf-8")
    return root


def _setup(data: Path, limit: int | None = None) -> Setup:
    return Setup(data, lambda _: pytest.fail("reads no file"), lambda t: len(t.split()), limit)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    _folder(tmp_path / "loong")
    return tmp_path


def _samples(data: Path, **fields: Any) -> dict[str, Sample]:
    return {sample.id: sample for sample in Loong(**fields).samples(_setup(data))}


def test_documents_prompt_and_tags(data: Path) -> None:
    samples = _samples(data)
    assert list(samples) == [row["id"] for row in ROWS]
    first = samples["id-0"]
    assert sorted(d.text for d in first.documents) == sorted(
        f"《j》\nCash of {name} is {n}00." for n, name in enumerate(COMPANIES, 1)
    )
    assert first.prompt == f'{{context}}\n\nUse {{"a": []}}.\n\n{first.question}'
    assert first.tags["level"] == "1 spotlight"
    assert samples["id-3"].documents[0].text == "《k》\nIn 2023 cash was 90,381."
    paper = samples["id-4"].documents
    assert "First paper\n# First paper \nIt cites the second." in [d.text for d in paper]
    assert samples["id-5"].question  # a citation chain's row has none; the compressor needs one
    judgments = samples["id-6"].documents
    assert [d.name for d in judgments] == ["判决文书1", "判决文书2"]


def test_known_flaws_by_a_switch(data: Path) -> None:
    published, repaired = _samples(data), _samples(data, name="r", as_published=False)
    assert {d.name for d in published["id-0"].documents} == {"j"}
    assert {d.name for d in repaired["id-0"].documents} == set(COMPANIES)
    assert "判决a" in published["id-6"].documents[0].text  # the verdict that is asked for
    assert "判决a" not in repaired["id-6"].documents[0].text
    assert "{docs}" in published["id-4"].gold.extra["judged"]
    assert "{docs}" not in repaired["id-4"].gold.extra["judged"]


def test_the_question_alone_for_the_agent(data: Path) -> None:
    asked = _samples(data, name="a", asked=True)
    assert {sample.prompt for sample in asked.values()} == {""}
    relation = "Which of the other papers does “First paper” cite, and which of them cite it?"
    assert [one.question for one in asked.values()] == [
        relation if one.question == "First paper" else one.question
        for one in _samples(data).values()
    ]


def test_rows_of_one_kind_up_to_a_length(data: Path) -> None:
    found = _samples(data, name="o", only=("financial", "en"), longest=100)
    assert {(one.tags["source"], one.tags["language"]) for one in found.values()} == {
        ("financial", "en")
    }
    with pytest.raises(DataError):
        _samples(data, name="o", only=("financial", "en"), longest=99)


def test_the_order_is_the_published_shuffles_one_stream_over_all_rows(data: Path) -> None:
    rng = random.Random(SEED)
    for row, order in zip(ROWS, arranged(LoongFiles(data / "loong"), None, len), strict=True):
        expected = list(range(len(row["doc"])))
        if row["type"] == "financial":
            rng.shuffle(expected)
        if row["type"] != "legal":
            rng.shuffle(expected)
        assert order == tuple(expected)
    some = list(Loong().samples(_setup(data, limit=1)))
    every = _samples(data)
    assert all([d.id for d in s.documents] == [d.id for d in every[s.id].documents] for s in some)


def test_what_does_not_fit_is_left_out_whole_and_smaller_ones_still_fit(tmp_path: Path) -> None:
    root = _folder(tmp_path / "loong", packed=False)
    path = root / "doc" / "financial" / "x-2024-Globex Corp-j.txt"
    path.write_text("cash " * 500, encoding="utf-8")
    sample = _samples(tmp_path, max_tokens=60)["id-0"]
    assert len(sample.documents) == 2
    assert sample.tags["left_out"] == 1
    # the one that is needed is gone, so no evidence can be complete
    everything = tuple(d.span(0, 4) for d in sample.documents)
    assert Loong().score(sample, Outcome(everything, "", 0))["all_documents"] == 0.0


def test_rows_without_their_documents_are_left_out(tmp_path: Path) -> None:
    _folder(tmp_path / "loong", legal=False)
    assert "id-6" not in _samples(tmp_path)
    with pytest.raises(DataError, match="not there"):
        list(Loong(folder="elsewhere").samples(_setup(tmp_path)))


def test_all_documents_recall(data: Path) -> None:
    sample = _samples(data)["id-2"]
    spans = [d.span(0, 4) for d in sample.documents]

    def scores(*chosen: Any) -> Mapping[str, float]:
        return Loong().score(sample, Outcome(chosen, "", 0))

    assert scores(*spans) == {"all_documents": 1.0, "documents": 1.0}
    assert scores(spans[0], spans[1]) == {"all_documents": 0.0, "documents": pytest.approx(2 / 3)}
    assert scores(sample.documents[0].span(3, 3))["documents"] == 0.0
    # spotlight locating needs the one document that the question names
    spotlight = _samples(data)["id-0"]
    named = next(d for d in spotlight.documents if "Globex" in d.text)
    assert Loong().score(spotlight, Outcome((named.span(0, 4),), "", 0))["all_documents"] == 1.0


@pytest.mark.parametrize(
    ("row", "answer", "correct"),
    [
        ("id-0", "The cash is $200.", 1.0),
        ("id-0", "The cash is $300.", 0.0),
        ("id-1", "Initech has the most.", 1.0),
        ("id-2", '{"high": ["Initech"], "low": ["Acme", "Globex Corp"]}', 1.0),
        ("id-2", '{"high": ["Initech", "Acme Inc."], "low": ["Globex Corp"]}', 2 / 3),
        ("id-2", "High: Initech. Low: Acme Inc., Globex Corp.", 1.0),
        ("id-3", "From $90,381 up to $98,429.", 1.0),
        ("id-3", "From $90,381 down to $8,429.", 0.5),
        ("id-4", 'So: {"Reference": ["Second paper"], "Citation": []}', 1.0),
        ("id-4", '{"Reference": [], "Citation": ["Second paper"]}', 0.0),
        ("id-5", '["Second paper", "First paper"]', 1.0),
    ],
)
def test_answers_by_rules(data: Path, row: str, answer: str, correct: float) -> None:
    sample = _samples(data)[row]
    scores = Loong().score(sample, Outcome((), "", 0, answer, "answered"))
    assert scores["correct"] == pytest.approx(correct)


def test_a_chain_out_of_order_is_told_apart(data: Path) -> None:
    sample = _samples(data)["id-5"]
    outcome = Outcome((), "", 0, '["First paper", "Second paper"]', "answered")
    scores = Loong().score(sample, outcome)
    assert (scores["correct"], scores["in_order"]) == (1.0, 0.5)


def test_the_judge_rates_what_the_published_one_is_shown(data: Path) -> None:
    asked: list[str] = []

    def judge(prompt: str) -> str:
        asked.append(prompt)
        return "Rating: [[100]]"

    sample = _samples(data)["id-1"]
    scores = Loong(judge=judge).score(sample, Outcome((), "", 0, "Initech", "answered"))
    assert (scores["judged"], scores["perfect"]) == (1.0, 1.0)
    assert sample.question in asked[0]
    assert "Cash of" not in asked[0]


def test_structured_answers_by_hand() -> None:
    assert last_json('x {"a": 1} y {"b": [2]} z [3]', dict) == {"b": [2]}
    assert last_json("{not json} [1, 2]", list) == [1, 2]
    assert last_json("none", dict) is None
    assert mapping_marks('{"k": ["x", "z"]}', {"k": ["x", "y"], "l": []}) == (0.5, 0.5)
    assert mapping_marks('{"k": []}', {"k": []}) == (1.0, 1.0)
    gold = {"Reference": ["# One Preference "], "Citation": ["# Two "]}
    text = "It cites (reference): “One preference” [1].\nIt is cited by (citation): “Two” [2]."
    assert mapping_marks(text, gold, ["One Preference", "Two", "Three"]) == (1.0, 1.0)
    assert sequence_marks('["a", "c", "b"]', ["a", "b", "c"]) == (1.0, 1.0, pytest.approx(2 / 3))
    assert sequence_marks("a -> b", ["a", "b"])[2] == 1.0
    for cited in ('["a", "b"] [1]', "1. a [1]\n2. b [2]", "a -> b [2, 3]"):
        assert sequence_marks(cited, ["a", "b"]) == (1.0, 1.0, 1.0)
    assert sequence_marks("[2019, 2020]", ["2019", "2020"]) == (1.0, 1.0, 1.0)


def test_the_real_rows_load(data_dir: Path) -> None:
    task = Loong()
    setup = Setup(data_dir, lambda _: pytest.fail("reads no file"), len, limit=3)
    samples = list(task.samples(setup))
    assert len(samples) == 12
    for sample in samples:
        raw = sample.gold.extra["answer"]
        said = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
        evidence = tuple(document.span(0, 9) for document in sample.documents)
        scores = task.score(sample, Outcome(evidence, "", 0, said, "answered"))
        assert scores["all_documents"] == 1.0
        assert scores.get("correct", scores.get("overlap")) == 1.0
        assert sample.prompt.count("{context}") == 1
