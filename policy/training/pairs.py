"""Preference pairs by sampling (SoLoPO, arXiv 2505.11166): ``longdoc train policy-pairs``.

One script, top to bottom. The model answers each prompt of ``short`` ``samples`` times at
``temperature``; sub-EM says which answers are right; a right and a wrong one make a pair, used
unchanged under the short prompt and under its twin in ``long``, which has the same evidence and
more distractors. ``sampled.jsonl`` keeps every reply with its reward, a line a prompt, so that a
broken-off run goes on where it stopped; ``pairs.jsonl`` is made of it anew each time.

Against the paper (as told by notes on it: 32 answers at temperature 0.85, sub-EM, 5,000 pairs of
some 1,100 and 7,500 tokens): which right and which wrong answer it takes is not known; here both
are drawn at random, so that neither side is shorter by choice. Its tool chain is said to end every
answer with the end token, cut off or not, and so do the pairs here [derived from the trainer it
uses]. longdoc's own: ``guarded``, which counts neither rambling nor a fragment as right, and
``gold``, which takes the trace made from the evidence as the chosen answer where none was right;
such a pair is not sampled from the policy, and is counted apart.

    longdoc train policy-pairs --config policy/training/pairs.toml            # CPU, GPU or endpoint
    longdoc train policy-pairs --config policy/training/pairs.toml --smoke    # seconds
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from documents.errors import DataError, SettingsError
from policy.rewards import guarded, score
from policy.training.config import read_config
from policy.training.generate import at_once, from_model
from policy.training.models import device_of, folder_of, load_model, load_tokenizer
from policy.training.rows import Row, kept_rows, read_rows
from policy.training.sampling import Generate, from_reasoner, groups
from policy.training.traces import gold_trace
from policy.values import Message

Say = Callable[[str], None]
SAMPLING = (
    "model", "url", "served_model", "samples", "temperature", "top_p", "most_tokens", "seed"
)  # fmt: skip
"""What decides the replies; the rest decides which of them make a pair."""


@dataclass(frozen=True)
class Config:
    """What ``pairs.toml`` says; the file explains each."""

    model: str
    short: str
    long: str
    out: str
    url: str = ""
    served_model: str = ""
    samples: int = 32
    temperature: float = 0.85
    top_p: float = 1.0
    most_tokens: int = 256
    batch: int = 32
    thinks: bool = True
    guarded: bool = False
    gold: bool = False
    per_question: int = 1
    most: int = 5000
    seed: int = 0
    device: str = ""
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("samples", "most_tokens", "batch", "per_question", "most"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}.", "Give 1 or more.")
        if self.temperature <= 0:
            raise SettingsError(
                f"temperature is {self.temperature}: all answers would be the same.",
                "Give more than 0; the paper has 0.85.",
            )


@dataclass(frozen=True, slots=True)
class Pair:
    """One chosen and one rejected answer to a question, under its short and its long prompt.
    ``sampled``: the chosen one is the policy's own, not made from the evidence."""

    key: str
    source: str
    golds: tuple[str, ...]
    short: tuple[Message, ...]
    long: tuple[Message, ...]
    chosen: str
    rejected: str
    sampled: bool = True


def twins(short: Sequence[Row], long: Sequence[Row]) -> list[tuple[Row, Row]]:
    """The rows that share a key, short and long; they must have the same gold answers."""
    by_key = {row.key: row for row in long}
    found = [(row, by_key[row.key]) for row in short if row.key and row.key in by_key]
    if not found or any(a.golds != b.golds for a, b in found):
        raise DataError(
            "No rows of `short` and `long` share extra_info.index and gold answers.",
            "Give two lengths of one policy-data run, with twins = true.",
        )
    return found


def sample(rows: Sequence[Row], generate: Generate, config: Config, path: Path) -> Iterator[Row]:
    """The rows with ``replies`` in their extra info, one at a time, from ``path`` as far as it has
    them. What was sampled with other settings, or for other prompts under the same keys, is
    refused."""
    settings = {name: getattr(config, name) for name in SAMPLING}
    path.parent.mkdir(parents=True, exist_ok=True)
    have = {row.key: row for row in kept_rows(path)}
    with path.open("a", encoding="utf-8") as out:
        for row in rows:
            if (kept := have.get(row.key)) is not None:
                same = kept.extra.get("sampling", settings) == settings
                if not same or kept.messages != row.messages:
                    raise SettingsError(
                        f"{path} was sampled with other settings or for other prompts.",
                        "Give another `out`, or remove that file.",
                    )
                yield kept
                continue
            seed = hashlib.sha256(f"{config.seed} {row.key}".encode()).digest()
            torch.manual_seed(int.from_bytes(seed[:4]))
            (group,) = groups([row], generate, config.samples, lambda *_: None)
            told = {"replies": list(group.replies), "sampling": settings}
            made = replace(row, extra={**row.extra, **told})
            out.write(json.dumps(made.columns(), ensure_ascii=False) + "\n")
            out.flush()
            yield made


