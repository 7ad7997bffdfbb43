"""What a phase trains on, what answers are worth to it, and the figures of an evaluation."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.errors import ReasonerError, SettingsError
from policy.rewards import Hybrid
from policy.training import curriculum, evaluate, prepare, rl, sft
from policy.training.rollouts import Rewards
from policy.training.rows import Row, read_rows, write_rows
from policy.training.sampling import Group, with_difficulty

ROWS = [
    Row(({"role": "user", "content": "<text>\nx\n</text>\n\nWhen?\n\nSay."},), "made", ("1411",))
] * 9


def groups(*rewards: tuple[float | None, ...]) -> dict[int, Group]:
    return {place: Group(ROWS[place], (), given) for place, given in enumerate(rewards)}


# phases


@given(st.lists(st.integers(1, 3000)))
def test_each_prompt_is_in_the_phase_of_its_length_alone(tokens: list[int]) -> None:
    lengths = (256, 1024)
    found = curriculum.bands(tokens, lengths)
    places = [place for band in found for place in band]
    assert sorted(places) == [p for p, count in enumerate(tokens) if count <= 1024]
    for band, low, high in zip(found, (0, 256), lengths, strict=True):
        assert all(low < tokens[place] <= high for place in band)


def test_the_accuracy_0_rule_carries_those_with_no_right_answer() -> None:
    known = groups((0.0, 0.0), (0.0, 1.0), (None, 0.0), (None, None), (1.0, 1.0), (0.0, 0.0))
    assert sorted(curriculum.carried(known, "zero", 9, "s")) == [0, 2, 5]
    assert len(curriculum.carried(known, "zero", 2, "s")) == 2
    assert curriculum.carried(known, "none", 9, "s") == []
    drawn = {tuple(sorted(curriculum.carried(known, "zero", 2, str(n)))) for n in range(60)}
    assert drawn == {(0, 2), (0, 5), (2, 5)}


def test_importance_draws_in_proportion_to_one_over_the_mean_reward() -> None:
    known = groups((1.0, 1.0), (0.5, 0.5), (0.25, 0.25), (None,))
    drawn = Counter(curriculum.carried(known, "importance", 1, str(n))[0] for n in range(7000))
    assert set(drawn) == {0, 1, 2}
    for place, weight in ((0, 1), (1, 2), (2, 4)):  # 1/2 is half an answer right: its own floor
        assert drawn[place] / 7000 == pytest.approx(weight / 7, abs=0.02)
    assert sorted(curriculum.carried(known, "importance", 9, "s")) == [0, 1, 2]


def test_the_last_group_of_a_prompt_counts() -> None:
    records = [{"row": 1, "rewards": [0.0, 0.0]}, {"row": 1, "rewards": [0.0, 1.0]}]
    assert curriculum.seen(records, ROWS)[1].mean == 0.5


def test_the_base_models_estimate_is_read_from_the_rows() -> None:
    rows = [Row(ROWS[0].messages, "made", ("a",), {"mean_reward": m}) for m in (0.0, 0.5, None)]
    found = curriculum.estimated(rows, [0, 1, 2])
    assert {place: group.mean for place, group in found.items()} == {0: 0.0, 1: 0.5}


@pytest.mark.parametrize("right", [0, 1, 3, 8])
def test_the_base_models_difficulty_is_the_measured_one(right: int) -> None:
    group = Group(ROWS[0], (), (1.0,) * right + (0.0,) * (8 - right))
    (found,) = curriculum.estimated([with_difficulty(group)], [0]).values()
    assert found.mean == pytest.approx(group.mean)
    assert found.difficulty == pytest.approx(group.difficulty)
    alone = Row(ROWS[0].messages, "made", ("a",), {"mean_reward": group.mean})
    (found,) = curriculum.estimated([alone], [0]).values()
    assert found.difficulty == pytest.approx(group.difficulty if right else 4)


@given(st.sets(st.integers(0, 50), min_size=1), st.integers(0, 200), st.integers())
def test_every_epoch_reads_each_prompt_once(pool: set[int], count: int, seed: int) -> None:
    order = curriculum.stream(sorted(pool), count, str(seed))
    assert len(order) == count and order == curriculum.stream(sorted(pool), count, str(seed))
    for start in range(0, count - len(pool) + 1, len(pool)):
        assert set(order[start : start + len(pool)]) == pool


def test_spares_are_the_others_in_an_order_of_the_step() -> None:
    found = curriculum.spares(range(30), (3, 4), "step 1")
    assert sorted(found) == [place for place in range(30) if place not in (3, 4)]
    assert found != curriculum.spares(range(30), (3, 4), "step 2")


# rewards


class Letters:
    """A tokenizer of one letter a token."""

    all_special_ids = (0, 1)

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


THOUGHT = "<think>\nx\n</think>\n\nTherefore, the answer is "
COPIED = THOUGHT + "that in the year 1411 and " + "many other words were in the text " * 3 + "."


def worth(judge: Hybrid | None, *replies: str) -> tuple[list[float | None], dict[str, float]]:
    told: dict[str, float] = {}
    rewards = Rewards(ROWS, Letters(), most_words=10, longest=100, buffer=20, judge=judge)
    ids = [[*Letters().encode(reply), 0, 1] for reply in replies]
    given = {"completion_ids": ids, "row": [0] * len(ids), "log_metric": told.__setitem__}
    first = rewards.functions()[0](**given)
    return (asyncio.run(first) if judge else first), told


def test_copying_the_context_is_worth_nothing_and_is_logged() -> None:
    found, told = worth(None, THOUGHT + "1411.", COPIED, "the answer is 1411", THOUGHT + "1300.")
    assert found == [1.0, 0.0, 0.0, 0.0]
    assert told["answers/sub_em"] == 0.5 and told["answers/worth"] == 0.25
    assert told["answers/refused_by_guard"] == 0.25 and told["answers/exact"] == 0.25
    assert told["answers/ended_thinking"] == 0.75 and told["answers/words"] > 5


def test_a_judge_can_say_that_a_wording_is_right_but_not_that_copying_is() -> None:
    async def yes(question: str, answer: str, gold: str) -> bool:
        assert question == "When?\n\nSay."
        return True

    found, _ = worth(Hybrid(yes), THOUGHT + "fourteen eleven.", COPIED)
    assert found == [1.0, 0.0]


def test_an_answer_whose_judge_failed_is_not_scored() -> None:
    async def broken(question: str, answer: str, gold: str) -> bool:
        raise ReasonerError("gone", "wait")

    found, told = worth(Hybrid(broken), THOUGHT + "1300.", THOUGHT + "1411.")
    assert found == [None, 1.0] and told["judge/failed"] == 1


def test_length_is_punished_beside_and_only_with_a_buffer() -> None:
    rewards = Rewards(ROWS, Letters(), most_words=10, longest=100, buffer=20)
    assert rewards.functions()[1](completion_ids=[[9] * n for n in (80, 90, 100)]) == [0, -0.5, -1]
    assert len(Rewards(ROWS, Letters(), 10, 100).functions()) == 1


# evaluation


def test_the_interval_is_of_whole_documents() -> None:
    values, docs = [1.0] * 50 + [0.0] * 50, [str(n // 50) for n in range(100)]
    wide = evaluate.bootstrap(values, docs, 500, 0)
    narrow = evaluate.bootstrap(values, list(map(str, range(100))), 500, 0)
    assert wide == evaluate.Interval(0.5, 0.0, 1.0)
    assert narrow.mean == 0.5 and 0.38 < narrow.low < 0.45 and 0.55 < narrow.high < 0.62


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 3))
def test_an_interval_holds_what_was_seen(values: list[float], seed: int) -> None:
    found = evaluate.bootstrap(values, list(map(str, range(len(values)))), 200, seed)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> rl.Config:
    folder = tmp_path_factory.mktemp("eval")
    tiny = rl.Config("", (), "", lengths=(420,), steps=(1,))
    return rl.on_made_up(tiny, folder, lambda line: None)


def test_an_evaluation_goes_on_and_compares_each_model_with_the_one_before(
    made: rl.Config, tmp_path: Path
) -> None:
    config = evaluate.Config(
        models={"one": made.model, "two": made.model},
        data={"short": made.data[0]},
        out=str(tmp_path),
        rows=5,
        answer_tokens=6,
        batch=2,
        resamples=50,
        threads=1,
    )
    told: list[str] = []
    evaluate.evaluate(config, told.append)
    # Both names stand for the same model, whose answers are given once.
    assert told == ["one: 5 of 5 answers to give", "two: 0 of 5 answers to give"]
    first = json.loads((tmp_path / "scores.json").read_text("utf-8"))
    assert [row["answers"] for row in first] == [5, 5]
    assert first[1]["worth_change"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert "worth_change" not in first[0] and first[0]["tokens"]["mean"] > 0
    page = (tmp_path / "scores.md").read_text("utf-8").splitlines()
    assert len(page) == 4 and page[3].count("|") == page[0].count("|")
    path = tmp_path / "answers.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:20], "utf-8")
    told.clear()
    evaluate.evaluate(config, told.append)
    assert told[0] == "one: 2 of 5 answers to give"
    assert json.loads((tmp_path / "scores.json").read_text("utf-8")) == first
    # Other prompts of the same name, or another guard, are other answers.
    rows = read_rows(Path(made.data[0]))
    changed = [replace(row, golds=("changed",)) if n < 2 else row for n, row in enumerate(rows)]
    write_rows(tmp_path / "changed.jsonl", changed)
    for values in ({"data": {"short": str(tmp_path / "changed.jsonl")}}, {"most_words": 0}):
        told.clear()
        evaluate.evaluate(replace(config, **values), told.append)  # type: ignore[arg-type]
        assert told[0] == f"one: {2 if 'data' in values else 5} of 5 answers to give"


@pytest.mark.parametrize("values", [{"models": {}}, {"data": {}}, {"rows": 0}])
def test_an_evaluation_of_nothing_is_refused(values: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"models": {"a": "b"}, "data": {"c": "d"}, "out": "e"}
    with pytest.raises(SettingsError):
        evaluate.Config(**(whole | values))


def test_the_committed_files_fit_together() -> None:
    """What one stage of the small run writes is what the next reads."""
    folder = Path(evaluate.__file__).with_name("cpu")
    data = prepare.read_config(prepare.Config, folder / "data.toml")
    other = prepare.read_config(prepare.Config, folder / "other.toml")
    warm = sft.read_config(sft.Config, folder / "sft.toml")
    config = rl.read_config(rl.Config, folder / "rl.toml")
    last = evaluate.read_config(evaluate.Config, folder / "eval.toml")
    assert set(data.sources).isdisjoint(other.sources)
    assert config.data == tuple(f"{data.out}/train-{n}.jsonl" for n in data.lengths)
    assert config.lengths == data.lengths == other.lengths and set(warm.data) <= set(config.data)
    assert config.model == f"{warm.out}/model" == last.models["sft"]
    later = [last.models[f"phase-2-{mode}"] for mode in config.retrospect]
    assert later == [f"{config.out}/phase-2-{mode}/model" for mode in config.retrospect]
    assert {Path(file).parent.name for file in last.data.values()} == {"data", "other"}
