"""A pair as a model reads it, and the losses of SoLoPO and plain preference optimisation on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from documents.errors import DataError
from policy.training.losses import Preference, alignment, solopo, token_logps
from policy.training.pairs import Pair
from policy.training.rows import Row
from policy.training.sft import Example, collate, encode

METHODS = ("solopo", "long", "short")


@dataclass(frozen=True, slots=True)
class Method:
    """What is learnt from a pair: ``solopo``, or a plain loss on the ``long`` or ``short``
    prompts; ``alpha`` and ``both`` are SoLoPO's."""

    name: str
    preference: Preference
    alpha: float = 0.0
    both: bool = False


@dataclass(frozen=True, slots=True)
class Sides:
    """A pair's two answers under both prompts."""

    short: tuple[Example, Example]
    long: tuple[Example, Example]

    def read(self, method: Method) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        """The sequences that the method computes, chosen before rejected: under the short
        prompt, and under the long one."""
        if method.name == "solopo":
            return self.short, self.long if method.both else self.long[:1]
        return (self.short, ()) if method.name == "short" else ((), self.long)


def sides(
    tokenizer: Any, pairs: Sequence[Pair], longest: int, say: Callable[[str], None]
) -> list[Sides]:
    """The pairs as token ids, those that fit."""
    made = []
    for pair in pairs:
        asked = [Row(chat, pair.source, pair.golds) for chat in (pair.short, pair.long)]
        answers = (pair.chosen, pair.rejected)
        short, long = ([encode(tokenizer, row, said) for said in answers] for row in asked)
        made.append(Sides((short[0], short[1]), (long[0], long[1])))
    kept = [s for s in made if max(len(e.ids) for e in (*s.short, *s.long)) <= longest]
    say(f"{len(kept)} pairs; {len(made) - len(kept)} longer than {longest} left out")
    if not kept:
        raise DataError("No pair is short enough to learn from.", "Raise `longest`.")
    return kept


def answer_logps(
    model: Any, rows: Sequence[Example], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the answers' tokens and their mask; both (rows, most answer tokens)."""
    batch = collate(rows, device)
    most = batch.mask.shape[1]
    logits = model(
        input_ids=batch.ids,
        attention_mask=batch.attention,
        position_ids=(batch.attention.cumsum(1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=most + 1,
    ).logits
    return token_logps(logits, batch.ids[:, -most - 1 :]), batch.mask


def loss_of(
    model: Any,
    part: Sequence[Sides],
    reference: Tensor | None,
    method: Method,
    device: torch.device,
) -> tuple[Tensor, dict[str, float]]:
    """The method's loss, a mean over the pairs, and what is logged of it. ``reference``: summed
    log-probabilities of the answers that are read, (2 to 4, pairs), in the order of `Sides.read`:
    under the short prompt, then the long one."""
    told = method.preference
    read = [side.read(method) for side in part]
    rewards: list[Tensor] = []
    first: tuple[Tensor, Tensor] | None = None
    for at in (0, 1):
        rows = [
            example
            for sequences in zip(*(r[at] for r in read), strict=True)
            for example in sequences
        ]
        if not rows:
            continue
        logps, mask = answer_logps(model, rows, device)
        done = len(rewards)
        count = len(rows) // len(part)
        known = None if reference is None else reference[done : done + count].reshape(-1)
        rewards += told.reward(logps, mask, known).chunk(count)
        first = first or (logps[: len(part)], mask[: len(part)])
    assert first is not None
    chosen, rejected, *long = rewards
    loss = preferred = told.loss(chosen, rejected, *first)
    values = {
        "preference": preferred.item(),
        "margin": (chosen - rejected).mean().item(),
        "right": (chosen > rejected).float().mean().item(),
        "chosen_reward": chosen.mean().item(),
    }
    if method.name == "solopo":
        again = (rejected, long[1]) if method.both else None
        loss = solopo(preferred, (chosen, long[0]), method.alpha, again)
        values["alignment"] = alignment(chosen, long[0]).item()
    return loss, values