def paired(sampled: Row, twin: Row, config: Config) -> list[Pair]:
    """The pairs of one question; none where all its answers are right or all are wrong."""
    replies = dict.fromkeys(str(r).strip() for r in sampled.extra["replies"] if str(r).strip())
    worth = {reply: _worth(reply, sampled, config) for reply in replies}
    right = [reply for reply, reward in worth.items() if reward >= 1]
    wrong = [reply for reply, reward in worth.items() if reward <= 0]
    own = bool(right)
    if not own and config.gold and (made := gold_trace(sampled)):
        right = [made]
    rng = random.Random(f"{config.seed} {sampled.key}")
    rng.shuffle(right)
    rng.shuffle(wrong)
    sides = list(zip(right, wrong, strict=False))[: config.per_question]
    same = (sampled.key, sampled.source, sampled.golds, sampled.messages, twin.messages)
    return [Pair(*same, chosen, rejected, own) for chosen, rejected in sides]


def _worth(reply: str, row: Row, config: Config) -> float:
    """The published sub-EM; with ``guarded`` a right answer that rambles or is a fragment is
    neither right nor wrong (0.5)."""
    result = score(reply, row.golds, row.kind, thinks=config.thinks)
    if config.guarded and result.rule >= 1 and guarded(result) < 1:
        return 0.5
    return result.rule


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """A ``.jsonl`` file, put in place whole."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as out:
        for p in pairs:
            told = {name: getattr(p, name) for name in Pair.__slots__}
            out.write(json.dumps(told, ensure_ascii=False) + "\n")
    fresh.replace(path)


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file that `write_pairs` wrote."""
    try:
        lines = path.read_text("utf-8").split("\n")
        found = [_pair(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no file of pairs: {error}",
            "Make it: longdoc train policy-pairs --config policy/training/pairs.toml",
        ) from error
    if not found:
        raise DataError(f"{path} has no pairs.", "Sample more answers, or set gold = true.")
    return found


def _pair(told: dict[str, Any]) -> Pair:
    lists = {name: tuple(told.pop(name)) for name in ("golds", "short", "long")}
    return Pair(**{**told, **lists})


def make(config: Config, say: Say) -> Path:
    """The run, from where it stopped, until there are pairs enough; returns the file of pairs."""
    if config.threads:
        torch.set_num_threads(config.threads)
    both = twins(read_rows(Path(config.short)), read_rows(Path(config.long)))
    out = Path(config.out)
    sampled = sample([short for short, _ in both], _generate(config), config, out / "sampled.jsonl")
    pairs: list[Pair] = []
    asked = 0
    for row, (_, long) in zip(sampled, both, strict=True):
        asked += 1
        pairs += paired(row, long, config)[: config.most - len(pairs)]
        if len(pairs) == config.most:
            break
    own = sum(pair.sampled for pair in pairs)
    say(f"{asked} questions, {len(pairs)} pairs, {len(pairs) - own} with a made chosen answer")
    if not pairs:
        raise DataError(
            "No question has both a right and a wrong answer.",
            "Raise samples, train the warm-up first, or set gold = true.",
        )
    write_pairs(out / "pairs.jsonl", pairs)
    return out / "pairs.jsonl"


def _generate(config: Config) -> Generate:
    """The endpoint's replies, or those of the model in memory, loaded with the first prompt."""
    if config.url:
        from policy.client import Reasoner
        from policy.config import ReasonerConfig

        asked = ReasonerConfig(
            url=config.url,
            served_model=config.served_model,
            temperature=config.temperature,
            top_p=config.top_p,
            max_answer_tokens=config.most_tokens,
        )
        return at_once(from_reasoner(Reasoner(asked)), config.batch)
    loaded: list[Generate] = []

    def generate(messages: Sequence[Message], number: int) -> Sequence[str]:
        if not loaded:
            folder = folder_of(config.model)
            model = load_model(folder).to(device_of(config.device)).eval()
            loaded.append(
                from_model(
                    model,
                    load_tokenizer(folder),
                    temperature=config.temperature,
                    top_p=config.top_p,
                    most_tokens=config.most_tokens,
                    batch=config.batch,
                )
            )
        return loaded[0](messages, number)

    return generate


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train policy-pairs`` runs it."""
    config = read_config(Config, path, smoke)
    if smoke:
        config = on_made_up(config, Path(tempfile.mkdtemp(prefix="longdoc-smoke-")), say)
    return make(config, say)


def on_made_up(
    config: Config, folder: Path, say: Say, lengths: tuple[int, int] = (420, 640)
) -> Config:
    """The configuration on a random model and made-up twins, all in ``folder``."""
    from policy.training import prepare
    from policy.training.tiny import made_corpus, tiny_model

    made = prepare.Config(
        data=str(made_corpus(folder / "corpus")),
        out=str(folder / "data"),
        model=str(tiny_model(folder / "model")),
        lengths=lengths,
        sources={"made": 12},
        held=4,
    )
    data = prepare.prepare(made, say)
    return replace(
        config,
        model=made.model,
        short=str(data / f"train-{lengths[0]}.jsonl"),
        long=str(data / f"train-{lengths[1]}.jsonl"),
        out=str(folder / "pairs"),
    )
