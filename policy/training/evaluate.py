"""What training changed: each model's answers to held-back prompts, scored, with intervals.

Every model of ``models`` answers the first ``rows`` prompts of every file of ``data``, greedily
unless ``temperature`` is set. Scores are sub-EM in both directions (QwenLong-L1's), the guarded
reward, EM, F1, the answer's words and tokens, and the share that ended its thinking; none of them
knows a judge. ``out/answers.jsonl`` has every answer; a run that was broken off goes on there.
``out/scores.json`` and ``out/scores.md`` have the means with 95 % bootstrap intervals over
documents, as questions on one document are not independent, and each model's paired difference
from the one named before it.

    longdoc train policy-eval --config policy/training/eval.toml
    longdoc train policy-eval --config policy/training/eval.toml --smoke    # a random model
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from documents.errors import SettingsError
from documents.storage import drop_cut_line
from policy.rewards import guarded, score
from policy.thinking import CLOSE
from policy.training.config import read_config
from policy.training.models import (
    device_of,
    folder_of,
    ids_of,
    load_model,
    load_tokenizer,
    prompt_text,
    reply_text,
    stamp,
)
from policy.training.rows import Row, read_rows

Say = Callable[[str], None]
Answer = dict[str, Any]
MEASURES = ("sub_em", "worth", "exact", "f1", "words", "tokens", "ended")
SHOWN = ("sub_em", "worth", "exact", "f1")


@dataclass(frozen=True)
class Config:
    """What ``eval.toml`` says; the file explains each."""

    models: Mapping[str, str]
    data: Mapping[str, str]
    out: str
    rows: int = 100
    answer_tokens: int = 160
    temperature: float = 0.0
    batch: int = 4
    most_words: int = 10
    resamples: int = 2000
    device: str = ""
    threads: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.models or not self.data:
            raise SettingsError("models or data names nothing.", "Name one of each at least.")
        if min(self.rows, self.batch, self.answer_tokens, self.resamples) < 1:
            raise SettingsError(
                "rows, batch, answer_tokens or resamples is below 1.", "Give 1 or more."
            )


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and the 95 % interval of its bootstrap."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(values: Sequence[float], clusters: Sequence[str], times: int, seed: int) -> Interval:
    """The mean over values, and its percentile interval where whole clusters are drawn."""
    names = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    where = np.array([names[name] for name in clusters])
    sums = np.bincount(where, weights=np.asarray(values, dtype=float))
    counts = np.bincount(where)
    drawn = np.random.default_rng(seed).integers(len(names), size=(times, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(np.mean(values)), float(low), float(high))


class Answers:
    """``out/answers.jsonl``: what was answered already, and the rest as it comes."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.path = Path(config.out) / "answers.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        drop_cut_line(self.path)
        lines = self.path.read_text("utf-8").split("\n")
        self._known = {tuple(row["key"]): row for row in map(json.loads, filter(None, lines))}

    def of(
        self, name: str, folder: Path, sets: Mapping[str, Sequence[Row]], say: Say
    ) -> list[Answer]:
        """A model's answers to all sets. The model is read only if there is one to give."""
        giver = _stamp(folder, self.config)
        asked = [
            ((giver, task, _digest(row.messages, row.golds)), row)
            for task, rows in sets.items()
            for row in rows
        ]
        lacking = [pair for pair in asked if pair[0] not in self._known]
        say(f"{name}: {len(lacking)} of {len(asked)} answers to give")
        if lacking:
            self._give(folder, lacking)
        return [self._known[key] | {"model": name, "set": key[1]} for key, _ in asked]

    def _give(self, folder: Path, asked: Sequence[tuple[tuple[str, str, str], Row]]) -> None:
        tokenizer = load_tokenizer(folder)
        model = load_model(folder).to(device_of(self.config.device)).eval()
        with self.path.open("a", encoding="utf-8") as out:
            for start in range(0, len(asked), self.config.batch):
                part = asked[start : start + self.config.batch]
                torch.manual_seed(self.config.seed + start)
                made = replies(self.config, model, tokenizer, [row for _, row in part])
                for (key, row), (reply, tokens) in zip(part, made, strict=True):
                    answer = {"key": list(key), **scored(row, reply, tokens, self.config)}
                    self._known[key] = answer
                    out.write(json.dumps(answer, ensure_ascii=False) + "\n")
                out.flush()


