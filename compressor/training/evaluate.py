"""Measure a critic: ``python -m compressor.training.evaluate --data DIR [--critic DIR]``.

The share of evidence characters kept at token budgets, over long documents joined from what
was held back from training, beside the same units (sentences and table rows) ranked by BM25,
by a sentence encoder's cosine, and at random. Tokens are the critic's. A ranking keeps its
best units up to the first that no longer fits.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.compressor import Compressor
from compressor.config import CompressorConfig
from compressor.instruction import Instruction
from compressor.training.data import Range, load
from compressor.training.haystacks import Haystack, haystacks
from compressor.units import units

BUDGETS = (300, 1000, 2000)
SOURCES = ["cuad", "tatqa", "policyqa", "qmsum", "covidqa", "evidence_inference", "squad"]
METHODS = ("critic", "bm25", "minilm", "random")


class Encoder:
    """The sentence encoder that the critic started from, as retrieval uses it."""

    def __init__(self, folder: Path) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModel

        self._torch = torch
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 for each text: the mean of its first 256 tokens."""
        torch = self._torch
        encoded = [each.ids for each in self.tokenizer.encode_batch(list(texts))]
        rows = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
        for first in range(0, len(order), 32):
            batch = order[first : first + 32]
            ids = torch.zeros((len(batch), max(len(encoded[i]) for i in batch)), dtype=torch.long)
            for row, i in enumerate(batch):
                ids[row, : len(encoded[i])] = torch.tensor(encoded[i])
            mask = ids != 0
            with torch.inference_mode():
                hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            rows[batch] = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def rankings(
    hay: Haystack, compressor: Compressor, encoder: Encoder
) -> tuple[dict[str, list[Range]], float]:
    """The document's units in each method's order, and the critic's tokens a second."""
    document = hay.document
    found = compressor.compress(Instruction("sentence"), hay.question, (document,))
    ranges = [(u.start, u.end) for u in units(document, "sentence") if not u.heading]
    texts = [document.text[a:b] for a, b in ranges]
    cosines = encoder(texts) @ encoder([hay.question])[0]
    shuffled = random.Random(hay.question).sample(ranges, len(ranges))
    ranked = {
        "critic": [(e.span.start, e.span.end) for e in found.units],
        "bm25": _in_order(ranges, word_scores(hay.question, texts)),
        "minilm": _in_order(ranges, cosines),
        "random": shuffled,
    }
    return ranked, found.stats.tokens_per_s


def word_scores(question: str, texts: list[str]) -> NDArray[np.float32]:
    """BM25 of every text."""
    import bm25s

    corpus = bm25s.tokenize(texts, stopwords="en", show_progress=False)
    words = bm25s.tokenize([question], stopwords="en", return_ids=False, show_progress=False)[0]
    model = bm25s.BM25()
    model.index(corpus, show_progress=False)
    known = [word for word in words if word in corpus.vocab]
    return np.asarray(model.get_scores(known) if known else np.zeros(len(texts)), np.float32)


def _in_order(ranges: list[Range], scores: NDArray[np.float32]) -> list[Range]:
    return [ranges[i] for i in np.argsort(-scores, kind="stable")]


def kept_share(gold: Sequence[Range], ranked: Sequence[Range], sizes: Sequence[int]) -> list[float]:
    """The share of ``gold``'s characters kept at each of `BUDGETS`. ``sizes``: tokens of each
    range."""
    total = sum(b - a for a, b in gold)
    shares = []
    for budget in BUDGETS:
        used = kept = 0
        for (start, end), size in zip(ranked, sizes, strict=True):
            if used + size > budget:
                break
            used += size
            kept += sum(max(0, min(b, end) - max(a, start)) for a, b in gold)
        shares.append(kept / total)
    return shares


def measure(
    hays: Sequence[Haystack], compressor: Compressor, encoder: Encoder
) -> tuple[list[dict[str, Any]], float]:
    """One row for each question, and the median of the critic's tokens a second."""
    rows, rates = [], []
    count = encoder.tokenizer
    for done, hay in enumerate(hays, 1):
        ranked, rate = rankings(hay, compressor, encoder)
        rates.append(rate)
        row: dict[str, Any] = {"kind": hay.kind, "question": hay.question}
        for method, ranges in ranked.items():
            best = ranges[:400]
            texts = [hay.document.text[a:b] for a, b in best]
            sizes = [len(e.ids) - 2 for e in count.encode_batch(texts)]
            row[method] = kept_share(hay.gold, best, sizes)
        rows.append(row)
        sys.stderr.write(f"\r{done}/{len(hays)} questions")
    sys.stderr.write("\n")
    return rows, float(np.median(rates))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Means by source and over all questions, in per cent, as Markdown."""
    heads = [f"{method} {budget}" for method in METHODS for budget in BUDGETS]
    lines = [f"| source | n | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    for kind in [*dict.fromkeys(row["kind"] for row in rows), "all"]:
        chosen = [row for row in rows if kind in (row["kind"], "all")]
        means = [np.mean([row[method] for row in chosen], axis=0) for method in METHODS]
        cells = " | ".join(f"{100 * value:.0f}" for mean in means for value in mean)
        lines.append(f"| {kind} | {len(chosen)} | {cells} |")
    return "\n".join(lines)


def interval(rows: Sequence[dict[str, Any]], other: str, seed: int) -> str:
    """The mean difference critic minus ``other`` in points, with a 95% bootstrap interval over
    questions, at each budget."""
    gap = 100 * np.array([np.subtract(row["critic"], row[other]) for row in rows])
    draws = np.random.default_rng(seed).integers(0, len(gap), (2000, len(gap)))
    low, high = np.percentile(gap[draws].mean(1), (2.5, 97.5), axis=0)
    parts = [
        f"{budget}: {mean:+.1f} [{a:+.1f}, {b:+.1f}]"
        for budget, mean, a, b in zip(BUDGETS, gap.mean(0), low, high, strict=True)
    ]
    return f"critic - {other}: {'; '.join(parts)}"


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of *.jsonl.gz files")
    parser.add_argument("--critic", type=Path, help="a checkpoint; else the committed one")
    parser.add_argument("--base", type=Path, help="folder of the sentence encoder")
    parser.add_argument("--sources", nargs="+", default=SOURCES)
    parser.add_argument("--per-source", type=int, default=12)
    parser.add_argument("--characters", type=int, default=48_000, help="length of a document")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, help="write one JSON line for each question")
    args = parser.parse_args()
    if args.base is None:
        from weights import ensure

        args.base = ensure("all-minilm-l6-v2")
    corpus = load(args.data)
    hays = list(haystacks(corpus, args.sources, args.per_source, args.characters, args.seed))
    compressor = Compressor(CompressorConfig(critic=args.critic, threads=args.threads))
    started = time.monotonic()
    rows, rate = measure(hays, compressor, Encoder(args.base))
    if args.out:
        args.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = [table(rows), *(interval(rows, other, args.seed) for other in METHODS[1:])]
    seconds = time.monotonic() - started
    report.append(f"{len(rows)} questions, {seconds:.0f} s; critic {rate:.0f} tokens/s (median)")
    sys.stdout.write("\n".join(report) + "\n")


if __name__ == "__main__":
    main()
