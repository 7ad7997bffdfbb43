"""Train a critic of the published architecture: ``longdoc train critic-cprs --config
compressor/training/cprs.toml``.

One script, top to bottom. It starts from the weights of a Qwen2 or Llama model, the upper layers
made bidirectional, and learns at every token of a window which word of the vocabulary it is
("outside", or the category's) and which boundary (B, I, O or E): the plain sum of the cross
entropy over the vocabulary and of the boundaries' (QwenLong-CPRS, arXiv 2505.18092, and its
released ``modeling_qwen2.py``; focal with gamma 2, as there). A random half of the tokens that are
not evidence is left out of both, as the paper has it.

Simplified: one device; windows are drawn without end and are those of the small critic's training;
the learning rate follows the clock. With ``all_words`` off the first loss weighs the two label
words alone, whose difference is all that decides: a fraction of the cost on a CPU. A run is
resumed from the newest checkpoint in ``out``, its time and learning rate as they were then.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from compressor.critics.qwen_input import CprsInput
from compressor.critics.qwen_model import CprsModel, Settings, save_model, start_from, tokenizer_of
from compressor.training.data import Corpus, Example, Sampler, load
from compressor.training.runs import (
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


@dataclass(frozen=True, slots=True)
class Config:
    """What ``cprs.toml`` says; the file explains each."""

    data: str
    out: str
    base: str
    layers: int
    first_bidirectional_layer: int
    freeze_layers: int
    lm_head: bool
    all_words: bool
    window_tokens: int
    header_tokens: int
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
    sources: dict[str, float]


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of one step: ``ids``, [windows, length], padded on the right to ``lengths``; where
    labelled tokens stand (``rows``, ``places``), their ``boundary``, [n], whether it is kept, and
    the ids of "outside" and of their category's ``words``, [n, 2]."""

    ids: Tensor
    lengths: list[int]
    rows: Tensor
    places: Tensor
    boundary: Tensor
    keep: Tensor
    words: Tensor


def encode(
    reader: CprsInput,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    config: Config,
    rng: random.Random,
) -> Batch:
    """Token ids in the published form, and the labels that are not left out."""
    ids, rows, places, boundary, keep, words = [], [], [], [], [], []
    line_end = reader.encode("\n")
    for row, example in enumerate(examples):
        header = reader.encode(example.header)[: config.header_tokens]
        head = [*reader.prompt(*example.asked), *header, *(line_end if header else ())]
        text = tokenizer.encode(example.text, add_special_tokens=False)
        room = config.window_tokens - len(head)
        kept, bounds = label(text.offsets[:room], example.gold)
        ids.append([*head, *text.ids[:room]])
        for place, (is_kept, bound) in enumerate(zip(kept, bounds, strict=True), len(head)):
            if is_kept or rng.random() >= config.masked_share:
                rows.append(row)
                places.append(place)
                boundary.append(bound)
                keep.append(is_kept)
                words.append(reader.words[example.asked[0].granularity])
    padded = torch.zeros((len(ids), max(map(len, ids))), dtype=torch.long)
    for row, own in enumerate(ids):
        padded[row, : len(own)] = torch.tensor(own)
    tensors = [torch.tensor(each) for each in (rows, places, boundary, keep, words)]
    return Batch(padded, [len(own) for own in ids], *tensors)


def loss_of(model: CprsModel, batch: Batch, all_words: bool, bf16: bool) -> tuple[Tensor, Tensor]:
    """The words' loss (0 without a language model's head) and the boundaries', on the model's
    device."""
    device = model.cls_head.weight.device
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        hidden = model(batch.ids.to(device), batch.lengths)
        found = hidden[batch.rows.to(device), batch.places.to(device)]
        bounds = model.cls_head(found).float()
        entropy = functional.cross_entropy(bounds, batch.boundary.to(device), reduction="none")
        boundary = focal(entropy)
        if model.lm_head is None:
            return boundary.new_zeros(()), boundary
        keep, words = batch.keep.to(device), batch.words.to(device)
        if all_words:
            wanted = words.gather(1, keep[:, None])[:, 0]
            return functional.cross_entropy(model.lm_head(found).float(), wanted), boundary
        logits = (model.lm_head.weight[words] * found[:, None]).sum(-1).float()
    return functional.cross_entropy(logits, keep), boundary


