"""Losses: equal to TRL's, and their gradients to finite differences on a tiny model."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM
from trl import DPOTrainer, GRPOTrainer

from policy.training import losses

PROMPT, ANSWER, VOCABULARY = 5, 4, 23


def experimental(name: str) -> Any:
    """TRL's experimental trainers warn that they are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "cpo":
            from trl.experimental.cpo import CPOTrainer

            return CPOTrainer
        from trl.experimental.orpo import ORPOTrainer

        return ORPOTrainer


class Tiny(nn.Module):
    """A causal model in double precision throughout, as finite differences need it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(VOCABULARY, 6, dtype=torch.double)
        self.body = nn.GRU(6, 7, batch_first=True, dtype=torch.double)
        self.head = nn.Linear(7, VOCABULARY, dtype=torch.double)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(self.embedding(ids))[0])
        return logits


def batch(rows: int = 4) -> tuple[Tensor, Tensor]:
    """Ids, and the mask of the answers' tokens among those predicted."""
    made = torch.Generator().manual_seed(5)
    ids = torch.randint(1, VOCABULARY, (rows, PROMPT + ANSWER), generator=made)
    mask = torch.zeros(rows, PROMPT + ANSWER - 1, dtype=torch.double)
    mask[:, PROMPT - 1 :] = 1
    mask[1, -2:] = 0
    return ids, mask


def means(model: Tiny) -> tuple[Tensor, Tensor, Tensor]:
    """Summed and mean log-probabilities of each answer, and all of them by token."""
    ids, mask = batch()
    logps = token_logps(model, ids)
    return (logps * mask).sum(1), (logps * mask).sum(1) / mask.sum(1), logps


def token_logps(model: Tiny, ids: Tensor) -> Tensor:
    logits = model(ids)
    return torch.log_softmax(logits[:, :-1], -1).gather(-1, ids[:, 1:, None])[..., 0]


def _dpo(model: Tiny) -> Tensor:
    rewards = losses.dpo_reward(means(model)[0], torch.tensor([-9.0, -11.0, -12.0, -8.0]), 0.3)
    return losses.dpo(*rewards.chunk(2))


def _simpo(model: Tiny) -> Tensor:
    return losses.simpo(*losses.simpo_reward(means(model)[1], 2.0).chunk(2), 0.5)


def _orpo(model: Tiny) -> Tensor:
    _, mean, logps = means(model)
    chosen_nll = losses.nll(logps[:2], batch()[1][:2])
    return losses.orpo(*losses.orpo_reward(mean).chunk(2), chosen_nll, 0.7)


def _grpo(model: Tiny, token_level: bool = False) -> Tensor:
    logps, mask = means(model)[2], batch()[1]
    old = -2.5 + 0.4 * torch.sin(torch.arange(mask.numel(), dtype=torch.double)).view_as(mask)
    advantages = torch.tensor([1.0, -0.5, 0.7, -1.2], dtype=torch.double)
    return losses.clipped(logps, old, advantages, mask, low=0.2, high=0.28, token_level=token_level)


def _dapo(model: Tiny) -> Tensor:
    return _grpo(model, token_level=True)


def _solopo(model: Tiny) -> Tensor:
    short, long = losses.orpo_reward(means(model)[1]).chunk(2)
    return losses.solopo(_simpo(model), (short, long), 3.0, (long * 2, short))


@pytest.mark.parametrize("loss", [_dpo, _simpo, _orpo, _grpo, _dapo, _solopo])
def test_gradients_are_finite_differences(loss: Callable[[Tiny], Tensor]) -> None:
    model = Tiny()
    loss(model).backward()  # type: ignore[no-untyped-call]
    moved = 0
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        place = int(weight.grad.abs().argmax())
        slope = weight.grad.view(-1)[place].item()
        values = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                weight.view(-1)[place] += step
                values.append(loss(model).item())
        assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-3, abs=1e-7), name
        with torch.no_grad():
            weight.view(-1)[place] += 1e-6
        moved += abs(slope) > 1e-6
    assert moved > 5


