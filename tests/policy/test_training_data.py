"""The policy's data: lengths, twins, splits, distractors, difficulty."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compressor.training.data import held_back as critics_rule
from documents.errors import DataError
from policy.client import Reasoner
from policy.config import ReasonerConfig
from policy.training import contexts, prepare
from policy.training.questions import (
    Corpus,
    Passage,
    Question,
    held_back,
    load,
    passages,
    sentences,
    stands,
    touch,
    widened,
)
from policy.training.rows import Row, read_rows
from policy.training.sampling import (
    Group,
    accepted,
    from_reasoner,
    groups,
    rule,
    with_difficulty,
    with_traces,
)
from policy.training.tiny import made_corpus, tiny_model
from policy.training.traces import ABSENT
from policy.values import Delta, Message, Usage

LENGTHS = (420, 900)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> prepare.Config:
    folder = tmp_path_factory.mktemp("policy-data")
    return prepare.Config(
        data=str(made_corpus(folder / "corpus")),
        out=str(folder / "out"),
        model=str(tiny_model(folder / "model")),
        lengths=LENGTHS,
        sources={"made": 60},
        held=6,
        unanswerable=0.2,
    )


@pytest.fixture(scope="module")
def made(config: prepare.Config) -> dict[str, list[Row]]:
    out = prepare.prepare(config, lambda line: None)
    return {path.stem: read_rows(path) for path in out.glob("*.jsonl")}


def numbered(row: Row) -> dict[int, str]:
    body = row.messages[0]["content"].split("<text>\n")[1].split("\n</text>")[0]
    parts = re.split(r"(?:^|\n\n)\[(\d+)\] ", body)
    return {int(n): text for n, text in zip(parts[1::2], parts[2::2], strict=True)}


# the split and the passages


def test_the_split_is_the_critics() -> None:
    names = [f"{source}:{n}" for source in ("squad", "tatqa", "cuad") for n in range(300)]
    assert [held_back(name) for name in names] == [critics_rule(name) for name in names]
    shares = Counter(name.split(":")[0] for name in names if held_back(name))
    assert shares["tatqa"] > shares["squad"] > 0


def test_no_document_is_on_both_sides(made: dict[str, list[Row]]) -> None:
    for name, rows in made.items():
        assert rows and {held_back(row.extra["doc"]) for row in rows} == {name.startswith("held")}


def test_distractors_come_from_the_same_half(
    config: prepare.Config, made: dict[str, list[Row]]
) -> None:
    corpus = load(Path(config.data))
    kept_back = [text for doc, text in corpus.texts.items() if held_back(doc)]
    shown = [text for row in made["train-900"] for text in numbered(row).values()]
    assert shown and not [text for text in shown if any(text in whole for whole in kept_back)]


def test_passages_hold_every_word_once_and_are_not_too_long() -> None:
    text = "One. Two is here! \n\n" + "word " * 300 + "\nA | B | 3\nC | D | 4\n\nThe end."
    parts = passages(text, 80)
    assert " ".join(text[a:b] for a, b in parts).split() == text.split()
    assert max(b - a for a, b in parts) <= 180
    assert all(text[a:b] == text[a:b].strip() for a, b in sentences(text))


def test_initials_and_short_forms_end_no_sentence() -> None:
    text = "Directed by Scott R. Dunlap for Mr. Fox. It ran in St. Louis, No. 5 of 9. The end."
    assert [text[a:b] for a, b in sentences(text)] == [
        "Directed by Scott R. Dunlap for Mr. Fox.",
        "It ran in St. Louis, No. 5 of 9.",
        "The end.",
    ]


def test_a_title_stays_with_what_it_heads() -> None:
    text = "Boston\n\n" + "It is a large old city by the sea. " * 3 + "\n\nRome\n\nIt is older."
    parts = [text[a:b] for a, b in passages(text, 90)]
    assert [part.split()[0] for part in parts] == ["Boston", "It", "Rome"]


def test_labels_widen_to_whole_sentences_and_neighbours_are_one_quote() -> None:
    text = "One is here. Two is there. Three is gone.\nFour. Five."
    spans = ((4, 6), (13, 16), (text.index("Five"), len(text)))
    quotes = [text[a:b] for a, b in widened(text, spans)]
    assert quotes == ["One is here. Two is there.", "Five."]


@pytest.mark.parametrize(
    ("text", "golds", "known"),
    [
        ("Where did he die?", ("Santa Monica",), False),
        ("Who directed it?", ("nobody", "edward  Ludwig"), True),
        ("Which is older, Eight or Nine?", ("Eight",), True),
        ("Are both alive?", ("no",), True),
        ("Who directed it?", ("Ludwi",), False),
    ],
)
def test_an_answer_must_follow_from_the_evidence(
    text: str, golds: tuple[str, ...], known: bool
) -> None:
    asked = Question("2wiki", "d", text, golds, ((0, 9),))
    gold = contexts.Evidence(Passage("d", 0, 9, "x"), ("Directed by Edward\nLudwig.",))
    assert contexts.grounded(asked, golds, (gold,)) == known


# lengths and twins


def test_prompts_fill_their_length_and_never_pass_it(
    config: prepare.Config, made: dict[str, list[Row]]
) -> None:
    from policy.training.models import ids_of, load_tokenizer, prompt_text

    tokenizer = load_tokenizer(Path(config.model))
    for length in LENGTHS:
        for row in made[f"train-{length}"]:
            tokens = len(ids_of(tokenizer, prompt_text(tokenizer, row.messages)))
            assert tokens == row.extra["tokens"] <= length
            assert tokens > length - 150, "one more passage would have fitted"


def test_twins_have_identical_evidence_under_the_same_numbers(made: dict[str, list[Row]]) -> None:
    longs = {row.key: row for row in made["train-900"]}
    assert len(longs) == len(made["train-420"]) > 30
    for short in made["train-420"]:
        long = longs[short.key]
        assert short.extra["evidence"] == long.extra["evidence"]
        assert short.golds == long.golds
        few, many = numbered(short), numbered(long)
        assert few.items() < many.items()
        assert list(many) == list(range(1, len(many) + 1))
        for number, quote in short.extra["evidence"]:
            assert quote in few[number]


def test_without_twins_numbers_have_no_gaps(config: prepare.Config, tmp_path: Path) -> None:
    alone = replace(config, twins=False, out=str(tmp_path), sources={"made": 5}, held=1)
    for row in read_rows(prepare.prepare(alone, lambda line: None) / "train-420.jsonl"):
        assert list(numbered(row)) == list(range(1, row.extra["passages"] + 1))


def test_a_second_run_makes_the_same_rows(
    config: prepare.Config, made: dict[str, list[Row]], tmp_path: Path
) -> None:
    again = prepare.prepare(replace(config, out=str(tmp_path)), lambda line: None)
    assert read_rows(again / "train-420.jsonl") == made["train-420"]


def test_unanswerable_questions_have_neither_evidence_nor_answer(
    config: prepare.Config, made: dict[str, list[Row]]
) -> None:
    years = {q.key: q.answers[0] for q in load(Path(config.data)).questions}
    absent = [row for row in made["train-900"] if not row.extra["answerable"]]
    assert 3 <= len(absent) <= 24
    for row in absent:
        assert row.golds == (ABSENT,) and row.extra["evidence"] == []
        assert years[row.key] not in row.messages[0]["content"]
    for row in made["train-900"]:
        if row.extra["answerable"]:
            body = "".join(numbered(row).values())
            assert body.count(years[row.key]) == 1, "a distractor has the answer"


def test_a_question_about_its_document_gets_distractors_of_no_other() -> None:
    texts = {
        f"cuad:{n}": "\n\n".join(f"Clause {c} of contract {n}. It binds." for c in range(9))
        for n in range(4)
    }
    asked = Question("cuad", "cuad:1", "Which clause?", ("Clause 3",), ((0, 5),))
    others = [Question("cuad", doc, "?", ("x",), ((0, 5),)) for doc in texts]
    pool = contexts.Pool(Corpus(texts, (asked, *others)), held_back("cuad:1"), 60)
    drawn = list(pool.distractors(asked, random.Random(1)))
    assert {passage.doc for passage in drawn} == {"cuad:1"}
    assert len(drawn) == 7, "nine clauses but the evidence and the one with the answer"
    assert not any(touch((p.start, p.end), (0, 5)) for p in drawn)


@pytest.mark.parametrize(
    ("lengths", "passages_shown"),
    [((9, 20), [2, 4]), ((5, 9), [1, 2]), ((9, 40), None), ((4, 20), None)],
)
def test_what_cannot_have_its_lengths_is_left_out(
    lengths: tuple[int, ...], passages_shown: list[int] | None
) -> None:
    """Words for tokens: five of evidence, and four distractors of four with their numbers."""
    gold = contexts.Evidence(Passage("d", 0, 9, "a b c d"), ("b c",))
    others = [Passage("d", n, n + 1, f"x{n} y z") for n in range(10, 14)]
    found = contexts.nested(
        (gold,),
        iter(others),
        lengths,
        measure=lambda text: len(text.split()),
        count=lambda text: len(text.split()) + 1 - contexts.NUMBER_TOKENS,
        rng=random.Random(3),
    )
    assert (found and [len(context.numbers) for context in found]) == passages_shown


def test_no_question_at_all_is_an_error_that_says_why(
    config: prepare.Config, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no such source"):
        prepare.prepare(replace(config, sources={"x": 3}, out=str(tmp_path)), lambda line: None)


@pytest.mark.data
def test_real_questions_make_twins_whose_evidence_holds_the_answer(
    config: prepare.Config, data_dir: Path, tmp_path: Path
) -> None:
    sources = dict.fromkeys(("squad", "2wiki", "cuad", "evidence_inference"), 3)
    real = replace(
        config,
        data=str(data_dir / "train"),
        out=str(tmp_path),
        sources=sources,
        held=1,
        lengths=(1200, 3000),
    )
    out = prepare.prepare(real, lambda line: None)
    rows = read_rows(out / "train-1200.jsonl")
    assert Counter(row.source.split("/")[1] for row in rows) == sources
    longs = {row.key: row for row in read_rows(out / "train-3000.jsonl")}
    for row in rows:
        assert not held_back(row.extra["doc"]) and longs[row.key].golds == row.golds
        shown = numbered(row)
        quotes = [quote for _, quote in row.extra["evidence"]]
        assert all(quote in shown[number] for number, quote in row.extra["evidence"])
        if row.extra["answerable"]:
            told = [row.extra["question"], *quotes]
            assert any(
                gold in contexts.LABELS or stands(gold, text) for gold in row.golds for text in told
            )


def test_buckets_are_open_below_and_closed_above() -> None:
    edges = (20_000, 60_000)
    assert [contexts.bucket(n, edges) for n in (1, 20_000, 20_001, 60_000)] == [0, 0, 1, 1]
    assert contexts.bucket(60_001, edges) is None


# groups of answers

RIGHT = "<think>\nIt says so.\n</think>\n\nTherefore, the answer is 1411 [1]."
LONG_RIGHT = "<think>\nIt says so, I think.\n</think>\n\nTherefore, the answer is 1411 [1]."
WRONG = "<think>\nHm.\n</think>\n\nTherefore, the answer is 1999 [1]."
UNCLOSED = "Therefore, the answer is 1411 [1]."


def asked() -> Row:
    return Row(({"role": "user", "content": "When?"},), "longdoc/made", ("1411",), {"index": "a"})


def test_difficulty_is_one_over_the_mean_reward_of_a_group() -> None:
    told: list[tuple[Sequence[Message], int]] = []

    def generate(messages: Sequence[Message], number: int) -> list[str]:
        told.append((messages, number))
        return [RIGHT, WRONG, WRONG, UNCLOSED]

    (group,) = groups([asked()], generate, 4)
    assert told == [(asked().messages, 4)]
    assert group.rewards == (1.0, 0.0, 0.0, 0.0) and group.difficulty == 4.0
    assert with_difficulty(group).extra["mean_reward"] == 0.25


def test_difficulty_stays_finite_and_skips_what_was_not_scored() -> None:
    assert Group(asked(), (WRONG,) * 4, (0.0,) * 4).difficulty == 8.0
    assert Group(asked(), (RIGHT, WRONG), (1.0, None)).difficulty == 1.0
    assert Group(asked(), (WRONG,), (None,)).difficulty is None


class Told(Reasoner):
    """Says the same pieces each time."""

    def __init__(self, *pieces: Delta | Usage) -> None:
        super().__init__(ReasonerConfig(url="http://127.0.0.1:9/v1"))
        self.pieces = pieces

    def stream(self, messages: Sequence[Message], **_: Any) -> Iterator[Delta | Usage]:
        return iter(self.pieces)


@pytest.mark.parametrize(
    ("pieces", "reply", "reward"),
    [
        (
            (
                Delta("reasoning", "It "),
                Delta("reasoning", "says."),
                Delta("answer", "So the "),
                Delta("answer", "answer is 1411."),
                Usage(finish_reason="stop"),
            ),
            "<think>\nIt says.\n</think>\n\nSo the answer is 1411.",
            1.0,
        ),
        ((Delta("reasoning", "the answer is 1411"), Usage(finish_reason="length")), "", 0.0),
        ((Delta("answer", UNCLOSED),), UNCLOSED, 0.0),
    ],
)
def test_a_reasoners_reply_is_put_together_as_it_was_said(
    pieces: tuple[Delta | Usage, ...], reply: str, reward: float
) -> None:
    (group,) = groups([asked()], from_reasoner(Told(*pieces)), 2)
    assert group.replies == (reply, reply) and group.rewards == (reward, reward)


def test_rejection_sampling_keeps_right_replies_shortest_first() -> None:
    replies = (LONG_RIGHT, WRONG, RIGHT, UNCLOSED, RIGHT)
    group = Group(asked(), replies, tuple(rule(asked(), reply) for reply in replies))
    assert accepted(group, 5) == (RIGHT, LONG_RIGHT)
    row = with_traces(group)
    assert row is not None and row.extra["traces"] == [RIGHT]
    assert with_traces(Group(asked(), (WRONG,), (0.0,))) is None


def test_broken_off_sampling_goes_on_where_it_stopped(
    config: prepare.Config, made: dict[str, list[Row]], tmp_path: Path
) -> None:
    rows, asked_for = made["train-420"][:4], []

    def generate(messages: Sequence[Message], number: int) -> list[str]:
        if len(asked_for) == 2:
            raise KeyboardInterrupt
        asked_for.append(messages)
        gold = next(row.golds[0] for row in rows if row.messages == messages)
        return [f"<think>\nSo.\n</think>\n\nTherefore, the answer is {gold}."] * number

    path = tmp_path / "sampled.jsonl"
    with pytest.raises(KeyboardInterrupt):
        prepare.sample(rows, generate, config, path)
    path.write_bytes(path.read_bytes() + b'{"prompt": [{"ro')
    asked_for = []
    assert prepare.sample(rows[:3], generate, config, path) == (3, 3)
    assert len(asked_for) == 1
    assert [row.key for row in read_rows(path)] == [row.key for row in rows[:3]]