def begun(config: Config, base: Path) -> CprsModel:
    """The model to train. Embeddings, with a head that is tied to them, and the lowest
    ``freeze_layers`` layers stay as they are."""
    settings = Settings(
        config.first_bidirectional_layer, config.lm_head, config.window_tokens, config.header_tokens
    )
    model = start_from(base, settings, config.layers).train()
    if config.freeze_layers:
        for part in (model.model.embed_tokens, *model.model.layers[: config.freeze_layers]):
            part.requires_grad_(False)
    return model


def train(config: Config, say: Say = print) -> Path:
    """The run, from its newest checkpoint; the checkpoint's folder."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    base, out = _weights(config.base), Path(config.out)
    tokenizer = tokenizer_of(base)
    reader = CprsInput(tokenizer, config.window_tokens)
    corpus = load(Path(config.data))
    sampler = Sampler(corpus, config.sources, config.positive_share)
    read = partial(drawn, config, sampler, (reader, tokenizer))
    device, dtype = device_and_dtype("auto" if config.bf16 else "fp32")
    bf16 = dtype is torch.bfloat16
    model = begun(config, base).to(device)
    held = _held_batches(config, corpus, reader, tokenizer)
    optimizer = torch.optim.AdamW(
        [each for each in model.parameters() if each.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )
    first, gone = resumed(model, optimizer, out)
    log, write = Log(out, first), partial(save_model, model, dtype=torch.float16)
    started, tokens, step = time.monotonic() - gone, 0, first
    for batch in batches(read, first, config.max_steps, config.workers):
        if time.monotonic() - started >= config.max_minutes * 60:
            break
        rate = rate_at(config, step, time.monotonic() - started)
        for group in optimizer.param_groups:
            group["lr"] = rate
        words, boundary = loss_of(model, batch, config.all_words, bf16)
        optimizer.zero_grad()
        (words + boundary).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        tokens += sum(batch.lengths)
        row = {"words": words.item(), "boundary": boundary.item(), "rate": rate}
        row |= {"tokens": tokens, "seconds": time.monotonic() - started}
        if step % config.checkpoint_steps == 0:
            seconds = time.monotonic() - started
            save(write, model, optimizer, tokenizer, out, step=step, seconds=seconds)
            row |= measured(model, held, config, bf16)
        if step % config.log_steps == 0 or "held_words" in row:
            log.write(step, row)
            say(f"step {step}: " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
    seconds = time.monotonic() - started
    save(write, model, optimizer, tokenizer, out, step=step, seconds=seconds)
    log.close()
    return out / "checkpoint"


def drawn(
    config: Config, sampler: Sampler, readers: tuple[CprsInput, Tokenizer], step: int
) -> Batch:
    """The windows of one step."""
    rng = random.Random(config.seed * 1_000_003 + step)
    size = rng.choice(config.window_characters)
    count = max(1, config.batch_tokens // (size // 4 + readers[0].prompt_tokens + 40))
    return encode(*readers, sampler.examples(rng, size, count), config, rng)


def measured(
    model: CprsModel, held: Sequence[Batch], config: Config, bf16: bool
) -> dict[str, float]:
    """The mean losses over the held-back windows."""
    if not held:
        return {}
    model.eval()
    with torch.inference_mode():
        losses = [loss_of(model, batch, config.all_words, bf16) for batch in held]
    model.train()
    words, boundary = (sum(pair[i].item() for pair in losses) / len(losses) for i in (0, 1))
    return {"held_words": words, "held_boundary": boundary}


def _held_batches(
    config: Config, corpus: Corpus, reader: CprsInput, tokenizer: Tokenizer
) -> list[Batch]:
    """Windows of the documents held back, the same ones in every run; none where no source of the
    configuration has any."""
    rng = random.Random(0)
    try:
        sampler = Sampler(corpus, config.sources, config.positive_share, held=True)
    except DataError:
        return []
    whole = replace(config, masked_share=0.0)
    count = config.held_windows
    windows = [sampler.examples(rng, size, count) for size in config.window_characters]
    return [encode(reader, tokenizer, examples, whole, rng) for examples in windows]


def _weights(name: str) -> Path:
    """A folder of weights as they are, or the GGUF file of one that has none else."""
    folder = base_folder(name)
    files = sorted(folder.glob("*.gguf"))
    return files[0] if files and not (folder / "config.json").is_file() else folder


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train critic-cprs`` runs it. A smoke run keeps to a fresh folder and
    to a few made-up documents."""
    config = read_toml(Config, path, smoke)
    if smoke:
        folder = Path(tempfile.mkdtemp(prefix="longdoc-smoke-"))
        config = replace(config, data=str(made_corpus(folder)), out=str(folder / "critic"))
    return train(config, say)
