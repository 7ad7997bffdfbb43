"""Preference pairs: right against wrong, the same under twins, sampled once and never again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from documents.errors import DataError, SettingsError
from policy.rewards import score
from policy.training import models, pairs
from policy.training.generate import accuracy, at_once, from_model
from policy.training.rows import Row, read_rows, write_rows
from policy.training.tiny import tiny_model
from policy.values import Message

SHIPPED = Path(pairs.__file__).with_name("pairs.toml")
RIGHT = "<think>\nx\n</think>\n\nTherefore, the answer is 1411 [2]."
WRONG = "<think>\nx\n</think>\n\nTherefore, the answer is 1999 [2]."
RAMBLING = f"<think>\nx\n</think>\n\nThe answer is, the answer is {'so ' * 30} 1411"


def twin(number: int, long: bool = False) -> Row:
    text = f"question {number}, {'long' if long else 'short'}"
    extra = {"index": str(number), "answerable": True, "evidence": [[2, "Opened in 1411."]]}
    return Row(({"role": "user", "content": text},), "longdoc/made", ("1411",), extra)


@pytest.fixture
def config(tmp_path: Path) -> pairs.Config:
    """The committed configuration over three made twins."""
    for side in ("short", "long"):
        write_rows(tmp_path / f"{side}.jsonl", [twin(n, side == "long") for n in range(3)])
    made = pairs.read_config(pairs.Config, SHIPPED)
    files = {side: str(tmp_path / f"{side}.jsonl") for side in ("short", "long")}
    return replace(made, samples=4, out=str(tmp_path / "out"), **files)


class Scripted:
    """Gives these replies to every prompt, and counts how often it is asked."""

    def __init__(self, *replies: str, dies_at: int = -1) -> None:
        self.replies, self.dies_at = replies, dies_at
        self.asked: list[str] = []

    def __call__(self, messages: Sequence[Message], number: int) -> list[str]:
        if len(self.asked) == self.dies_at:
            raise KeyboardInterrupt
        self.asked.append(messages[0]["content"])
        return [self.replies[i % len(self.replies)] for i in range(number)]


def made(config: pairs.Config, generate: Scripted, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(pairs, "_generate", lambda _: generate)
    pairs.make(config, told.append)
    return told


def test_the_published_numbers_are_the_committed_ones() -> None:
    config = pairs.read_config(pairs.Config, SHIPPED)
    assert (config.samples, config.temperature, config.most) == (32, 0.85, 5000)
    assert not config.guarded and not config.gold


def test_a_pair_is_right_against_wrong_under_both_twins(
    config: pairs.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = Scripted(WRONG, RIGHT)
    told = made(config, generate, monkeypatch)
    assert told == ["3 questions, 3 pairs, 0 with a made chosen answer"]
    assert all("short" in asked for asked in generate.asked)
    found = pairs.read_pairs(Path(config.out) / "pairs.jsonl")
    assert [pair.key for pair in found] == ["0", "1", "2"]
    for pair in found:
        assert (pair.chosen, pair.rejected, pair.sampled) == (RIGHT, WRONG, True)
        assert "short" in pair.short[0]["content"] and "long" in pair.long[0]["content"]


def test_what_was_sampled_is_not_sampled_again(
    config: pairs.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        made(config, Scripted(WRONG, RIGHT, dies_at=2), monkeypatch)
    kept = Path(config.out) / "sampled.jsonl"
    assert len(read_rows(kept)) == 2
    kept.write_bytes(kept.read_bytes() + b'{"prompt": [{"ro')  # as a kill leaves it
    later = Scripted(WRONG, RIGHT)
    made(config, later, monkeypatch)
    assert later.asked == ["question 2, short"]
    assert len(pairs.read_pairs(Path(config.out) / "pairs.jsonl")) == 3
    made(replace(config, per_question=2, thinks=False), again := Scripted(), monkeypatch)
    assert again.asked == []


def test_what_was_sampled_otherwise_is_refused(
    config: pairs.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(config, Scripted(WRONG, RIGHT), monkeypatch)
    for values in ({"model": "another"}, {"samples": 8}, {"temperature": 1.0}):
        with pytest.raises(SettingsError, match="other settings"):
            made(replace(config, **values), Scripted(WRONG, RIGHT), monkeypatch)  # type: ignore[arg-type]
    other = Row(
        ({"role": "user", "content": "asked otherwise"},), "made", ("1411",), {"index": "0"}
    )
    write_rows(Path(config.short), [other])
    with pytest.raises(SettingsError, match="other prompts"):
        made(config, Scripted(WRONG, RIGHT), monkeypatch)


def test_all_right_or_all_wrong_makes_no_pair(
    config: pairs.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, reply in enumerate((RIGHT, WRONG, "no thought, the answer is 1411")):
        with pytest.raises(DataError, match="both a right and a wrong"):
            made(replace(config, out=f"{config.out}{number}"), Scripted(reply), monkeypatch)


def test_gold_stands_in_where_none_was_right_and_is_counted(
    config: pairs.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = made(replace(config, gold=True), Scripted(WRONG), monkeypatch)
    assert told == ["3 questions, 3 pairs, 3 with a made chosen answer"]
    (pair, *_) = pairs.read_pairs(Path(config.out) / "pairs.jsonl")
    assert "Opened in 1411." in pair.chosen and not pair.sampled and pair.rejected == WRONG


def test_guarded_rambling_is_neither_right_nor_wrong(config: pairs.Config) -> None:
    row = twin(0)
    told = replace(row, extra={**row.extra, "replies": [RAMBLING, RIGHT, WRONG]})
    wide = replace(config, per_question=3)
    chosen = {p.chosen for p in pairs.paired(told, twin(0, True), replace(wide, guarded=True))}
    assert chosen == {RIGHT}
    told = replace(told, extra={**row.extra, "replies": [RAMBLING, WRONG]})
    assert [p.chosen for p in pairs.paired(told, row, wide)] == [RAMBLING]
    assert pairs.paired(told, row, replace(wide, guarded=True)) == []


def test_pairs_stop_at_the_most(config: pairs.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    other = RIGHT.replace("[2]", "[3]")
    many = replace(config, per_question=2, most=3)
    model = Scripted(WRONG, RIGHT, other, WRONG.replace("1999", "1998"))
    made(many, model, monkeypatch)
    assert model.asked == ["question 0, short", "question 1, short"]
    found = pairs.read_pairs(Path(config.out) / "pairs.jsonl")
    assert [pair.key for pair in found] == ["0", "0", "1"]
    assert found[0].chosen != found[1].chosen


def test_rows_that_are_no_twins_are_refused() -> None:
    with pytest.raises(DataError, match="share"):
        pairs.twins([twin(0)], [twin(1, True)])
    with pytest.raises(DataError, match="gold answers"):
        pairs.twins([twin(0)], [replace(twin(0, True), golds=("1412",))])


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"samples": 0}])
def test_settings_that_cannot_work_are_refused(
    config: pairs.Config, wrong: dict[str, float]
) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        replace(config, **wrong)  # type: ignore[arg-type]


def test_a_file_that_holds_no_pairs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    for text, said in (('{"key": "1"}\n', "no file of pairs"), ("", "no pairs")):
        path.write_text(text, "utf-8")
        with pytest.raises(DataError, match=said):
            pairs.read_pairs(path)


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    message = {"role": "user", "content": "a\u2028b\x85c"}
    pair = pairs.Pair("1", "made", ("1411",), (message,), (message,), RIGHT, WRONG)
    pairs.write_pairs(tmp_path / "pairs.jsonl", [pair])
    assert pairs.read_pairs(tmp_path / "pairs.jsonl") == [pair]


# a model in memory


def test_sampling_follows_the_seed_and_greedy_is_always_the_same(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    model, tokenizer = models.load_model(folder).eval(), models.load_tokenizer(folder)
    settings = {"top_p": 1.0, "most_tokens": 12, "batch": 2}
    draw = from_model(model, tokenizer, temperature=0.85, **settings)  # type: ignore[arg-type]
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(draw(twin(0).messages, 3))
    assert found[0] == found[1] != found[2]
    assert len(set(found[0])) == 3
    greedy = from_model(model, tokenizer, temperature=0.0, **settings)  # type: ignore[arg-type]
    first, second = greedy(twin(0).messages, 2)
    assert first == second
    model.generation_config.repetition_penalty = 9.0  # as some models come
    assert greedy(twin(0).messages, 1) == [first]
    tokenizer.chat_template += "{% if add_generation_prompt %}<think>\n{% endif %}"
    assert greedy(twin(0).messages, 1)[0].startswith("<think>\n")


class Saying:
    """A model that replies one text whatever it is asked."""

    def __init__(self, ids: list[int]) -> None:
        self.ids, self.device = ids, torch.device("cpu")

    def __call__(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(past_key_values=DynamicCache())

    def generate(self, ids: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.cat([ids, torch.tensor([self.ids]).expand(len(ids), -1)], 1)


def test_a_reply_keeps_the_end_of_thinking_that_is_a_special_token(tmp_path: Path) -> None:
    tokenizer = models.load_tokenizer(tiny_model(tmp_path))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    said = [*models.ids_of(tokenizer, RIGHT), tokenizer.eos_token_id]
    settings = {"temperature": 0.0, "top_p": 1.0, "most_tokens": 12, "batch": 2}
    draw = from_model(Saying(said), tokenizer, **settings)  # type: ignore[arg-type]
    assert all(score(reply, ("1411",)).rule == 1 for reply in draw(twin(0).messages, 2))


def test_a_tokenizer_without_padding_pads_with_its_end(tmp_path: Path) -> None:
    tokenizer = models.load_tokenizer(tiny_model(tmp_path))
    tokenizer.pad_token = None
    tokenizer.save_pretrained(str(tmp_path))
    assert models.load_tokenizer(tmp_path).pad_token == tokenizer.eos_token


def test_accuracy_is_the_mean_over_rows() -> None:
    found = accuracy([twin(0), twin(1)], Scripted(RIGHT))
    assert (found.rows, found.sub_em, found.exact, found.f1, found.words) == (2, 1, 1, 1, 1)
    assert accuracy([twin(0)], Scripted(WRONG)).sub_em == 0


def test_replies_are_asked_for_at_once() -> None:
    assert at_once(Scripted(RIGHT), 3)(twin(0).messages, 5) == [RIGHT] * 5
