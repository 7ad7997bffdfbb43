"""TRL's GRPO trainer with what DAPO and resuming at any step need beside it.

`PolicyTrainer` changes four things of TRL 1.16's ``GRPOTrainer`` and no other:

- Every generation draws its random numbers from its step alone.
- Dynamic sampling (DAPO, arXiv 2503.14476, section 3.2): groups whose answers are all as right as
  one another have no advantage; others are sampled in their place, for ``refills`` rounds. Whether
  a group has variance is told by the answers' rewards before overlong shaping, as in QwenLong-L1's
  released script (``metric=acc``). A place that no round fills carries no token of the loss.
- Every group that was sampled is recorded, with its rewards and whether the loss has it.
- The KL divergence from a reference is measured every so many steps, though not in the loss.

Without dynamic sampling a step is TRL's own (``tests/policy/test_training_rl.py``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object, set_seed
from torch import Tensor
from torch.nn import functional
from trl import GRPOTrainer

from policy.training.logs import read_log
from policy.training.losses import token_logps
from policy.training.models import ids_of

STEP_SEED = 1_000_003
OF_TOKENS = {"entropy", "clip_ratio/low_mean", "clip_ratio/high_mean"}
"""What TRL measures over the tokens of each part of a batch."""
SAME = 1e-6
"""Rewards no further apart than this have no variance."""


@dataclass(frozen=True)
class Sampling:
    """How groups are drawn. ``spares`` gives the prompts that may fill places in the step with
    this number, ``carried`` those of earlier phases; ``refills`` 0 is no dynamic sampling."""

    seed: int
    spares: Callable[[int], Sequence[int]]
    prompts: Callable[[int], str]
    carried: frozenset[int] = frozenset()
    refills: int = 0


@dataclass
class Round:
    """One round's batch as TRL makes it, with its prompts and the rewards of their answers, both
    a group a row."""

    batch: dict[str, Any]
    rows: list[int]
    rewards: Tensor

    @property
    def varied(self) -> list[bool]:
        """Which groups have answers that differ in worth; those not scored count for nothing."""
        high = self.rewards.nan_to_num(nan=-torch.inf).amax(1)
        low = self.rewards.nan_to_num(nan=torch.inf).amin(1)
        return ((high - low) > SAME).tolist()


@dataclass
class Records:
    """``groups.jsonl``: every group of a phase. Those after step ``first`` are forgotten, as they
    will be sampled again."""

    path: Path
    first: int = 0
    _lines: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        kept = [row for row in read_log(self.path) if row["step"] <= self.first]
        fresh = self.path.with_name("groups.new")
        fresh.write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")
        fresh.replace(self.path)
        self._lines = self.path.open("a", encoding="utf-8")

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Append, on the disk when this returns to the system."""
        self._lines.writelines(json.dumps(dict(record)) + "\n" for record in records)
        self._lines.flush()

    def close(self) -> None:
        """Finish the file."""
        self._lines.close()


