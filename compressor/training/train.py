"""Train the small critic: ``python -m compressor.training.train --data DIR --out DIR``.

One script, top to bottom. It starts from a small sentence encoder and learns two things a
token: keep or not (binary cross entropy) and the boundary B, I, O or E (focal cross entropy,
gamma 2, as in the published code); the losses are summed. A random half of the tokens that
are not evidence is left out of the loss, as the paper has it.

Simplified: no epochs, windows are drawn without end; the learning rate follows the clock (the
run lasts ``max_minutes`` whatever the machine is). A run is resumed from the newest
checkpoint in ``--out``; the loss goes to ``log.jsonl`` there. ``--smoke`` takes three steps.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from compressor.critics.encoder import CriticModel, load_model, save_model, start_from
from compressor.training.data import Example, Sampler, load

MAX_LENGTH = 512
IGNORED = -100
B, I, O, E = range(4)  # noqa: E741 - the published names of the classes


@dataclass(frozen=True, slots=True)
class Config:
    """What ``critic.toml`` says; the file explains each."""

    base: str
    start: str
    freeze_layers: int
    window_characters: list[int]
    seed: int
    max_minutes: float
    max_steps: int
    batch_tokens: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    masked_share: float
    positive_share: float
    checkpoint_steps: int
    log_steps: int
    threads: int
    bf16: bool
    attention: str
    sources: dict[str, float]


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step; ``keep`` is -1 and ``boundary`` -100 where there is no loss."""

    ids: Tensor
    types: Tensor
    mask: Tensor
    keep: Tensor
    boundary: Tensor


def read_config(path: Path, smoke: bool) -> Config:
    """The configuration file, with its ``[smoke]`` values on top where asked."""
    values: dict[str, Any] = tomllib.loads(path.read_text())
    small = values.pop("smoke", {})
    return replace(Config(**values), **small) if smoke else Config(**values)


def encode(
    tokenizer: Tokenizer, examples: list[Example], masked: float, rng: random.Random
) -> Batch:
    """Token ids and labels. Two segments: prompt and header, then the window's text."""
    rows = []
    for example in examples:
        prompt = tokenizer.encode(example.prompt, add_special_tokens=False).ids[:96]
        header = tokenizer.encode(example.header, add_special_tokens=False).ids[:64]
        body = tokenizer.encode(example.text, add_special_tokens=False)
        cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        head = [cls, *prompt, sep, *header, sep]
        room = MAX_LENGTH - len(head) - 1
        keep, boundary = label(body.offsets[:room], example.gold)
        left_out = [not k and rng.random() < masked for k in keep]
        rows.append(
            (
                [*head, *body.ids[:room], sep],
                len(head),
                [-1 if out else k for k, out in zip(keep, left_out, strict=True)],
                [IGNORED if out else b for b, out in zip(boundary, left_out, strict=True)],
            )
        )
    length = max(len(ids) for ids, *_ in rows)
    shape = (len(rows), length)
    batch = Batch(
        torch.zeros(shape, dtype=torch.long),
        torch.zeros(shape, dtype=torch.long),
        torch.zeros(shape, dtype=torch.long),
        torch.full(shape, -1, dtype=torch.long),
        torch.full(shape, IGNORED, dtype=torch.long),
    )
    for i, (ids, head_length, keep, boundary) in enumerate(rows):
        batch.ids[i, : len(ids)] = torch.tensor(ids)
        batch.mask[i, : len(ids)] = 1
        batch.types[i, head_length : len(ids)] = 1
        batch.keep[i, head_length : head_length + len(keep)] = torch.tensor(keep)
        batch.boundary[i, head_length : head_length + len(keep)] = torch.tensor(boundary)
    return batch


def label(
    offsets: list[tuple[int, int]], gold: tuple[tuple[int, int], ...]
) -> tuple[list[int], list[int]]:
    """Keep (0 or 1) and boundary class of every token."""
    keep = [0] * len(offsets)
    boundary = [O] * len(offsets)
    for start, end in gold:
        inside = [i for i, (a, b) in enumerate(offsets) if a < end and start < b]
        for i in inside:
            keep[i], boundary[i] = 1, I
        if inside:
            boundary[inside[-1]] = E
            boundary[inside[0]] = B
    return keep, boundary


