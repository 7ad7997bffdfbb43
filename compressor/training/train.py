"""Train the small critic: ``longdoc train critic --config compressor/training/critic.toml``.

One script, top to bottom. It starts from a small sentence encoder and learns two things a
token: keep or not (binary cross entropy) and the boundary B, I, O or E (focal cross entropy,
gamma 2, as in the published code); the losses are summed. A random half of the tokens that
are not evidence is left out of the loss, as the paper has it.

With ``apart_layers`` the lowest layers read prompt and text apart (`CriticModel`); some of what
that costs is won back by learning from what a ``teacher`` says of the same windows, a critic that
reads them together, as DeFormer does (Cao et al. 2020, section 3.2; here of its outputs alone).

Simplified: no epochs, windows are drawn without end; the learning rate follows the clock (the
run lasts ``max_minutes`` whatever the machine is). A run is resumed from the newest checkpoint
in ``out``, its time and learning rate as they were then. The losses go to ``log.jsonl`` and
TensorBoard there, at each checkpoint those on documents held back too.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from compressor.critics.encoder import CriticModel, load_model, save_model, start_from
from compressor.training.data import Corpus, Example, Sampler, load
from compressor.training.runs import (
    IGNORED,
    Log,
    base_folder,
    label,
    made_corpus,
    rate_at,
    read_toml,
)
from compressor.training.steps import batches, focal, resumed, save
from documents.errors import DataError
from weights.device import device_and_dtype

Say = Callable[[str], None]
MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Config:
    """What ``critic.toml`` says; the file explains each."""

    data: str
    out: str
    base: str
    start: str
    freeze_layers: int
    apart_layers: int
    teacher: str
    teacher_share: float
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
    held_windows: int
    workers: int
    threads: int
    bf16: bool
    attention: str
    sources: dict[str, float]


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step; ``keep`` is -1 and ``boundary`` -100 where there is no loss.
    ``prompts``: the tokens of each row before its header."""

    ids: Tensor
    types: Tensor
    mask: Tensor
    keep: Tensor
    boundary: Tensor
    prompts: Tensor

    def on(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(*(getattr(self, each.name).to(device) for each in fields(self)))

    def prompt(self) -> tuple[Tensor, Tensor]:
        """Ids and mask of the prompts alone."""
        places = torch.arange(int(self.prompts.max()), device=self.ids.device)
        mask = (places < self.prompts[:, None]).long()
        return self.ids[:, : len(places)] * mask, mask

    def text(self) -> Batch:
        """The rows without their prompts; [CLS] opens them too."""
        ids = self.shifted(self.ids, 0)
        ids[:, 0] = self.ids[:, 0]
        return Batch(
            ids,
            self.shifted(self.types, 0),
            self.shifted(self.mask, 0),
            self.shifted(self.keep, -1),
            self.shifted(self.boundary, IGNORED),
            torch.zeros_like(self.prompts),
        )

    def shifted(self, values: Tensor, nothing: float) -> Tensor:
        """What stands in each row from the last token of its prompt on; ``nothing`` behind it."""
        length = int((self.mask.sum(1) - self.prompts).max()) + 1
        places = self.prompts[:, None] - 1 + torch.arange(length, device=values.device)
        found = values.gather(1, places.clamp(max=values.shape[1] - 1))
        return found.masked_fill(places >= values.shape[1], nothing)


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
                len(prompt) + 2,
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
        torch.tensor([prompt for _, _, prompt, _, _ in rows]),
    )
    for i, (ids, head_length, _, keep, boundary) in enumerate(rows):
        batch.ids[i, : len(ids)] = torch.tensor(ids)
        batch.mask[i, : len(ids)] = 1
        batch.types[i, head_length : len(ids)] = 1
        batch.keep[i, head_length : head_length + len(keep)] = torch.tensor(keep)
        batch.boundary[i, head_length : head_length + len(keep)] = torch.tensor(boundary)
    return batch


def loss_of(
    model: CriticModel,
    batch: Batch,
    bf16: bool,
    teacher: CriticModel | None = None,
    share: float = 0,
) -> tuple[Tensor, Tensor]:
    """The keep loss and the boundary loss, on the model's device. ``share`` of the keep loss is
    against the probabilities of the ``teacher``."""
    batch = batch.on(model.keep.weight.device)
    wanted = batch.text() if model.apart else batch
    with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=bf16):
        prompt = batch.prompt() if model.apart else None
        keep, boundary = model(wanted.ids, wanted.types, wanted.mask, prompt)
    used = wanted.keep >= 0
    against = wanted.keep[used].float()
    if teacher is not None:
        with torch.inference_mode(), torch.autocast(batch.ids.device.type, torch.bfloat16, bf16):
            said = torch.sigmoid(teacher(batch.ids, batch.types, batch.mask)[0].float())
        said = batch.shifted(said, 0) if model.apart else said
        against = (1 - share) * against + share * said[used].clone()
    keep_loss = functional.binary_cross_entropy_with_logits(keep.float()[used], against)
    entropy = functional.cross_entropy(
        boundary.float()[used], wanted.boundary[used], reduction="none"
    )
    return keep_loss, focal(entropy)