class PolicyTrainer(GRPOTrainer):  # type: ignore[misc]
    """See the module. The train set has columns ``prompt``, the whole text that the model reads,
    and ``row``; it is read in its order. The first reward function is the answer's worth."""

    def __init__(
        self,
        *args: Any,
        sampling: Sampling,
        records: Records | None,
        reference: Any = None,
        kl_steps: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.sampling, self.records = sampling, records
        self.reference, self.kl_steps = reference, kl_steps
        self._worth = torch.zeros(0)
        self._policy_logps = torch.zeros(0)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None in checkpoints; the export stage writes one."""

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """The prompt's text has its template and special tokens already."""
        return [ids_of(self.processing_class, prompt) for prompt in prompts], None, {}

    def _calculate_rewards(self, inputs: Any, prompts: Any, *rest: Any) -> Any:
        found = super()._calculate_rewards(inputs, prompts, *rest)
        found[found[:, 0].isnan()] = torch.nan  # else the punishment alone would be its reward
        start = self.accelerator.process_index * len(prompts)
        self._worth = found[start : start + len(prompts), 0]
        return found

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.model.training:
            return dict(super()._generate_and_score_completions(inputs))
        step = self.state.global_step + 1
        process = self.accelerator.process_index
        set_seed((self.sampling.seed * STEP_SEED + step * 1_009 + process) % 2**32)
        rounds = [self._round(inputs)]
        measured = {name: len(values) for name, values in self._metrics["train"].items()}
        if self.sampling.refills:
            self._refill(rounds, step)
        for name, values in self._metrics["train"].items():
            del values[max(1, measured.get(name, 0)) :]  # TRL's figures are of the first round
        batch, kept = rounds[0].batch, [[True] * len(rounds[0].rows)]
        if self.sampling.refills:
            batch, kept = self._joined(rounds)
        self._note(step, rounds, kept)
        return batch

    def _round(self, inputs: list[dict[str, Any]]) -> Round:
        size = self.num_generations
        batch = dict(super()._generate_and_score_completions(inputs))
        rows = [int(one["row"]) for one in inputs[::size]]
        return Round(batch, rows, self._worth.view(-1, size).cpu())

    def _refill(self, rounds: list[Round], step: int) -> None:
        """Sample for the places of groups without variance. All processes take part in each
        round, with as many groups as the one that lacks most."""
        world, process = self.accelerator.num_processes, self.accelerator.process_index
        spares = list(self.sampling.spares(step))
        spares = spares[process : len(spares) // world * world : world]
        for _ in range(self.sampling.refills):
            lacking = len(rounds[0].rows) - sum(sum(done.varied) for done in rounds)
            most = max(0, *gather_object([lacking]))
            chosen, spares = spares[:most], spares[most:]
            if not chosen:
                return
            prompts = [{"prompt": self.sampling.prompts(row), "row": row} for row in chosen]
            rounds.append(self._round([p for p in prompts for _ in range(self.num_generations)]))

    def _joined(self, rounds: list[Round]) -> tuple[dict[str, Any], list[list[bool]]]:
        """The groups with variance, the first first, and where they are too few, some without it
        whose tokens do not count; with which groups of each round the loss has."""
        size, places = self.num_generations, len(rounds[0].rows)
        order = [(i, g) for i, done in enumerate(rounds) for g in range(len(done.rows))]
        good = [(i, g) for i, g in order if rounds[i].varied[g]][:places]
        empty = [(i, g) for i, g in order if not rounds[i].varied[g]][: places - len(good)]
        batch = joined(
            [
                (rounds[i].batch, slice(g * size, (g + 1) * size), (i, g) in good)
                for i, g in (*good, *empty)
            ],
            int(self.processing_class.pad_token_id),
        )
        tokens = batch["completion_mask"].sum()
        batch["num_items_in_batch"] = self.accelerator.gather(tokens).sum()
        kept = [[(i, g) in good for g in range(len(done.rows))] for i, done in enumerate(rounds)]
        return batch, kept

    def _note(self, step: int, rounds: list[Round], kept: list[list[bool]]) -> None:
        """Record all groups; log what the first round, drawn evenly, says of the phase."""
        records = [
            {
                "step": step,
                "round": number,
                "row": row,
                "rewards": [None if math.isnan(r) else r for r in rewards.tolist()],
                "kept": used,
            }
            for number, (done, flags) in enumerate(zip(rounds, kept, strict=True))
            for row, rewards, used in zip(done.rows, done.rewards, flags, strict=True)
        ]
        records = gather_object(records)
        first = [record for record in records if record["round"] == 0]
        used = [record for record in records if record["kept"]]
        worth = [[r for r in record["rewards"] if r is not None] for record in first]
        flat = [group for group in worth if group and max(group) - min(group) <= SAME]
        told = {
            "groups/zero_variance": len(flat) / len(first),
            "groups/all_wrong": sum(max(group) <= SAME for group in flat) / len(first),
            "groups/sampled": len(records),
            "groups/trained": len(used),
            "groups/carried": sum(r["row"] in self.sampling.carried for r in used)
            / max(1, len(used)),
        }
        for name, value in told.items():
            self._metrics["train"][name].append(float(value))
        if self.records is not None and self.accelerator.is_main_process:
            self.records.write(records)

    # the divergence, which TRL measures only where it is in the loss

    def _get_per_token_logps_and_entropies(self, *args: Any, **settings: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **settings)
        self._policy_logps = found[0].detach()
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        loss = super()._compute_loss(model, inputs)
        learnt = self.accelerator.gather(inputs["completion_mask"].sum()).any()
        if self.model.training and not learnt:  # else TRL's 0 for these would be in the step's mean
            for name in OF_TOKENS & self._metrics["train"].keys():
                self._metrics["train"][name].pop()
        due = self.kl_steps and self.state.global_step % self.kl_steps == 0
        if due and self.beta == 0 and inputs["completion_mask"].any():
            self._metrics["train"]["kl"].append(self._divergence(inputs))
        return loss

    @torch.no_grad()
    def _divergence(self, inputs: dict[str, Any]) -> float:
        """The mean over tokens of exp(d) - d - 1 with d = log ref - log policy (k3)."""
        mask = inputs["completion_mask"]
        with self._referring() as reference:
            logits = reference(
                input_ids=torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1),
                attention_mask=torch.cat([inputs["prompt_mask"], mask], 1),
                logits_to_keep=mask.shape[1] + 1,
                use_cache=False,
            ).logits
        width = inputs["completion_ids"].shape[1] + 1
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)[:, -width:]
        apart = token_logps(logits / self.temperature, ids) - self._policy_logps
        return float((((apart.exp() - apart - 1) * mask).sum() / mask.sum()).item())

    @contextmanager
    def _referring(self) -> Iterator[Any]:
        if self.reference is not None:
            yield self.reference
            return
        model = self.accelerator.unwrap_model(self.model)
        with model.disable_adapter():
            yield model


def joined(parts: Sequence[tuple[Mapping[str, Any], slice, bool]], pad: int) -> dict[str, Any]:
    """One batch of rows of several, padded to one width: prompts on the left, answers on the
    right. The answers of a part that does not count have an empty mask and no advantage. Counts
    over a batch, which have no rows, are left out."""
    names = [name for name, value in parts[0][0].items() if value.ndim]
    return {name: _column(name, parts, pad) for name in names}


def _column(name: str, parts: Sequence[tuple[Mapping[str, Any], slice, bool]], pad: int) -> Tensor:
    pieces = [
        batch[name][rows] * (1 if counts or name not in ("completion_mask", "advantages") else 0)
        for batch, rows, counts in parts
    ]
    if pieces[0].ndim == 1:
        return torch.cat(pieces)
    width = max(piece.shape[1] for piece in pieces)
    value = pad if name.endswith("_ids") else 0
    left = name.startswith("prompt_")
    return torch.cat([_padded(piece, width, value, left) for piece in pieces])


def _padded(piece: Tensor, width: int, value: float, left: bool) -> Tensor:
    lack = width - piece.shape[1]
    return functional.pad(piece, (lack, 0) if left else (0, lack), value=value)
