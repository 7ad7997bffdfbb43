"""The stage ``longdoc train critic-synthesis``: the reasoner writes the critic's questions.

What is made, kept and dropped is told in `compressor.training.synthesis`, which takes any function
from a prompt to text; here the function is made from the reasoning model.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from compressor.training.data import load
from compressor.training.replies import Generate
from compressor.training.runs import made_corpus, read_toml
from compressor.training.synthesis import Settings, synthesise
from policy import Delta, Reasoner, ReasonerConfig

Say = Callable[[str], None]


@dataclass(frozen=True)
class Config(Settings):
    """What ``synthesis.toml`` says; the file explains each."""

    data: str
    out: str
    url: str
    served_model: str
    model: str
    temperature: float
    reply_tokens: int

    @property
    def reasoner(self) -> ReasonerConfig:
        """The model that is asked."""
        return ReasonerConfig(
            model=self.model,
            url=self.url or None,
            served_model=self.served_model,
            temperature=self.temperature,
            max_answer_tokens=self.reply_tokens,
        )


def from_reasoner(reasoner: Reasoner) -> Generate:
    """A ``generate`` that asks the reasoner and leaves its reasoning out."""

    def generate(prompt: str) -> str:
        pieces = reasoner.stream([{"role": "user", "content": prompt}])
        return "".join(
            piece.text for piece in pieces if isinstance(piece, Delta) and piece.kind == "answer"
        )

    return generate


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train critic-synthesis`` runs it. A smoke run asks no model, and
    keeps to a fresh folder and a few made-up documents."""
    config = read_toml(Config, path, smoke)
    generate = by_rule if smoke else from_reasoner(Reasoner(config.reasoner))
    if smoke:
        folder = Path(tempfile.mkdtemp(prefix="longdoc-smoke-"))
        _made_rivers(made_corpus(folder))
        config = replace(config, data=str(folder), out=str(folder / "synthesis"))
    return synthesise(load(Path(config.data)), generate, config, Path(config.out), say)


def by_rule(prompt: str) -> str:
    """What a model might reply, by rule, over the documents of a smoke run. Sentences it has no
    rule for get no JSON."""
    if found := re.search(r"First question: Which river is at (.+)\?\n.*\n.*long is ", prompt):
        return json.dumps({"question": f"How long is the river at {found[1]}?"})
    if found := re.search(r"sentence of it:\nThe river of (.+) is called (.+)\.", prompt):
        return json.dumps({"question": f"What is {found[1]}'s river called?", "answer": found[2]})
    if found := re.search(r"sentence of it:\n(.+) is (\d+ km) long\.", prompt):
        return json.dumps({"question": f"How long is {found[1]}?", "answer": found[2]})
    if not prompt.startswith("Passage:"):
        return "unknown"
    wanted = r"is (\d+ km) long" if "How long" in prompt else r"is called (.+?)\."
    found = re.search(wanted, prompt)
    return found[1] if found else "not stated"


def _made_rivers(folder: Path) -> None:
    """Documents on the rivers that `made_corpus` names, with a question about each."""
    docs, questions = [], []
    for n in range(60):
        river, fact = f"squad:Elm {n}", f"Elm {n} is {40 + n} km long."
        docs.append({"doc": river, "text": f"Few boats go there. {fact} It has no bridge at all."})
        asked = {"question": f"How long is Elm {n}?", "answers": [f"{40 + n} km"]}
        spans = [[20, 20 + len(fact)]]
        questions.append({"source": "squad", "doc": river, "spans": spans, **asked})
    for name, rows in (("river_docs", docs), ("river_questions", questions)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in rows)
