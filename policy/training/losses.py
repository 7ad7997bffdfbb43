"""The losses of the policy's training, as pure functions of log-probabilities.

`token_logps` turns logits into log-probabilities of the tokens that follow; `clipped` is GRPO and
DAPO (QwenLong-L1, arXiv 2505.17667, eq. 4 to 8); `dpo`, `simpo` and `orpo` are the preference
losses, `Preference` one of them with its constants, `alignment` what SoLoPO (arXiv 2505.11166)
adds to it. Where TRL 1.16 has a
loss, ours is equal to it (``tests/policy/test_training_losses.py``). All return a mean over the
batch, in nats.

SoLoPO's full paper and its code could not be read. Stated by notes on the paper: the objective,
the rewards of the three algorithms, and that the chosen answer alone is aligned. Derived: the
absolute difference as the distance s, from a bound on the logistic loss. Unknown: whether the
gradient stops on the short side (here it flows through both), and whether ORPO's reward is
normalised by length (here it is, as in ORPO itself).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Algorithm = Literal["dpo", "simpo", "orpo"]
STD_FLOOR = 1e-4
"""Added to a group's standard deviation, as in TRL."""


def token_logps(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probability of every token but the first, given those before it, in single precision
    at least.

    Shapes: logits (batch, length, vocabulary), ids (batch, length) -> (batch, length - 1)."""
    precision = torch.promote_types(logits.dtype, torch.float32)
    chosen = functional.log_softmax(logits[:, :-1].to(precision), dim=-1)
    return chosen.gather(-1, ids[:, 1:].unsqueeze(-1)).squeeze(-1)


def nll(logps: Tensor, mask: Tensor) -> Tensor:
    """The mean negative log-likelihood of the tokens under the mask, over the whole batch: the
    warm-up's loss. Shapes: both (batch, tokens)."""
    return -(logps * mask).sum() / mask.sum().clamp(min=1)


def group_advantages(rewards: Tensor, group: int) -> Tensor:
    """(r - mean) / (std + 1e-4) in each run of ``group`` rewards; shape (batch,) both ways.

    A reward that is NaN was not scored: it is left out of mean and deviation and has no
    advantage. The deviation is of the sample (n - 1), as in TRL."""
    rows = rewards.view(-1, group)
    known = ~rows.isnan()
    count = known.sum(1, keepdim=True)
    filled = rows.nan_to_num()
    mean = filled.sum(1, keepdim=True) / count.clamp(min=1)
    spread = ((filled - mean) * known).square().sum(1, keepdim=True) / (count - 1).clamp(min=1)
    return ((filled - mean) * known / (spread.sqrt() + STD_FLOOR)).view(-1)


def clipped(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    low: float = 0.2,
    high: float = 0.2,
    token_level: bool = True,
    tokens: Tensor | float | None = None,
) -> Tensor:
    """The clipped surrogate, without a KL term.

    ``token_level``: the mean over all tokens (DAPO), else the mean over the answers of each
    answer's mean (GRPO). ``tokens``: with ``token_level``, the tokens of the whole batch where
    this is a part of it. DAPO's asymmetric clip is ``high`` above ``low``, 0.28 and 0.2; L1's
    released script clips at 0.2 on both sides.

    Shapes: logps, old_logps and mask (answers, tokens), advantages (answers,)."""
    ratio = torch.exp(logps - old_logps)
    weight = advantages.unsqueeze(1)
    lower = torch.min(ratio * weight, ratio.clamp(1 - low, 1 + high) * weight)
    if token_level:
        count = mask.sum().clamp(min=1) if tokens is None else tokens
        return -(lower * mask).sum() / count
    return -((lower * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def dpo_reward(logps: Tensor, reference: Tensor, beta: float) -> Tensor:
    """beta log(pi / pi_ref) of an answer; all of shape (batch,), summed over tokens."""
    return beta * (logps - reference)


def simpo_reward(mean_logps: Tensor, beta: float) -> Tensor:
    """beta times the mean log-probability of an answer's tokens; shape (batch,)."""
    return beta * mean_logps


def orpo_reward(mean_logps: Tensor) -> Tensor:
    """The log odds of an answer, log(p / (1 - p)) with p normalised by length; shape (batch,).
    The mean log-probability must be below 0."""
    return mean_logps - _log1mexp(mean_logps)


def dpo(chosen: Tensor, rejected: Tensor) -> Tensor:
    """-log sigmoid of the difference of two `dpo_reward`s (arXiv 2305.18290)."""
    return -functional.logsigmoid(chosen - rejected).mean()


def simpo(chosen: Tensor, rejected: Tensor, gamma: float) -> Tensor:
    """-log sigmoid of the difference of two `simpo_reward`s less the margin ``gamma``
    (arXiv 2405.14734). The margin is absolute, as in TRL, not in units of beta."""
    return -functional.logsigmoid(chosen - rejected - gamma).mean()


def orpo(chosen: Tensor, rejected: Tensor, chosen_nll: Tensor, weight: float) -> Tensor:
    """The chosen answer's negative log-likelihood plus ``weight`` times the odds-ratio loss of
    two `orpo_reward`s (arXiv 2403.07691)."""
    return chosen_nll - weight * functional.logsigmoid(chosen - rejected).mean()


def alignment(short: Tensor, long: Tensor) -> Tensor:
    """SoLo-RA: the mean distance of the rewards of one answer under the short and the long
    context, |r(x_short, y) - r(x_long, y)|; shapes (batch,). The gradient flows through both
    sides. The absolute difference is derived, not read: see the module's docstring."""
    return (short - long).abs().mean()


def solopo(
    preference: Tensor,
    chosen: tuple[Tensor, Tensor],
    alpha: float,
    rejected: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """The short-context preference loss plus ``alpha`` times the alignment of the chosen answer;
    with ``rejected`` also of the rejected one, which the paper's ablation found worse. The pairs
    are rewards under the short and the long context."""
    loss = preference + alpha * alignment(*chosen)
    return loss if rejected is None else loss + alpha * alignment(*rejected)


@dataclass(frozen=True, slots=True)
class Preference:
    """One of the three preference algorithms with its constants, as SoLoPO and the plain losses
    use it: ``beta`` of `dpo_reward` and `simpo_reward`, ``gamma`` of `simpo`, ``weight`` of
    `orpo`. What SoLoPO's paper set them to is unknown."""

    algorithm: Algorithm
    beta: float
    gamma: float = 0.0
    weight: float = 0.0

    def reward(self, logps: Tensor, mask: Tensor, reference: Tensor | None = None) -> Tensor:
        """Of each answer, from its tokens' log-probabilities (both (batch, tokens)); DPO also
        needs the ``reference``'s summed log-probabilities (batch,). Returns shape (batch,)."""
        total = (logps * mask).sum(1)
        if self.algorithm == "dpo":
            if reference is None:
                raise ValueError("dpo needs the reference's log-probabilities")
            return dpo_reward(total, reference, self.beta)
        mean = total / mask.sum(1).clamp(min=1)
        return simpo_reward(mean, self.beta) if self.algorithm == "simpo" else orpo_reward(mean)

    def loss(self, chosen: Tensor, rejected: Tensor, logps: Tensor, mask: Tensor) -> Tensor:
        """Of the two `reward`s; ORPO adds the chosen answers' likelihood, from their tokens'
        ``logps`` under the ``mask``: each answer's mean, then the mean over answers. TRL takes
        it over prompt and answer together and over all tokens of a batch at once."""
        if self.algorithm == "dpo":
            return dpo(chosen, rejected)
        if self.algorithm == "simpo":
            return simpo(chosen, rejected, self.gamma)
        each = -(logps * mask).sum(1) / mask.sum(1).clamp(min=1)
        return orpo(chosen, rejected, each.mean(), self.weight)


def cost_ratio(rho: float, *, quadratic: bool) -> float:
    """The predicted cost of SoLoPO over long-context preference optimisation, without a reference
    model, at a compression of ``rho`` = |short| / |long|: (2 rho^2 + 1) / 2 where attention
    dominates, (2 rho + 1) / 2 where cost is linear in length."""
    if not 0 < rho <= 1:
        raise ValueError(f"rho must be above 0 and at most 1, not {rho}")
    return (2 * rho ** (2 if quadratic else 1) + 1) / 2


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - e^x) for x < 0, exact near 0 and far from it (Maechler 2012)."""
    near = x > -math.log(2)
    low = torch.where(near, x, torch.full_like(x, -1.0))
    far = torch.where(near, torch.full_like(x, -1.0), x)
    return torch.where(near, torch.log(-torch.expm1(low)), torch.log1p(-torch.exp(far)))
