"""Training: labels stand where the evidence stands, nothing held back is drawn, a run resumes."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

import weights
from compressor import Compressor, CompressorConfig, Instruction
from compressor.critics.small import SmallCritic
from compressor.training import fusion
from compressor.training import train as script
from compressor.training.data import (
    Corpus,
    Example,
    Question,
    Sampler,
    cut_window,
    held_back,
    instructed,
    load,
    usable,
    widened,
)
from compressor.training.haystacks import haystacks
from compressor.training.runs import IGNORED, B, E, I, O, label, rate_at, read_toml
from compressor.training.steps import batches
from compressor.training.tables import (
    TableQuestion,
    draw_table,
    head_count,
    made_up_questions,
    rows_asked,
    table_question,
)
from compressor.training.train import encode
from documents.document import Block, Document
from documents.errors import DataError, SettingsError

TABLE = "\n".join(
    [
        "The table shows what the company paid.",
        "Item | 2019 | 2018",
        "Rent of offices | 120 | 110",
        "Wages | 3,400 | 3,150",
        "Other costs | 88 | 91",
    ]
)
CONFIG = Path(script.__file__).with_name("critic.toml")
PLACES = [f"place {n}" for n in range(40)]
SHARE = {"squad": 0.4, "tatqa": 0.3, "table_rows": 0.3, "cuad": 0.5}


def prose(place: str) -> str:
    filler = " ".join(f"The guide to {place} says little of matter {n}." for n in range(30))
    return f"{filler} The river of {place} is called Elm. {filler}"


def rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Documents and questions, in the form of the training files."""
    docs, questions = [], []
    for place in PLACES:
        doc, text = f"squad:{place}", prose(place)
        at = text.index("Elm")
        docs.append({"doc": doc, "text": text})
        asked = f"Which river is at {place}?"
        made = {"source": "squad", "doc": doc, "question": asked, "answers": ["Elm"]}
        questions.append({**made, "spans": [[at, at + 3]]})
        doc = f"tatqa:{place}"
        docs.append({"doc": doc, "text": f"{place}\n{TABLE}"})
        made = {"source": "tatqa", "doc": doc, "question": "What were wages in 2019?"}
        made |= {"answers": ["3,400"], "answer_from": "table"}
        questions.append({**made, "spans": [[0, len(TABLE)]]})
        made |= {"question": "What is shown?", "answers": ["paid"], "answer_from": "text"}
        questions.append({**made, "spans": [[0, len(place) + 40]]})
    return docs, questions


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, made in zip(("docs", "questions"), rows(), strict=True):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as out:
            out.write("\n".join(json.dumps(row) for row in made) + "\n\n")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder far smaller than the real one, with the real tokenizer."""
    folder = tmp_path_factory.mktemp("base")
    shutil.copy(Path(weights.ensure("all-minilm-l6-v2")) / "tokenizer.json", folder)
    torch.manual_seed(1)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    config.save_pretrained(folder)
    save_file(BertModel(config).state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Tokenizer:
    found = Tokenizer.from_file(str(base / "tokenizer.json"))
    found.no_padding()
    found.no_truncation()
    return found


def test_a_label_begins_and_ends_with_its_evidence() -> None:
    offsets = [(0, 2), (3, 5), (5, 8), (9, 12), (13, 14)]
    assert label(offsets, ((3, 12),)) == ([0, 1, 1, 1, 0], [O, B, I, E, O])
    assert label(offsets, ((4, 6),)) == ([0, 1, 1, 0, 0], [O, B, E, O, O])
    assert label(offsets, ((13, 14),)) == ([0, 0, 0, 0, 1], [O, O, O, O, B])
    assert label(offsets, ((0, 2), (9, 14))) == ([1, 0, 0, 1, 1], [B, O, O, B, E])
    assert label(offsets, ((2, 3), (14, 20))) == ([0] * 5, [O] * 5)


def test_encoded_labels_line_up_with_the_text(tokenizer: Tokenizer) -> None:
    text = "Nothing here. The river is called Elmbrook-on-Sea. Nothing there."
    start = text.index("The river")
    end = text.index(" Nothing there")
    examples = [
        Example((Instruction(), "What?"), "A title", text, ((start, end),)),
        Example((Instruction(), "What?"), "", "A far shorter one.", ()),
    ]
    batch = encode(tokenizer, examples, 0.0, Random(1))
    kept = batch.ids[0][batch.keep[0] == 1].tolist()
    assert kept == tokenizer.encode(text[start:end], add_special_tokens=False).ids
    marks = batch.boundary[0][batch.keep[0] == 1].tolist()
    assert marks == [B, *[I] * (len(kept) - 2), E]
    body = tokenizer.encode(text, add_special_tokens=False).ids
    assert batch.ids[0][batch.types[0] == 1].tolist() == [*body, tokenizer.token_to_id("[SEP]")]
    assert (batch.keep[0] >= 0).sum() == len(body)
    assert batch.keep[1].max() == 0
    assert batch.mask.sum(1).tolist() == [int((batch.ids[n] > 0).sum()) for n in (0, 1)]
    assert not batch.keep[batch.types == 0].ge(0).any()


def test_half_of_what_is_no_evidence_is_left_out(tokenizer: Tokenizer) -> None:
    text = "word " * 400
    batch = encode(
        tokenizer, [Example((Instruction("row"), "What?"), "", text, ((0, 49),))], 0.5, Random(1)
    )
    assert (batch.keep == 1).sum() == 10
    assert 150 < (batch.keep == 0).sum() < 240
    assert ((batch.keep == -1) == (batch.boundary == IGNORED)).all()


def test_a_long_example_is_cut_to_what_the_encoder_holds(tokenizer: Tokenizer) -> None:
    example = Example((Instruction(), "word " * 300), "head " * 300, "text " * 900, ())
    batch = encode(tokenizer, [example], 0.0, Random(1))
    assert batch.ids.shape == (1, script.MAX_LENGTH)
    assert (batch.keep >= 0).sum() == script.MAX_LENGTH - 96 - 64 - 4


def test_nothing_held_back_or_put_aside_is_drawn(data: Path) -> None:
    back = [place for place in PLACES if not usable(f"squad:{place}")]
    assert {held_back(f"squad:{place}") for place in back} == {True, False}
    assert 0 < len(back) < len(PLACES) / 2
    sampler = Sampler(load(data), SHARE, 0.5)
    assert set(sampler.share) == {"squad", "tatqa", "table_rows"}
    squad = sampler.questions["squad"]
    assert len(squad) == len(PLACES) - len(back)
    drawn = "\n".join(e.prompt + e.text for e in sampler.examples(Random(1), 900, 600))
    assert f"of {PLACES[0]} " in drawn
    for place in back:
        assert f"of {place} " not in drawn
    for place in PLACES:
        if not usable(f"tatqa:{place}"):
            assert f"{place}\n" not in drawn


@pytest.mark.parametrize("workers", [0, 2])
def test_steps_come_in_order_however_many_read_them(data: Path, workers: int) -> None:
    sampler = Sampler(load(data), SHARE, 0.5)

    def windows(step: int) -> list[str]:
        return [each.text for each in sampler.examples(Random(step), 300, 2)]

    assert list(batches(windows, 3, 9, workers)) == [windows(step) for step in range(3, 9)]


def test_what_is_drawn_is_marked_where_it_answers(data: Path) -> None:
    sampler = Sampler(load(data), {"squad": 1.0}, 0.5)
    examples = sampler.examples(Random(2), 900, 200)
    held = [e for e in examples if e.gold]
    assert 60 < len(held) < 140
    for example in examples:
        size, _, asked = example.prompt.partition(": ")
        place = re.sub("^(Which )?river (is at )?", "", asked).removesuffix("?")
        whole = "Elm" if size == "word" else f"The river of {place} is called Elm."
        marked = [example.text[a:b] for a, b in example.gold]
        if whole in example.text:
            assert marked == [whole]
        for (a, b), text in zip(example.gold, marked, strict=True):
            assert text == whole or (text in whole and (a == 0 or b == len(example.text)))
    assert {e.prompt.split(":")[0] for e in examples} == {"sentence", "word"}


def test_a_clause_is_also_asked_for_by_its_name() -> None:
    whole = 'Highlight the parts (if any) of this contract related to "Governing Law" that matter.'
    question = Question("cuad", "cuad:x", whole, (), ())
    asked = {instructed(question, "sentence", Random(seed)) for seed in range(60)}
    assert (Instruction("sentence"), whole) in asked
    assert (Instruction("sentence", "every Governing Law clause"), "") in asked


def test_a_step_draws_what_it_drew_before(data: Path) -> None:
    one, other = (Sampler(load(data), SHARE, 0.5) for _ in range(2))
    assert one.examples(Random(5), 900, 20) == other.examples(Random(5), 900, 20)
    assert one.examples(Random(5), 900, 20) != other.examples(Random(6), 900, 20)


def test_only_held_back_documents_are_measured_on() -> None:
    corpus = Corpus({}, {})
    docs, questions = rows()
    corpus.texts.update((row["doc"], row["text"]) for row in docs)
    for row in questions:
        corpus.questions.setdefault(row["source"], []).append(_question(row))
    wanted = {"squad": "river of", "tatqa table": "Wages | 3,400", "tatqa text": "company paid"}
    found = list(haystacks(corpus, ["squad", "tatqa"], 3, 5_000, 1))
    assert {hay.kind for hay in found} == set(wanted)
    for hay in found:
        assert held_back(hay.document.id)
        assert len(hay.document.text) >= 5_000 or hay.kind != "squad"
        assert all(wanted[hay.kind] in hay.document.text[a:b] for a, b in hay.gold)


def test_evidence_late_in_a_long_line_stays_in_the_haystack() -> None:
    fact = "The harbour was opened in 1411."
    text = "Ships came and went. " * 400 + fact + " Ships came and went." * 40
    at = text.index(fact)
    asked = Question("cuad", "cuad:x", "When?", ("1411",), ((at, at + len(fact)),))
    corpus = Corpus({"cuad:x": text}, {"cuad": [asked]})
    (hay,) = haystacks(corpus, ["cuad"], 1, 2_000, 1, chosen=lambda _: True)
    assert [hay.document.text[a:b] for a, b in hay.gold] == [fact]


def _question(row: dict[str, Any]) -> Question:
    spans = tuple((a, b) for a, b in row["spans"])
    answers = tuple(row["answers"])
    where = row.get("answer_from", "")
    return Question(row["source"], row["doc"], row["question"], answers, spans, where)


def test_no_questions_is_said() -> None:
    with pytest.raises(DataError, match="No questions"):
        Sampler(Corpus({}, {}), {"squad": 1.0}, 0.5)


def test_an_answer_is_widened_to_its_sentence() -> None:
    text = prose("home")
    at = text.index("Elm")
    question = Question("squad", "squad:home", "Called?", ("Elm",), ((at, at + 3),))
    assert [text[a:b] for a, b in widened(question, text)] == ["The river of home is called Elm."]
    as_it_is = replace(question, source="cuad")
    assert widened(as_it_is, text) == [(at, at + 3)]


def test_a_paragraph_is_narrowed_to_its_answer_in_whatever_case() -> None:
    text = "Fees rose. They consist of licences. Nobody minded."
    question = Question("tatqa", "tatqa:x", "Of what?", ("Consist of licences",), ((0, 51),))
    assert [text[a:b] for a, b in widened(question, text)] == ["They consist of licences."]
    unanswered = replace(question, answers=("tolls",))
    assert [text[a:b] for a, b in widened(unanswered, text)] == text.replace(". ", ".|").split("|")


def test_a_window_holds_what_it_is_cut_around() -> None:
    text = prose("home")
    at = text.index("Elm")
    for seed in range(50):
        start, end = cut_window(text, at, 500, Random(seed))
        assert start <= at < end
        assert end - start <= 500


@pytest.mark.parametrize(
    ("asked", "answer", "kept"),
    [
        ("What were wages in 2019?", "x", ["Wages | 3,400 | 3,150"]),
        ("What did the staff cost?", "$3,150", ["Wages | 3,400 | 3,150"]),
        ("How much went to the costs of any other kind?", "x", ["Other costs | 88 | 91"]),
    ],
)
def test_a_table_question_is_narrowed_to_rows(asked: str, answer: str, kept: list[str]) -> None:
    question = Question("tatqa", "tatqa:x", asked, (answer,), (), "table")
    found = table_question(question, TABLE)
    assert found is not None
    assert [found.lines[i] for i in sorted(found.keep)] == kept
    assert found.lines[found.heads - 1] == "Item | 2019 | 2018"
    assert [TABLE[a:b] for a, b in rows_asked(question, TABLE)] == kept


def test_no_row_no_table_question() -> None:
    asked = Question("tatqa", "tatqa:x", "Why so?", ("since",), (), "table")
    assert table_question(asked, TABLE) is None
    in_text = replace(asked, text="What were wages?", answer_from="text")
    assert table_question(in_text, TABLE) is None
    assert table_question(asked, "No table.") is None


def test_head_rows_are_told_from_figures() -> None:
    assert head_count(TABLE.split("\n")[1:]) == 1
    assert head_count([" | Years ended", "Item | 2019 | FY18", "Rent | 12 | 13"]) == 2
    assert head_count(["Rent | 12 | 13"]) == 0


def test_questions_are_made_from_row_labels() -> None:
    question = Question("tatqa", "tatqa:x", "What were wages?", ("3,400",), (), "table")
    table = table_question(question, TABLE)
    assert table is not None
    made = made_up_questions([table, table])
    assert [[each.lines[i].split(" |")[0] for i in each.keep] for each in made] == [
        ["Rent of offices"],
        ["Wages"],
        ["Other costs"],
    ]
    for each in made:
        (kept,) = each.keep
        assert each.lines[kept].split(" |")[0].lower() in each.question


def test_a_table_that_is_the_only_one_stands_by_itself() -> None:
    table = TableQuestion("What were wages?", tuple(TABLE.split("\n")), 2, frozenset({3}))
    _, _, text, kept = draw_table(table, [table], 2_000, 0.0, Random(1))
    assert text and len(kept) == 1


@pytest.fixture(scope="module")
def smoke(data: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> script.Config:
    """A smoke run over made-up documents, from a tiny encoder."""
    config = read_toml(script.Config, CONFIG, smoke=True)
    out = tmp_path_factory.mktemp("smoke") / "run"
    config = replace(config, data=str(data), base=str(base), out=str(out), bf16=False)
    assert script.train(config, lambda line: None) == out / "checkpoint"
    return config


def log(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_smoke_run_ends_with_a_critic(smoke: script.Config, base: Path) -> None:
    rows = log(Path(smoke.out))
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(0 < row["keep"] < 10 and 0 < row["boundary"] < 10 for row in rows)
    assert ["held_keep" in row for row in rows] == [False, True, False]
    assert list((Path(smoke.out) / "tensorboard").iterdir())
    critic = Path(smoke.out) / "checkpoint"
    shutil.copy(base / "tokenizer.json", critic)
    document = Document("d", "d.txt", TABLE, (), (Block("paragraph", 0, len(TABLE), 0),))
    compressor = Compressor(CompressorConfig(critic=critic, floor=0))
    found = compressor.compress(Instruction("paragraph"), "What were wages?", [document])
    assert [unit.span for unit in found.units] == [document.span(0, len(TABLE))]


def test_a_run_goes_on_from_the_step_written(smoke: script.Config) -> None:
    out = Path(smoke.out)
    state = _resume(out)
    assert state["step"] == 3
    script.train(replace(smoke, max_steps=5), lambda line: None)
    assert [row["step"] for row in log(out)] == [1, 2, 3, 4, 5]
    after = _resume(out)
    assert after["step"] == 5
    assert (_updates(state), _updates(after)) == ({3.0}, {5.0})


def test_a_resumed_run_has_the_rate_and_the_time_of_one_never_killed(
    smoke: script.Config, tmp_path: Path
) -> None:
    config = replace(smoke, out=str(tmp_path / "run"), max_steps=6, warmup_steps=2)
    for last in (3, 6):  # the run is killed after three of six steps
        with pytest.MonkeyPatch.context() as patch:
            rate = partial(rate_at, config)
            patch.setattr(script, "rate_at", lambda _, *told, rate=rate: rate(*told))
            script.train(replace(config, max_steps=last), lambda line: None)
    rates = [row["rate"] for row in log(tmp_path / "run")]
    assert rates == pytest.approx([rate_at(config, step, 0.0) for step in range(6)], rel=1e-3)
    path = tmp_path / "run" / "checkpoint" / "resume.pt"
    state = torch.load(path, weights_only=True)
    torch.save({**state, "seconds": config.max_minutes * 60.0}, path)
    script.train(replace(config, max_steps=9), lambda line: None)
    assert _resume(tmp_path / "run")["step"] == 6  # its time was over


def test_a_kill_between_two_checkpoints_loses_none(smoke: script.Config, tmp_path: Path) -> None:
    out = tmp_path / "run"
    script.train(replace(smoke, out=str(out)), lambda line: None)
    (out / "checkpoint").rename(out / "checkpoint.old")
    script.train(replace(smoke, out=str(out), max_steps=4), lambda line: None)
    assert [row["step"] for row in log(out)] == [1, 2, 3, 4]
    assert not (out / "checkpoint.old").exists()


def test_frozen_layers_stay_as_they_were(smoke: script.Config, base: Path, tmp_path: Path) -> None:
    start = str(Path(smoke.out) / "checkpoint")
    config = replace(smoke, start=start, freeze_layers=1, out=str(tmp_path / "run"))
    after = _resume(script.train(config, lambda line: None).parent)["model"]
    before = _resume(Path(smoke.out))["model"]
    changed = {name for name in after if not torch.equal(after[name].half(), before[name].half())}
    assert "keep.weight" in changed
    assert not [n for n in changed if "embeddings" in n or "encoder.layer.0." in n]


def test_a_fusion_without_documents_put_aside_is_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fusion, "load_critic", lambda _: Mock(spec=SmallCritic))
    config = read_toml(fusion.Config, Path(fusion.__file__).with_name("fusion.toml"), smoke=False)
    with pytest.raises(DataError, match="put aside"):
        fusion.fit(replace(config, data=str(data), sources=["none"]), lambda line: None)


def test_a_configuration_that_does_not_fit_is_said(tmp_path: Path) -> None:
    path = tmp_path / "critic.toml"
    path.write_text("seed = 1\ncolour = 'blue'\n")
    with pytest.raises(SettingsError, match="colour"):
        read_toml(script.Config, path, smoke=False)


def _resume(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(out / "checkpoint" / "resume.pt", weights_only=True)
    return found


def _updates(state: dict[str, Any]) -> set[float]:
    """How often the optimizer has changed each weight."""
    return {float(each["step"]) for each in state["optimizer"]["state"].values()}
