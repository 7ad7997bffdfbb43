"""Warm-up SFT (QwenLong-L1, arXiv 2505.17667, section 3.2): imitate traces before any RL.

One script, top to bottom. Each row of ``data`` gives the traces that were sampled for it and,
with ``gold``, the one made from its evidence (`traces`). The loss is the mean negative
log-likelihood of the replies' tokens, their end included, over the whole batch; the prompt has
none. The learning rate rises over ``warmup_steps`` and then falls in a line to nothing. The
trained model is written to ``out/model``, the log to ``out/log.jsonl`` and ``out/tensorboard``.

A run that was killed goes on from ``out/checkpoint.pt`` when started again with the same
configuration, and gives the same losses as one never killed: what a step reads, and the random
numbers it draws, follow from its number alone. Another configuration is refused there.

Against the paper: it says 3 epochs, batch 128, learning rate 5e-6 and inputs up to 20K, which
``sft.toml`` has where a small machine allows; its schedule is not told, so the one above is
longdoc's. Simplified: one device, no FSDP, no packing of several replies into one sequence; a
sequence longer than ``longest`` is left out and counted, never cut, as a cut would take evidence.

    longdoc train policy-sft --config policy/training/sft.toml            # one CPU or GPU
    longdoc train policy-sft --config policy/training/sft.toml --smoke    # a random model, seconds
"""

from __future__ import annotations

import math
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from documents.errors import DataError, SettingsError
from policy.thinking import OPEN
from policy.training import checkpoints
from policy.training.config import read_config
from policy.training.logs import Log
from policy.training.losses import nll, token_logps
from policy.training.models import (
    device_of,
    folder_of,
    ids_of,
    load_tokenizer,
    prompt_text,
    stamp,
    to_train,
)
from policy.training.rows import Row, read_rows
from policy.training.traces import traces

Say = Callable[[str], None]
STEP_SEED = 1_000_003
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Config:
    """What ``sft.toml`` says; the file explains each."""

    model: str
    data: tuple[str, ...]
    out: str
    held: tuple[str, ...] = ()
    rows: int = 0
    gold: bool = True
    epochs: int = 3
    batch: int = 128
    micro_batch: int = 1
    learning_rate: float = 5e-6
    warmup_steps: int = 10
    weight_decay: float = 0.0
    clip: float = 1.0
    longest: int = 20_480
    lora_rank: int = 0
    recompute: bool = False
    bf16: bool = False
    device: str = ""
    threads: int = 0
    seed: int = 0
    log_steps: int = 1
    held_steps: int = 50
    held_rows: int = 100
    checkpoint_steps: int = 50

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "batch",
            "micro_batch",
            "log_steps",
            "held_steps",
            "checkpoint_steps",
            "longest",
        ):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}.", "Give 1 or more.")
        if self.rows < 0:
            raise SettingsError(f"rows is {self.rows}.", "Give 0 for all, or how many.")
        if not self.data:
            raise SettingsError("data names no file.", "Name what policy-data has written.")


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of prompt and reply, and how many are the reply's."""

    ids: tuple[int, ...]
    reply: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Left-padded ids and their attention, both (rows, length), and the mask (rows, most reply
    tokens) of those in the last columns that are learnt."""

    ids: Tensor
    attention: Tensor
    mask: Tensor


def encode(tokenizer: Any, row: Row, trace: str) -> Example:
    """A prompt with its reply. ``<think>`` is left out of it where the template has opened it."""
    prompt = prompt_text(tokenizer, row.messages)
    if prompt.rstrip().endswith(OPEN):
        trace = trace.strip().removeprefix(OPEN).lstrip()
    reply = [*ids_of(tokenizer, trace), int(tokenizer.eos_token_id)]
    return Example((*ids_of(tokenizer, prompt), *reply), len(reply))


def examples(tokenizer: Any, files: Sequence[str], config: Config, say: Say) -> list[Example]:
    """All traces of the files, those that fit; one that stands in two files is taken once."""
    pairs = [
        (row, trace)
        for file in files
        for row in read_rows(Path(file))[: config.rows or None]
        for trace in traces(row, gold=config.gold)
    ]
    made = list(dict.fromkeys(encode(tokenizer, row, trace) for row, trace in pairs))
    kept = [example for example in made if len(example.ids) <= config.longest]
    say(f"{len(kept)} traces; {len(made) - len(kept)} longer than {config.longest} left out")
    if not kept:
        raise DataError(
            f"No trace in {', '.join(files)} to learn from.",
            "Set gold = true, sample traces with policy-data, or raise `longest`.",
        )
    return kept


def collate(rows: Sequence[Example], device: torch.device) -> Batch:
    """Padded on the left, so that replies end together and only their logits are computed."""
    length = max(len(row.ids) for row in rows)
    most = max(row.reply for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    attention = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), most)
    for i, row in enumerate(rows):
        ids[i, length - len(row.ids) :] = torch.tensor(row.ids)
        attention[i, length - len(row.ids) :] = 1
        mask[i, most - row.reply :] = 1
    return Batch(ids.to(device), attention.to(device), mask.to(device))


def loss_of(model: Any, batch: Batch) -> Tensor:
    """The mean negative log-likelihood of the replies' tokens."""
    most = batch.mask.shape[1]
    places = (batch.attention.cumsum(1) - 1).clamp(min=0)
    logits = model(
        input_ids=batch.ids,
        attention_mask=batch.attention,
        position_ids=places,
        use_cache=False,
        logits_to_keep=most + 1,
    ).logits
    return nll(token_logps(logits, batch.ids[:, -most - 1 :]), batch.mask)