def trainer(**settings: Any) -> SimpleNamespace:
    """What TRL's loss methods read of their trainer, on one process."""
    same = dict.fromkeys(("gather", "gather_for_metrics"), lambda value: value)
    alone = SimpleNamespace(
        device="cpu", num_processes=1, reduce=lambda value, reduction: value, **same
    )
    return SimpleNamespace(
        accelerator=alone,
        model=SimpleNamespace(training=True),
        aux_loss_enabled=False,
        _metrics={"train": defaultdict(list)},
        **settings,
    )


def test_dpo_equals_trls() -> None:
    ids, shifted = batch()
    mask = functional.pad(shifted.long(), (1, 0))
    logps = means(Tiny())[2].detach()
    reference = torch.tensor([-9.0, -11.0, -12.0, -8.0], dtype=torch.double)
    said = SimpleNamespace(
        log_probs=logps * shifted, entropy=logps, mean_logits=logps, is_top1=shifted.bool()
    )
    me = trainer(
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=["sigmoid"],
        loss_weights=[1.0],
        use_weighting=False,
        beta=0.3,
        label_smoothing=0.0,
        _total_train_tokens=0,
        _tp_size=1,
    )
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "completion_mask": mask,
        "ref_chosen_logps": reference[:2],
        "ref_rejected_logps": reference[2:],
    }
    theirs = DPOTrainer._compute_loss(me, lambda **_: said, inputs, False)
    rewards = losses.dpo_reward((logps * shifted).sum(1), reference, 0.3)
    torch.testing.assert_close(losses.dpo(*rewards.chunk(2)), theirs)


@pytest.mark.parametrize("kind", ["grpo", "dapo"])
def test_the_clipped_loss_equals_trls_with_its_gradient(kind: str) -> None:
    mask = batch()[1]
    logps = means(Tiny())[2].detach().requires_grad_()
    old = logps.detach() + 0.4 * torch.sin(torch.arange(mask.numel())).view_as(mask)
    advantages = torch.tensor([1.0, -0.5, 0.7, -1.2], dtype=torch.double)
    me = trainer(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logps, logps.detach(), None),
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=0.0,
        loss_type=kind,
        epsilon_low=0.2,
        epsilon_high=0.28,
        args=SimpleNamespace(delta=None, steps_per_generation=1),
        use_vllm=False,
        current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled=False,
    )
    inputs = {
        "prompt_ids": mask.long(),
        "prompt_mask": mask.long(),
        "completion_ids": mask.long(),
        "completion_mask": mask,
        "advantages": advantages,
        "old_per_token_logps": old,
        "num_items_in_batch": mask.sum(),
    }
    theirs = GRPOTrainer._compute_loss(me, None, inputs)
    token_level = kind == "dapo"
    ours = losses.clipped(logps, old, advantages, mask, low=0.2, high=0.28, token_level=token_level)
    torch.testing.assert_close(ours, theirs)
    slopes = [torch.autograd.grad(loss, logps)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*slopes)
    assert (slopes[0][mask > 0] == 0).any(), "some of the ratios are clipped"


def test_simpo_equals_trls() -> None:
    chosen, rejected = -torch.rand(6) * 3, -torch.rand(6) * 3
    me = SimpleNamespace(
        alpha=0.0,
        loss_type="simpo",
        simpo_gamma=0.5,
        beta=2.0,
        label_smoothing=0.0,
        accelerator=SimpleNamespace(device="cpu"),
    )
    theirs = experimental("cpo").cpo_loss(me, chosen, rejected)[0].mean()
    rewards = [losses.simpo_reward(x, 2.0) for x in (chosen, rejected)]
    torch.testing.assert_close(losses.simpo(rewards[0], rewards[1], 0.5), theirs)


