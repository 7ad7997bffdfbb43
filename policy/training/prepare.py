"""The policy's training data: ``longdoc train policy-data --config policy/training/data.toml``.

One script, top to bottom. It reads the evidence-labelled questions, sets the gold passages among
distractors at each length of the configuration (`contexts`), and writes, for both halves of the
split by document, one file a length: ``train-1024.jsonl``, ``held-1024.jsonl``, in the columns of
DocQA-RL-1.6K (`rows`). The rows of one question share ``extra_info.index``; at two lengths they
are SoLoPO's twins. Lengths are tokens of the whole prompt, chat template included, by the
model's own tokenizer; as passages stay whole, a prompt ends a little short of its length.

With ``sample_url`` an endpoint then answers the training prompts of the first length
``sample_group`` times each: ``sampled.jsonl`` has them with their difficulty by the guarded reward
and, where an answer was right, its trace for the warm-up. A broken-off sampling goes on where it
stopped. The model must think: a reply without ``</think>`` is worth nothing.

Simplified: the synthetic questions of the paper's data, made by DeepSeek-R1 over whole reports,
have no counterpart; questions are short-answered ones from public sets. A share of them, told by
``unanswerable``, has its evidence left out and "not in the documents" as its answer: the product
must be able to say so, and the paper's data do not teach it.

    longdoc train policy-data --config policy/training/data.toml            # the real data
    longdoc train policy-data --config policy/training/data.toml --smoke    # seconds, made-up data
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from documents.errors import DataError, SettingsError
from policy.prompts import answer_messages
from policy.training.config import read_config
from policy.training.contexts import Context, Pool, answered, grounded, nested
from policy.training.models import folder_of, ids_of, load_tokenizer, prompt_text
from policy.training.questions import Question, load
from policy.training.rows import Row, kept_rows, read_rows, write_rows
from policy.training.sampling import (
    Generate,
    from_reasoner,
    groups,
    strict,
    with_difficulty,
    with_traces,
)
from policy.training.traces import ABSENT

Say = Callable[[str], None]


@dataclass(frozen=True)
class Config:
    """What ``data.toml`` says; the file explains each."""

    data: str
    out: str
    model: str
    lengths: tuple[int, ...]
    sources: Mapping[str, int]
    held: int
    seed: int = 0
    passage_characters: int = 400
    most_answer_words: int = 10
    unanswerable: float = 0.1
    twins: bool = True
    sample_url: str = ""
    sample_model: str = ""
    sample_group: int = 8
    sample_temperature: float = 0.7
    sample_tokens: int = 1024
    sample_most: int = 1

    def __post_init__(self) -> None:
        if not self.lengths or list(self.lengths) != sorted(set(self.lengths)):
            raise SettingsError(
                f"lengths is {list(self.lengths)}.", "Give one or more, in ascending order."
            )
        if not 0 <= self.unanswerable < 1:
            raise SettingsError(f"unanswerable is {self.unanswerable}.", "Give 0 up to below 1.")
        if self.passage_characters < 50 or self.sample_group < 1:
            raise SettingsError(
                "passage_characters is below 50 or sample_group below 1.", "Raise it."
            )


@dataclass
class Maker:
    """Makes the rows of questions, and counts those that could not be made."""

    config: Config
    tokenizer: Any
    dropped: dict[str, int] = field(default_factory=dict)

    def rows(self, pool: Pool, source: str, number: int) -> Iterator[list[Row]]:
        """Up to ``number`` questions of a source, each as its rows from short to long."""
        questions = pool.questions(source)
        random.Random(f"{self.config.seed} {source} {pool.held}").shuffle(questions)
        made = 0
        for question in questions:
            if made == number:
                return
            if rows := self._one(pool, question):
                made += 1
                yield rows

    def _one(self, pool: Pool, question: Question) -> list[Row]:
        most = self.config.most_answer_words
        golds = tuple(dict.fromkeys(a for a in question.answers if len(a.split()) <= most))
        if not golds:
            return self._drop("answer too long")
        evidence = pool.evidence(question)
        if not grounded(question, golds, evidence):
            return self._drop("evidence does not hold the answer")
        whole = "\n\n".join(f"[1] {e.passage.text}" for e in evidence)
        if self._tokens(question.text, whole) > self.config.lengths[0]:
            return self._drop("evidence too long for the shortest prompt")
        rng = random.Random(f"{self.config.seed} {question.key}")
        # Distractors are known not to answer only where the answer is worded as in the evidence.
        worded = any(answered(quote, question) for e in evidence for quote in e.quotes)
        answerable = rng.random() >= self.config.unanswerable or not worded
        contexts = nested(
            evidence if answerable else (),
            pool.distractors(question, rng),
            self.config.lengths,
            measure=lambda text: self._tokens(question.text, text),
            count=lambda text: len(ids_of(self.tokenizer, text)),
            rng=rng,
            keep=self.config.twins,
        )
        if contexts is None:
            return self._drop("too few distractors for the longest prompt")
        golds = golds if answerable else (ABSENT,)
        return [
            self._row(question, golds, context, length)
            for context, length in zip(contexts, self.config.lengths, strict=True)
        ]

    def _row(
        self, question: Question, golds: tuple[str, ...], context: Context, length: int
    ) -> Row:
        extra = {
            "index": question.key,
            "doc": question.doc,
            "question": question.text,
            "answerable": golds != (ABSENT,),
            "evidence": [list(pair) for pair in context.gold],
            "passages": len(context.numbers),
            "length": length,
            "tokens": self._tokens(question.text, context.text),
        }
        messages = tuple(answer_messages(question.text, context.text))
        return Row(messages, f"longdoc/{question.source}", golds, extra)

    def _tokens(self, question: str, text: str) -> int:
        return len(
            ids_of(self.tokenizer, prompt_text(self.tokenizer, answer_messages(question, text)))
        )

    def _drop(self, why: str) -> list[Row]:
        self.dropped[why] = self.dropped.get(why, 0) + 1
        return []


def prepare(config: Config, say: Say) -> Path:
    """The run. Returns the folder written."""
    corpus = load(Path(config.data))
    maker = Maker(config, load_tokenizer(folder_of(config.model)))
    out = Path(config.out)
    for held in (False, True):
        pool = Pool(corpus, held, config.passage_characters)
        made: list[list[Row]] = []
        for source, number in config.sources.items():
            found = list(maker.rows(pool, source, config.held if held else number))
            say(f"{source}: {len(found)} questions {'held back' if held else 'to train on'}")
            made += found
        if not made:
            raise DataError(
                f"No question of {', '.join(config.sources)} makes a prompt of these lengths: "
                f"{maker.dropped or 'no such source'}.",
                "Name other sources, or raise the first length or lower the last.",
            )
        random.Random(config.seed).shuffle(made)
        for at, length in enumerate(config.lengths):
            path = out / f"{'held' if held else 'train'}-{length}.jsonl"
            say(f"{path}: {write_rows(path, (rows[at] for rows in made))} rows")
    for why, times in maker.dropped.items():
        say(f"left out, {why}: {times}")
    return out


def sample(rows: list[Row], generate: Generate, config: Config, path: Path) -> tuple[int, int]:
    """Answer each row that ``path`` does not have yet; returns rows and those with a trace.

    Appends row by row, so that nothing paid for is lost. A last line cut short by a kill is made
    again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    have = kept_rows(path)
    done = {row.key for row in have}
    traced = sum("traces" in row.extra for row in have)
    rest = [row for row in rows if row.key not in done]
    with path.open("a", encoding="utf-8") as out:
        for group in groups(rest, generate, config.sample_group, strict):
            found = replace(group, row=with_difficulty(group))
            row = with_traces(found, config.sample_most) or found.row
            traced += "traces" in row.extra
            out.write(json.dumps(row.columns(), ensure_ascii=False) + "\n")
            out.flush()
    return len(have) + len(rest), traced


def _endpoint(config: Config) -> Generate:
    from policy.client import Reasoner
    from policy.config import ReasonerConfig

    return from_reasoner(
        Reasoner(
            ReasonerConfig(
                url=config.sample_url,
                served_model=config.sample_model,
                temperature=config.sample_temperature,
                max_answer_tokens=config.sample_tokens,
            )
        )
    )


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train policy-data`` runs it."""
    config = read_config(Config, path, smoke)
    if smoke:
        from policy.training.tiny import made_corpus, tiny_model

        folder = Path(tempfile.mkdtemp(prefix="longdoc-smoke-"))
        config = replace(
            config,
            data=str(made_corpus(folder / "corpus")),
            model=str(tiny_model(folder / "model")),
            out=str(folder / "data"),
        )
    out = prepare(config, say)
    if config.sample_url:
        rows = read_rows(out / f"train-{config.lengths[0]}.jsonl")
        number, traced = sample(rows, _endpoint(config), config, out / "sampled.jsonl")
        say(f"{out / 'sampled.jsonl'}: {number} rows, {traced} with a trace")
    return out