def order_of(epoch: int, count: int, seed: int) -> list[int]:
    """In which order an epoch reads the examples."""
    order = list(range(count))
    random.Random(f"{seed} {epoch}").shuffle(order)
    return order


class Rates(Protocol):
    """What a stage's configuration says of its learning rate."""

    @property
    def learning_rate(self) -> float:
        """The highest."""
        ...

    @property
    def warmup_steps(self) -> int:
        """Steps until it is reached."""
        ...


def rate_at(config: Rates, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 1: it rises over ``warmup_steps``, then falls in
    a line to nothing."""
    rise = min(1.0, step / max(1, config.warmup_steps))
    return config.learning_rate * rise * (steps - step + 1) / steps


class Training:
    """A run: model, optimizer, the examples, and how many steps have been taken."""

    def __init__(self, config: Config, say: Say) -> None:
        self.config, self.say = config, say
        self.out = Path(config.out)
        self.out.mkdir(parents=True, exist_ok=True)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.device = device_of(config.device)
        folder = folder_of(config.model)
        self.tokenizer = load_tokenizer(folder)
        self.rows = examples(self.tokenizer, config.data, config, say)
        held = examples(self.tokenizer, config.held, config, say) if config.held else []
        self.held = held[: config.held_rows]
        torch.manual_seed(config.seed)
        self.model = to_train(folder, config.lora_rank, config.recompute).to(self.device).train()
        self.learnt = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.learnt, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.per_epoch = math.ceil(len(self.rows) / config.batch)
        self.steps = self.per_epoch * config.epochs
        self.step = 0
        self.run_name = self._fingerprint(folder)
        self._resume()

    def run(self) -> Path:
        """All steps that are left, then the model; returns its folder."""
        log = Log(self.out, self.step)
        try:
            while self.step < self.steps:
                values = self._one()
                last = self.step == self.steps
                if self.held and (last or self.step % self.config.held_steps == 0):
                    values["held"] = self.held_loss()
                if last or self.step % self.config.log_steps == 0 or "held" in values:
                    log.write(self.step, values)
                if last or self.step % self.config.checkpoint_steps == 0:
                    self.save()
        finally:
            log.close()
        return self._export()

    def _one(self) -> dict[str, float]:
        """One step: the next batch in parts of ``micro_batch``, then the optimizer."""
        began, step = time.monotonic(), self.step + 1
        epoch, place = divmod(self.step, self.per_epoch)
        torch.manual_seed(self.config.seed * STEP_SEED + step)
        order = order_of(epoch, len(self.rows), self.config.seed)
        size = self.config.batch
        chosen = [self.rows[i] for i in order[place * size : (place + 1) * size]]
        total = sum(row.reply for row in chosen)
        rate = rate_at(self.config, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss = 0.0
        for start in range(0, len(chosen), self.config.micro_batch):
            part = chosen[start : start + self.config.micro_batch]
            with self._precision():
                found = loss_of(self.model, collate(part, self.device))
            share = found * (sum(row.reply for row in part) / total)
            share.backward()  # type: ignore[no-untyped-call]
            loss += share.item()
        norm = torch.nn.utils.clip_grad_norm_(self.learnt, self.config.clip).item()
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise SettingsError(
                f"At step {step} the loss is {loss}, its gradient {norm}.",
                "Lower learning_rate; the last checkpoint is from before.",
            )
        self.optimizer.step()
        self.step = step
        seconds = time.monotonic() - began
        tokens = sum(len(row.ids) for row in chosen)
        return {
            "loss": loss,
            "rate": rate,
            "gradient": norm,
            "epoch": step / self.per_epoch,
            "tokens": tokens,
            "seconds": seconds,
        }

    @torch.no_grad()
    def held_loss(self) -> float:
        """The loss on the held-back examples."""
        self.model.eval()
        total = 0.0
        for row in self.held:
            with self._precision():
                total += loss_of(self.model, collate([row], self.device)).item() * row.reply
        self.model.train()
        return total / sum(row.reply for row in self.held)

    def save(self) -> None:
        """The checkpoint."""
        state = {
            "step": self.step,
            "model": checkpoints.learnt(self.model),
            "optimizer": self.optimizer.state_dict(),
        }
        checkpoints.save(self.out / CHECKPOINT, self.run_name, state)

    def _resume(self) -> None:
        state = checkpoints.read(self.out / CHECKPOINT, self.run_name, self.device)
        if state is None:
            return
        self.model.load_state_dict(state["model"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        self.say(f"going on after step {self.step} of {self.steps}")

    def _fingerprint(self, start: Path) -> str:
        """What decides a step's result: settings but for paths and logging, the model that the run
        starts from, and the examples."""
        beside = {
            "out",
            "data",
            "held",
            "log_steps",
            "held_steps",
            "held_rows",
            "checkpoint_steps",
            "threads",
            "device",
        }
        told = {k: v for k, v in asdict(self.config).items() if k not in beside}
        return checkpoints.fingerprint([told, stamp(start)], self.rows)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16)

    def _export(self) -> Path:
        return checkpoints.export(self.model, self.tokenizer, self.out / "model")


def train(config: Config, say: Say) -> Path:
    """The run, from where it stopped; returns the model's folder."""
    return Training(config, say).run()


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train policy-sft`` runs it."""
    config = read_config(Config, path, smoke)
    if smoke:
        config = on_made_up(config, Path(tempfile.mkdtemp(prefix="longdoc-smoke-")), say)
    return train(config, say)


def on_made_up(config: Config, folder: Path, say: Say) -> Config:
    """The configuration on a random model and made-up data, all in ``folder``."""
    from policy.training import prepare
    from policy.training.tiny import made_corpus, tiny_model

    made = prepare.Config(
        data=str(made_corpus(folder / "corpus")),
        out=str(folder / "data"),
        model=str(tiny_model(folder / "model")),
        lengths=(420,),
        sources={"made": 12},
        held=4,
    )
    data = prepare.prepare(made, say)
    return replace(
        config,
        model=made.model,
        data=(str(data / "train-420.jsonl"),),
        held=(str(data / "held-420.jsonl"),),
        out=str(folder / "sft"),
    )