def begun(config: Config, base: Path) -> CriticModel:
    """The model to train: from the encoder in ``base``, or on from the critic in ``start``. Word
    embeddings and the lowest ``freeze_layers`` layers stay as they are: the backward pass, two
    thirds of a step, stops above them."""
    model = load_model(Path(config.start), config.attention) if config.start else None
    model = (model or start_from(base, config.attention)).train()
    model.config.apart_layers = config.apart_layers
    if config.freeze_layers:
        frozen = [model.encoder.embeddings, *model.encoder.encoder.layer[: config.freeze_layers]]
        for part in frozen:
            part.requires_grad_(False)
    return model


def train(config: Config, say: Say = print) -> Path:
    """The run, from its newest checkpoint; the checkpoint's folder."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    base, out = base_folder(config.base), Path(config.out)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    corpus = load(Path(config.data))
    sampler = Sampler(corpus, config.sources, config.positive_share)
    held = held_batches(config, corpus, tokenizer)
    read = partial(drawn, config, sampler, tokenizer)
    device, dtype = device_and_dtype("auto" if config.bf16 else "fp32")
    model, bf16 = begun(config, base).to(device), dtype is torch.bfloat16
    optimizer = torch.optim.AdamW(
        [each for each in model.parameters() if each.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )
    teacher = None
    if config.teacher:
        teacher = load_model(Path(config.teacher), config.attention).to(device)
    first, gone = resumed(model, optimizer, out)
    log, write = Log(out, first), partial(save_model, model)
    started, tokens, step = time.monotonic() - gone, 0, first
    for batch in batches(read, first, config.max_steps, config.workers):
        if time.monotonic() - started >= config.max_minutes * 60:
            break
        rate = rate_at(config, step, time.monotonic() - started)
        for group in optimizer.param_groups:
            group["lr"] = rate
        keep_loss, boundary_loss = loss_of(model, batch, bf16, teacher, config.teacher_share)
        optimizer.zero_grad()
        (keep_loss + boundary_loss).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        tokens += int(batch.mask.sum())
        row = {"keep": keep_loss.item(), "boundary": boundary_loss.item(), "rate": rate}
        row |= {"tokens": tokens, "seconds": time.monotonic() - started}
        if step % config.checkpoint_steps == 0:
            seconds = time.monotonic() - started
            save(write, model, optimizer, tokenizer, out, step=step, seconds=seconds)
            row |= measured(model, held, bf16)
        if step % config.log_steps == 0 or "held_keep" in row:
            log.write(step, row)
            say(f"step {step}: " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
    seconds = time.monotonic() - started
    save(write, model, optimizer, tokenizer, out, step=step, seconds=seconds)
    log.close()
    return out / "checkpoint"


def drawn(config: Config, sampler: Sampler, tokenizer: Tokenizer, step: int) -> Batch:
    """The windows of one step."""
    rng = random.Random(config.seed * 1_000_003 + step)
    size = rng.choice(config.window_characters)
    count = max(2, config.batch_tokens // (size // 4 + 40))
    return encode(tokenizer, sampler.examples(rng, size, count), config.masked_share, rng)


def held_batches(config: Config, corpus: Corpus, tokenizer: Tokenizer) -> list[Batch]:
    """Windows of the documents held back, the same ones in every run; none where no source of the
    configuration has any."""
    rng = random.Random(0)
    try:
        sampler = Sampler(corpus, config.sources, config.positive_share, held=True)
    except DataError:
        return []
    count = config.held_windows
    windows = [sampler.examples(rng, size, count) for size in config.window_characters]
    return [encode(tokenizer, examples, 0.0, rng) for examples in windows]


def measured(model: CriticModel, held: list[Batch], bf16: bool) -> dict[str, float]:
    """The mean losses over the held-back windows."""
    if not held:
        return {}
    model.eval()
    with torch.inference_mode():
        losses = [loss_of(model, batch, bf16) for batch in held]
    model.train()
    keep, boundary = (sum(pair[i].item() for pair in losses) / len(losses) for i in (0, 1))
    return {"held_keep": keep, "held_boundary": boundary}


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train critic`` runs it. A smoke run keeps to a fresh folder and to a
    few made-up documents."""
    config = read_toml(Config, path, smoke)
    if smoke:
        folder = Path(tempfile.mkdtemp(prefix="longdoc-smoke-"))
        config = replace(config, data=str(made_corpus(folder)), out=str(folder / "critic"))
    return train(config, say)
