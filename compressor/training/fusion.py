"""Fit how sentence embeddings are weighed in: ``longdoc train critic-fusion --config FILE``.

For questions over documents that were put aside for it, every sentence and row gets the critic's
mean keep probability, its cosine with the question, and the share of the question's words around it
(`compressor.around`). Of the pairs of ``weights`` (of the cosine) and ``words`` (of the share) the
least is taken that keeps within half a point of the most evidence, on the mean of all budgets;
scale and bias then make the score a probability (Platt 1999), at the rate of evidence that
documents of this length have. Written to ``fusion.json`` in the critic's folder.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from compressor.around import Around
from compressor.compressor import read_units, scored
from compressor.config import CompressorConfig
from compressor.critics.load import load_critic
from compressor.critics.small import FUSION, SmallCritic
from compressor.instruction import Instruction
from compressor.similarity import Fusion
from compressor.training.data import load, put_aside
from compressor.training.haystacks import Haystack, haystacks
from compressor.training.runs import made_corpus, read_toml
from compressor.units import units
from documents.errors import DataError, SettingsError
from documents.progress import never_cancelled, no_progress

Say = Callable[[str], None]
Weights = tuple[float, float]
"""Of the cosine, and of the words around."""
BUDGETS = (250, 500, 1000, 2000)
CLOSE = 0.005
"""Shares that differ by less are taken as equal."""
HEADER_TOKENS = 8
"""About what a piece of evidence costs beside its own text."""


@dataclass(frozen=True, slots=True)
class Config:
    """What ``fusion.toml`` says; the file explains each."""

    data: str
    critic: str
    encoder: str
    sources: list[str]
    per_source: int
    characters: int
    weights: list[float]
    words: list[float]
    seed: int


@dataclass(frozen=True, slots=True)
class Rated:
    """A question's units: what is known of them, float32 [n], evidence characters, tokens."""

    keep: NDArray[np.float32]
    cosine: NDArray[np.float32]
    around: NDArray[np.float32]
    gold: NDArray[np.int64]
    characters: NDArray[np.int64]
    tokens: NDArray[np.int64]

    def logits(self, weights: Weights) -> NDArray[np.float64]:
        """The critic's logits and so many times the cosines and the words around."""
        weight, words = weights
        fusion = Fusion("", weight, 1.0, 0.0, words)
        return fusion.logits(self.keep, self.cosine, self.around)

    def kept(self, weights: Weights) -> list[float]:
        """The share of evidence characters kept at each of `BUDGETS`, best units first."""
        order = np.argsort(-self.logits(weights), kind="stable")
        sizes = np.cumsum(self.tokens[order] + HEADER_TOKENS)
        gold = np.cumsum(self.gold[order])
        ends = [int(np.searchsorted(sizes, budget, side="right")) for budget in BUDGETS]
        return [float(gold[end - 1] / gold[-1]) if end else 0.0 for end in ends]


def fit(config: Config, say: Say) -> Path:
    """Rate, choose, write; the file's path."""
    critic = load_critic(CompressorConfig(critic=Path(config.critic), similarity=False))
    if not isinstance(critic, SmallCritic):
        raise SettingsError(
            f"{config.critic} holds a critic that weighs nothing in.", "Name one of MiniLM size."
        )
    critic.use(Fusion(config.encoder, 0.0, 1.0, 0.0))
    corpus = load(Path(config.data))
    size = config.per_source, config.characters, config.seed
    hays = haystacks(corpus, config.sources, *size, chosen=put_aside)
    rated = []
    for number, hay in enumerate(hays, 1):
        one = rate(critic, hay)
        if one.gold.any():  # else all of its evidence stands in headings
            rated.append(one)
        if number % 20 == 0:
            say(f"{number} questions")
    if not rated:
        raise DataError(
            f"{config.data} has no evidence of {', '.join(config.sources)} in documents put aside.",
            "Name other sources, or give a folder with more documents: one in ten is put aside.",
        )
    pairs = list(product(config.weights, config.words))
    tables = {pair: np.mean([each.kept(pair) for each in rated], axis=0) for pair in pairs}
    for (weight, words), row in tables.items():
        shares = " ".join(f"{100 * share:.1f}" for share in row)
        say(f"weight {weight:g}, words {words:g}: {shares}, mean {100 * row.mean():.1f}")
    means = {each: float(row.mean()) for each, row in tables.items()}
    best = max(means.values())
    chosen = min((each for each, mean in means.items() if mean >= best - CLOSE), key=sum)
    logits = np.concatenate([each.logits(chosen) for each in rated])
    evidence = np.concatenate([2 * each.gold >= each.characters for each in rated])
    scale, bias = platt(logits, evidence)
    path = Path(config.critic) / FUSION
    fusion = Fusion(config.encoder, chosen[0], round(scale, 4), round(bias, 4), chosen[1])
    path.write_text(json.dumps(asdict(fusion), indent=1) + "\n", "utf-8")
    say(f"{len(rated)} questions, {len(logits)} units: {fusion}")
    return path


def rate(critic: SmallCritic, hay: Haystack) -> Rated:
    """What critic and embeddings say of a document's units."""
    document, asked = hay.document, (Instruction(), hay.question)
    merged = scored(critic, asked, [document])[0]
    found = [unit for unit in units(document, "sentence") if not unit.heading]
    read = read_units(merged, found, Around(hay.question, [document], never_cancelled))
    watch = (no_progress, never_cancelled)
    cosine = critic.cosines(asked, merged.prepared, read.places, watch)
    overlap = [
        sum(max(0, min(b, unit.end) - max(a, unit.start)) for a, b in hay.gold) for unit in found
    ]
    return Rated(
        read.keep,
        cosine,
        read.around,
        np.array(overlap),
        np.array([unit.end - unit.start for unit in found]),
        read.places[1] - read.places[0],
    )


def platt(logits: NDArray[np.float64], true: NDArray[np.bool_]) -> tuple[float, float]:
    """``scale`` and ``bias`` of the likeliest ``sigmoid(scale * logit + bias)``."""
    points, wanted = torch.from_numpy(logits), torch.from_numpy(true.astype(np.float64))
    found = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.binary_cross_entropy_with_logits(points * found[0] + found[1], wanted)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    scale, bias = found.tolist()
    return scale, bias


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train critic-fusion`` runs it; a smoke run on made-up documents."""
    config = read_toml(Config, path, smoke)
    if smoke:
        folder = Path(tempfile.mkdtemp(prefix="longdoc-smoke-"))
        critic = shutil.copytree(config.critic, folder / "critic")
        config = replace(config, data=str(made_corpus(folder)), critic=str(critic))
    return fit(config, say)