@torch.no_grad()
def replies(
    config: Config, model: Any, tokenizer: Any, rows: Sequence[Row]
) -> list[tuple[str, int]]:
    """Each prompt's reply, without the tokens that end it, and its length in tokens."""
    prompts = [ids_of(tokenizer, prompt_text(tokenizer, row.messages)) for row in rows]
    width, pad = max(map(len, prompts)), int(tokenizer.pad_token_id)
    ids = torch.tensor([[pad] * (width - len(one)) + one for one in prompts])
    mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in prompts])
    sampled = {"do_sample": True, "temperature": config.temperature, "top_p": 1.0, "top_k": 0}
    made = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=config.answer_tokens,
        pad_token_id=pad,
        eos_token_id=tokenizer.eos_token_id,
        repetition_penalty=1.0,  # some models' own files set another
        **(sampled if config.temperature else {"do_sample": False}),
    )
    ends = {pad, int(tokenizer.eos_token_id)}
    said = made[:, width:].tolist()
    counts = [sum(one not in ends for one in row) for row in said]
    return [(reply_text(tokenizer, row), count) for row, count in zip(said, counts, strict=True)]


def scored(row: Row, reply: str, tokens: int, config: Config) -> Answer:
    """A reply with its scores."""
    found = score(reply, row.golds, row.kind)
    return {
        "doc": str(row.extra.get("doc", row.key)),
        "sub_em": found.rule,
        "worth": guarded(found, config.most_words),
        "exact": found.exact,
        "f1": found.f1,
        "words": found.words,
        "tokens": tokens,
        "ended": float(CLOSE in reply),
        "reply": reply,
        "golds": list(row.golds),
    }


def table(answers: Sequence[Answer], config: Config) -> list[dict[str, Any]]:
    """One row a set and model: each measure's interval, and that of the paired difference of
    sub-EM and worth from the model before."""
    rows: list[dict[str, Any]] = []
    for task in config.data:
        before: list[Answer] = []
        for name in config.models:
            mine = [a for a in answers if a["set"] == task and a["model"] == name]
            clusters = [a["doc"] for a in mine]

            def interval(values: Sequence[float], clusters: Sequence[str] = clusters) -> Interval:
                return bootstrap(values, clusters, config.resamples, config.seed)

            row: dict[str, Any] = {"set": task, "model": name, "answers": len(mine)}
            row |= {m: interval([a[m] for a in mine]) for m in MEASURES}
            for measure in ("sub_em", "worth") if before else ():
                apart = [a[measure] - b[measure] for a, b in zip(mine, before, strict=True)]
                row[f"{measure}_change"] = interval(apart)
            rows.append(row)
            before = mine
    return rows


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as it is pasted into a page."""
    heads = ["set", "model", "answers", *SHOWN, "words", "ended", "change of worth"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        told = [row["set"], row["model"], row["answers"], *(row[m] for m in SHOWN)]
        told += [
            f"{row['words'].mean:.1f}",
            f"{row['ended'].mean:.2f}",
            row.get("worth_change", ""),
        ]
        lines.append("| " + " | ".join(map(str, told)) + " |")
    return "\n".join(lines) + "\n"


def evaluate(config: Config, say: Say) -> Path:
    """The run, from where it stopped; returns the folder written."""
    if config.threads:
        torch.set_num_threads(config.threads)
    sets = {name: read_rows(Path(file))[: config.rows] for name, file in config.data.items()}
    store = Answers(config)
    answers = [
        answer
        for name, folder in config.models.items()
        for answer in store.of(name, folder_of(folder), sets, say)
    ]
    rows, out = table(answers, config), Path(config.out)
    plain = [{k: asdict(v) if isinstance(v, Interval) else v for k, v in r.items()} for r in rows]
    (out / "scores.json").write_text(json.dumps(plain, indent=1) + "\n", "utf-8")
    (out / "scores.md").write_text(markdown(rows), "utf-8")
    return out


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train policy-eval`` runs it."""
    config = read_config(Config, path, smoke)
    if smoke:
        from policy.training import rl

        folder = Path(tempfile.mkdtemp(prefix="longdoc-smoke-"))
        values = {"lengths": (420,), "steps": (1,)}
        made = rl.on_made_up(rl.Config("", (), "", **values), folder, say)  # type: ignore[arg-type]
        config = replace(
            config,
            models={"base": made.model},
            data={"short": made.data[0]},
            out=str(folder / "out"),
        )
    return evaluate(config, say)


def _stamp(folder: Path, config: Config) -> str:
    """What an answer and its scores depend on beside the prompt: the model's files as they are now,
    the sampling and the guard."""
    settings = (config.answer_tokens, config.temperature, config.seed, config.batch)
    return _digest(str(folder), stamp(folder), settings, config.most_words)


def _digest(*told: object) -> str:
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
