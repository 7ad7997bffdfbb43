"""SoLoPO and plain preference optimisation: ``longdoc train policy-solopo``.

One script, top to bottom. ``method = "solopo"`` (arXiv 2505.11166) is the preference loss on the
short prompts plus ``alpha`` times the distance of the chosen answer's rewards under its short and
its long prompt; with ``both`` also the rejected one's, which the paper's ablation found worse.
``"long"`` is the plain loss on the long prompts, the baseline; ``"short"`` that on the short ones.
All three work with DPO, SimPO and ORPO and see the same pairs in the same order. The trained model
is written to ``out/model``, the log to ``out/log.jsonl`` and ``out/tensorboard``, and to
``out/result.json`` how right greedy answers to the held-back prompts are, short and long, before
and after, and what a pair cost. With ``compare`` naming the folder of a plain run, the ratio of
the costs stands beside the predicted ones, (2 rho^2 + 1) / 2 and (2 rho + 1) / 2.

A run that was killed goes on from ``out/checkpoint.pt`` and gives the same losses as one never
killed: a step follows from its number alone. DPO's reference is the model as the run began; its
log-probabilities are computed once and kept in ``out/reference.pt``.

The full paper and its code could not be read. Told by notes on it: the objective, the rewards,
chosen-only alignment, alpha 3 for DPO and 1 for SimPO and ORPO with Qwen2.5-7B (4 for ORPO with
Llama3.1-8B). Derived: the absolute difference as the distance. Unknown, so longdoc's or the
algorithms' own defaults: learning rate, schedule, batch, epochs, beta, gamma, ORPO's weight, and
whether the gradient stops on the short side (here it does not). SoLo-DPO begins where all its
rewards are 0 but for rounding, so that rounding decides the direction of the alignment's gradient
in the first step; the rise of the learning rate keeps that step small. Simplified: one device.

    longdoc train policy-solopo --config policy/training/solopo.toml            # one CPU or GPU
    longdoc train policy-solopo --config policy/training/solopo.toml --smoke    # seconds
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from documents.errors import SettingsError
from policy.training import checkpoints
from policy.training.config import read_config
from policy.training.costs import Peak, compared, cost_of, write_json
from policy.training.generate import accuracy, from_model
from policy.training.logs import Log
from policy.training.losses import Algorithm, Preference
from policy.training.models import device_of, folder_of, load_tokenizer, stamp, to_train
from policy.training.pairs import read_pairs
from policy.training.rows import read_rows
from policy.training.sft import STEP_SEED, order_of, rate_at
from policy.training.sides import METHODS, Method, answer_logps, loss_of, sides

Say = Callable[[str], None]
ALPHA: dict[Algorithm, float] = {"dpo": 3.0, "simpo": 1.0, "orpo": 1.0}
"""The paper's for Qwen2.5-7B."""


@dataclass(frozen=True)
class Config:
    """What ``solopo.toml`` says; the file explains each."""

    model: str
    pairs: tuple[str, ...]
    out: str
    algorithm: str = "orpo"
    method: str = "solopo"
    alpha: float = -1.0
    both: bool = False
    beta: float = 0.1
    gamma: float = 0.5
    weight: float = 0.1
    held_short: str = ""
    held_long: str = ""
    held_rows: int = 100
    held_tokens: int = 256
    thinks: bool = True
    compare: str = ""
    epochs: int = 1
    most_steps: int = 0
    batch: int = 16
    micro_batch: int = 1
    learning_rate: float = 5e-7
    warmup_steps: int = 10
    weight_decay: float = 0.0
    clip: float = 1.0
    longest: int = 10_240
    lora_rank: int = 0
    recompute: bool = False
    bf16: bool = False
    device: str = ""
    threads: int = 0
    seed: int = 0
    checkpoint_steps: int = 50

    def __post_init__(self) -> None:
        for name, known in (("algorithm", get_args(Algorithm)), ("method", METHODS)):
            if getattr(self, name) not in known:
                raise SettingsError(
                    f"{name} is {getattr(self, name)!r}.", f"Give one of: {', '.join(known)}."
                )
        for name in ("epochs", "batch", "micro_batch", "checkpoint_steps", "longest"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}.", "Give 1 or more.")
        if not self.pairs or bool(self.held_short) != bool(self.held_long):
            raise SettingsError(
                "pairs names no file, or only one of held_short and held_long is set.",
                "Name what policy-pairs has written, and held-back prompts of two lengths.",
            )

    @property
    def plan(self) -> Method:
        """The method and its constants; alpha as set, or the paper's for the algorithm."""
        (algorithm,) = (a for a in get_args(Algorithm) if a == self.algorithm)
        told = Preference(algorithm, self.beta, self.gamma, self.weight)
        alpha = ALPHA[algorithm] if self.alpha < 0 else self.alpha
        return Method(self.method, told, alpha, self.both)