def loss_of(model: CriticModel, batch: Batch, bf16: bool) -> tuple[Tensor, Tensor]:
    """The keep loss and the boundary loss."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        keep, boundary = model(batch.ids, batch.types, batch.mask)
    used = batch.keep >= 0
    keep_loss = functional.binary_cross_entropy_with_logits(
        keep.float()[used], batch.keep[used].float()
    )
    entropy = functional.cross_entropy(
        boundary.float()[used], batch.boundary[used], reduction="none"
    )
    focal = (1 - torch.exp(-entropy)) ** 2 * entropy
    return keep_loss, focal.mean()


def rate_at(config: Config, step: int, started: float) -> float:
    """Linear warm-up by steps, then down to 2% by the share of time (or steps) gone."""
    gone = max((time.monotonic() - started) / 60 / config.max_minutes, step / config.max_steps)
    decay = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, gone)))
    return config.learning_rate * decay * min(1.0, (step + 1) / config.warmup_steps)


def save(
    model: CriticModel, optimizer: torch.optim.Optimizer, tokenizer: Tokenizer, out: Path, step: int
) -> None:
    """A checkpoint that can be used and resumed, put in place whole."""
    fresh = out / "checkpoint.new"
    save_model(model, fresh)
    tokenizer.save(str(fresh / "tokenizer.json"), pretty=False)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state, fresh / "resume.pt")
    current = out / "checkpoint"
    if current.exists():
        shutil.rmtree(current)
    fresh.rename(current)


def begun(config: Config, base: Path) -> CriticModel:
    """The model to train: from the encoder in ``base``, or on from the critic in ``start``. Word
    embeddings and the lowest ``freeze_layers`` layers stay as they are: the backward pass, two
    thirds of a step, stops above them."""
    model = load_model(Path(config.start), config.attention) if config.start else None
    model = (model or start_from(base, config.attention)).train()
    if config.freeze_layers:
        frozen = [model.encoder.embeddings, *model.encoder.encoder.layer[: config.freeze_layers]]
        for part in frozen:
            part.requires_grad_(False)
    return model


def train(config: Config, data: Path, base: Path, out: Path) -> None:
    """The run."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sampler = Sampler(load(data), config.sources, config.positive_share)
    model = begun(config, base)
    optimizer = torch.optim.AdamW(
        [each for each in model.parameters() if each.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )
    first = 0
    if (resume := out / "checkpoint" / "resume.pt").exists():
        state = torch.load(resume, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = int(state["step"])
    out.mkdir(parents=True, exist_ok=True)
    started, tokens = time.monotonic(), 0
    step = first
    with (out / "log.jsonl").open("a") as log:
        while step < config.max_steps and time.monotonic() - started < config.max_minutes * 60:
            rng = random.Random(config.seed * 1_000_003 + step)
            size = rng.choice(config.window_characters)
            count = max(2, config.batch_tokens // (size // 4 + 40))
            batch = encode(tokenizer, sampler.examples(rng, size, count), config.masked_share, rng)
            rate = rate_at(config, step - first, started)
            for group in optimizer.param_groups:
                group["lr"] = rate
            keep_loss, boundary_loss = loss_of(model, batch, config.bf16)
            optimizer.zero_grad()
            (keep_loss + boundary_loss).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            tokens += int(batch.mask.sum())
            if step % config.log_steps == 0:
                seconds = time.monotonic() - started
                row = {
                    "step": step,
                    "keep": round(keep_loss.item(), 4),
                    "boundary": round(boundary_loss.item(), 4),
                    "rate": rate,
                    "tokens": tokens,
                    "seconds": round(seconds, 1),
                }
                log.write(json.dumps(row) + "\n")
                log.flush()
            if step % config.checkpoint_steps == 0:
                save(model, optimizer, tokenizer, out, step)
        save(model, optimizer, tokenizer, out, step)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of *.jsonl.gz files")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("critic.toml"))
    parser.add_argument("--out", type=Path, default=Path("runs/critic"))
    parser.add_argument("--base", type=Path, help="folder of the encoder to start from")
    parser.add_argument("--max-minutes", type=float, help="instead of the configured time")
    parser.add_argument("--smoke", action="store_true", help="three small steps")
    args = parser.parse_args()
    config = read_config(args.config, args.smoke)
    if args.max_minutes:
        config = replace(config, max_minutes=args.max_minutes)
    train(config, args.data, args.base or base_folder(config.base), args.out)


def base_folder(name: str) -> Path:
    """Where the encoder's files are, fetched if need be."""
    from weights import ensure

    return Path(ensure(name))


if __name__ == "__main__":
    main()