def test_orpo_equals_trls() -> None:
    chosen = torch.tensor([-1e-3, -0.3, -0.693, -2.0, -9.0])
    rejected = torch.tensor([-2.0, -0.01, -0.7, -1.0, -14.0])
    me = SimpleNamespace(beta=0.1, accelerator=SimpleNamespace(device="cpu"))
    theirs = experimental("orpo").odds_ratio_loss(me, chosen, rejected)
    rewards = [losses.orpo_reward(x) for x in (chosen, rejected)]
    nll = torch.tensor(1.5)
    torch.testing.assert_close(losses.orpo(*rewards, nll, 0.1), nll - theirs[0].mean())


def test_orpos_reward_has_a_gradient_everywhere() -> None:
    mean = torch.tensor([-1e-6, -0.69, -0.70, -60.0], requires_grad=True)
    losses.orpo_reward(mean).sum().backward()  # type: ignore[no-untyped-call]
    assert mean.grad is not None
    # d/dx [x - log(1 - e^x)] = 1 / (1 - e^x)
    torch.testing.assert_close(mean.grad, -1 / torch.expm1(mean.detach()))


def test_advantages_leave_out_what_was_not_scored() -> None:
    rewards = torch.tensor([1.0, 0.0, 1.0, float("nan"), 1.0, 1.0, 1.0, 1.0])
    found = losses.group_advantages(rewards, 4)
    assert found[3] == 0
    assert found[4:].tolist() == [0.0] * 4
    known = rewards[:3]
    expected = (known - known.mean()) / (known.std() + 1e-4)
    torch.testing.assert_close(found[:3], expected)


def test_grpo_weighs_answers_and_dapo_tokens() -> None:
    logps = torch.zeros(2, 4)
    mask = torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 0]])
    advantages = torch.tensor([1.0, -1.0])
    grpo = losses.clipped(logps, logps, advantages, mask, token_level=False)
    dapo = losses.clipped(logps, logps, advantages, mask)
    assert (grpo.item(), dapo.item()) == pytest.approx((0.0, -3 / 5))
    part = losses.clipped(logps, logps, advantages, mask, tokens=10)
    assert part.item() == pytest.approx(-3 / 10)


def test_the_clip_is_asymmetric() -> None:
    one = torch.ones(1, 1)
    ratio = torch.tensor([[1.5]]).log()
    high = losses.clipped(ratio, 0 * ratio, torch.tensor([1.0]), one, high=0.28)
    low = losses.clipped(-ratio, 0 * ratio, torch.tensor([-1.0]), one, low=0.2)
    assert (high.item(), low.item()) == pytest.approx((-1.28, 0.8))


def test_solopo_is_the_short_loss_where_nothing_is_lost() -> None:
    reward, short = torch.randn(3), torch.tensor(0.7)
    assert losses.solopo(short, (reward, reward), 3.0) == short
    apart = losses.solopo(short, (reward, reward - 2), 3.0)
    torch.testing.assert_close(apart, torch.tensor(6.7))
    both = losses.solopo(short, (reward, reward - 2), 3.0, (reward, reward + 1))
    torch.testing.assert_close(both, torch.tensor(9.7))


def test_the_predicted_cost() -> None:
    assert losses.cost_ratio(2**-0.5, quadratic=True) == pytest.approx(1.0)
    assert losses.cost_ratio(0.5, quadratic=False) == 1.0
    with pytest.raises(ValueError, match="rho"):
        losses.cost_ratio(0.0, quadratic=True)


def test_log_probabilities_are_transformers_own() -> None:
    torch.manual_seed(3)
    sizes = {"hidden_size": 8, "intermediate_size": 12, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=VOCABULARY, num_hidden_layers=1, pad_token_id=0, **sizes)
    model = LlamaForCausalLM(config)
    ids, mask = batch()
    labels = ids.clone()
    labels[:, 1:][mask == 0] = -100
    labels[:, 0] = -100
    ours = losses.nll(losses.token_logps(model(ids).logits, ids), mask)
    torch.testing.assert_close(ours.float(), model(ids, labels=labels).loss)