class Training:
    """A run: model, optimizer, the pairs, and how many steps have been taken."""

    def __init__(self, config: Config, say: Say) -> None:
        self.config, self.method, self.say = config, config.plan, say
        self.out = Path(config.out)
        self.out.mkdir(parents=True, exist_ok=True)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.device = device_of(config.device)
        folder = folder_of(config.model)
        self.tokenizer = load_tokenizer(folder)
        pairs = [pair for file in config.pairs for pair in read_pairs(Path(file))]
        self.rows = sides(self.tokenizer, pairs, config.longest, say)
        torch.manual_seed(config.seed)
        self.model = to_train(folder, config.lora_rank, config.recompute).to(self.device).train()
        self.learnt = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.learnt, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.per_epoch = math.ceil(len(self.rows) / config.batch)
        self.steps = self.per_epoch * config.epochs
        self.steps = min(self.steps, config.most_steps or self.steps)
        self.step = 0
        self.peak = Peak(self.device)
        self.run_name = self._fingerprint(folder)
        self.reference = self._reference() if config.algorithm == "dpo" else None
        self.before = self._before()
        self._resume()

    def run(self) -> Path:
        """All steps that are left, then the model; returns its folder."""
        log = Log(self.out, self.step)
        try:
            while self.step < self.steps:
                log.write(self.step + 1, self.one())
                if self.step == self.steps or self.step % self.config.checkpoint_steps == 0:
                    self.save()
        finally:
            log.close()
        place = checkpoints.export(self.model, self.tokenizer, self.out / "model")
        self._report()
        return place

    def one(self) -> dict[str, float]:
        """One step: the next pairs in parts of ``micro_batch``, then the optimizer."""
        began, worked = time.monotonic(), time.process_time()
        step, config = self.step + 1, self.config
        self.peak.reset()
        torch.manual_seed(config.seed * STEP_SEED + step)
        chosen = self._places()
        rate = rate_at(config, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        values: dict[str, float] = {"loss": 0.0}
        for start in range(0, len(chosen), config.micro_batch):
            places = chosen[start : start + config.micro_batch]
            part = [self.rows[i] for i in places]
            known = None if self.reference is None else self.reference[:, places]
            with self._precision():
                loss, told = loss_of(self.model, part, known, self.method, self.device)
            share = len(part) / len(chosen)
            (loss * share).backward()  # type: ignore[no-untyped-call]
            for name, value in {"loss": loss.item(), **told}.items():
                values[name] = values.get(name, 0.0) + value * share
        norm = torch.nn.utils.clip_grad_norm_(self.learnt, config.clip).item()
        if not math.isfinite(values["loss"]) or not math.isfinite(norm):
            raise SettingsError(
                f"At step {step} the loss is {values['loss']}, its gradient {norm}.",
                "Lower learning_rate or alpha; the last checkpoint is from before.",
            )
        self.optimizer.step()
        self.step = step
        values |= {"rate": rate, "gradient": norm, **self._sizes(chosen)}
        spent = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - worked}
        return {**values, **spent, "peak_mib": self.peak.mib()}

    def _places(self) -> list[int]:
        """Which pairs the next step reads."""
        epoch, place = divmod(self.step, self.per_epoch)
        order, size = order_of(epoch, len(self.rows), self.config.seed), self.config.batch
        return order[place * size : (place + 1) * size]

    def _sizes(self, chosen: Sequence[int]) -> dict[str, float]:
        part = [self.rows[i] for i in chosen]
        read = sum(len(e.ids) for side in part for some in side.read(self.method) for e in some)
        short, long = (
            sum(len(s[0].ids) for s in some) / len(part)
            for some in ([p.short for p in part], [p.long for p in part])
        )
        return {"tokens": read, "pairs": len(part), "short_tokens": short, "long_tokens": long}

    @torch.no_grad()
    def _reference(self) -> Tensor:
        """Summed log-probabilities under the model as it is now, (answers read, pairs)."""
        path = self.out / "reference.pt"
        if kept := checkpoints.read(path, self.run_name, self.device):
            found: Tensor = kept["logps"]
            return found
        self.say(f"the reference reads {len(self.rows)} pairs")
        columns = []
        for side in self.rows:
            sums = []
            for rows in side.read(self.method):
                if rows:
                    with self._precision():
                        logps, mask = answer_logps(self.model, rows, self.device)
                    sums.append((logps * mask).sum(1))
            columns.append(torch.cat(sums))
        made = torch.stack(columns, 1)
        checkpoints.save(path, self.run_name, {"logps": made})
        return made

    def _before(self) -> dict[str, Any]:
        """How right the untrained model is; kept, as a run that goes on has it no more."""
        path = self.out / "before.json"
        if not path.exists():
            write_json(path, {"run": self.run_name, **self.held()})
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return {k: v for k, v in told.items() if k != "run"} if told["run"] == self.run_name else {}

    def held(self) -> dict[str, Any]:
        """How right greedy answers to the held-back prompts are, short and long."""
        config = self.config
        files = {"short": config.held_short, "long": config.held_long}
        self.model.eval()
        generate = from_model(
            self.model,
            self.tokenizer,
            temperature=0.0,
            top_p=1.0,
            most_tokens=config.held_tokens,
            batch=1,
        )
        found = {
            side: asdict(
                accuracy(read_rows(Path(file))[: config.held_rows], generate, thinks=config.thinks)
            )
            for side, file in files.items()
            if file
        }
        self.model.train()
        return found

    def _report(self) -> None:
        """``result.json``, and the comparison where one is asked for."""
        told: dict[str, Any] = {"config": asdict(self.config), "steps": self.steps}
        told |= {"before": self.before, "after": self.held()}
        if self.steps > 1:
            told["cost"] = asdict(cost_of(self.out))
        if self.config.compare:
            told["cost_ratio"] = compared(self.out, Path(self.config.compare))
            said = (f"{name} {value:.3f}" for name, value in told["cost_ratio"].items())
            self.say("cost over the plain run: " + ", ".join(said))
        write_json(self.out / "result.json", told)

    def save(self) -> None:
        """The checkpoint."""
        state = {
            "step": self.step,
            "model": checkpoints.learnt(self.model),
            "optimizer": self.optimizer.state_dict(),
        }
        checkpoints.save(self.out / "checkpoint.pt", self.run_name, state)

    def _resume(self) -> None:
        state = checkpoints.read(self.out / "checkpoint.pt", self.run_name, self.device)
        if state is None:
            return
        self.model.load_state_dict(state["model"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        self.say(f"going on after step {self.step} of {self.steps}")

    def _fingerprint(self, start: Path) -> str:
        """What decides a step's result: settings but for paths and measuring, the model that the
        run starts from, and the pairs."""
        beside = {"out", "pairs", "compare", "checkpoint_steps", "threads", "device"}
        told = {k: v for k, v in asdict(self.config).items() if k not in beside}
        return checkpoints.fingerprint([told, stamp(start)], self.rows)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16)


def train(config: Config, say: Say) -> Path:
    """The run, from where it stopped; returns the model's folder."""
    return Training(config, say).run()


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train policy-solopo`` runs it."""
    config = read_config(Config, path, smoke)
    if smoke:
        config = on_made_up(config, Path(tempfile.mkdtemp(prefix="longdoc-smoke-")), say)
    return train(config, say)


def on_made_up(config: Config, folder: Path, say: Say) -> Config:
    """The configuration on a random model and made-up pairs, all in ``folder``."""
    from policy.training import pairs

    settings = pairs.Config("", "", "", "", samples=2, most_tokens=24, gold=True, threads=1)
    made = pairs.on_made_up(settings, folder, say)
    file = pairs.make(made, say)
    held = [str(folder / "data" / f"held-{length}.jsonl") for length in (420, 640)]
    config = replace(config, held_short=held[0], held_long=held[1])
    return replace(config, model=made.model, pairs=(str(file),), out=str(folder / "solopo"))
