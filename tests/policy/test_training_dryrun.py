"""The dry run: what it counts is what PyTorch keeps, the published runs fit, others are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from documents.errors import SettingsError
from policy.training import dryrun, shapes
from policy.training.config import read_config

SHIPPED = Path(dryrun.__file__).with_name("dryrun.toml")
TINY = dryrun.Run("t", "tiny", "sft", 48, 16, 1, 80, tensor_parallel=1, reserve=0.0)


def small(**settings: Any) -> dryrun.Run:
    return replace(TINY, **settings)


def shipped(name: str) -> dryrun.Run:
    (found,) = [r for r in dryrun.runs_of(read_config(dryrun.Config, SHIPPED)) if r.name == name]
    return found


def test_it_counts_what_is_kept_in_earnest() -> None:
    """The same model with real tensors and transformers' own attention that keeps everything."""
    sizes = shapes.SHAPES["tiny"]
    config = Qwen2Config(
        vocab_size=sizes.vocabulary, hidden_size=sizes.hidden, intermediate_size=sizes.inner,
        num_hidden_layers=sizes.layers, num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_heads, tie_word_embeddings=False,
    )  # fmt: skip
    model = Qwen2ForCausalLM._from_config(
        config, dtype=torch.bfloat16, attn_implementation="eager"
    ).train()
    kept = dryrun.Kept()
    with kept:
        shapes.read(model, 1, 64)
    found = dryrun.measure(small(attention="eager", recompute=False))
    assert found.activations == pytest.approx(kept.total, rel=0.02)


def test_weights_gradients_and_optimizer_are_counted_and_sharded() -> None:
    model = shapes.build("tiny", 0, False, "flash", shapes.SHAPES["tiny"].layers)
    count = sum(p.numel() for p in model.parameters())
    assert all(p.device.type == "meta" for p in model.parameters())
    found = dryrun.measure(small(gpus=4))
    assert (found.weights, found.gradients, found.optimizer) == (count, count, 2 * count)
    assert dryrun.measure(small(offload_optimizer=True)).optimizer == 0
    adapter = dryrun.measure(small(lora_rank=4))
    alone = dryrun.measure(small())
    assert adapter.weights < 0.7 * alone.weights and adapter.optimizer < 0.3 * alone.optimizer


@pytest.mark.parametrize(("shape", "billions"), [("14b", 14.77), ("32b", 32.76), ("1.5b", 1.544)])
def test_the_shapes_are_the_published_ones(shape: str, billions: float) -> None:
    gradients = dryrun.measure(small(shape=shape)).gradients
    assert gradients / 4e9 == pytest.approx(billions, abs=0.01)


def test_flash_grows_with_length_and_eager_with_its_square() -> None:
    def activations(attention: str, tokens: int) -> float:
        run = small(attention=attention, recompute=False, input_tokens=tokens)
        return dryrun.measure(run).activations

    assert activations("flash", 2032) / activations("flash", 1008) == pytest.approx(2, rel=0.01)
    assert activations("eager", 2032) / activations("eager", 1008) > 3.5


def test_recomputing_keeps_a_layers_input_and_one_layer() -> None:
    tokens, sizes = 512 + 16, shapes.SHAPES["tiny"]
    whole = dryrun.measure(small(input_tokens=512, recompute=False)).activations
    again = dryrun.measure(small(input_tokens=512)).activations
    inputs = sizes.layers * tokens * sizes.hidden * 2
    assert inputs < again < whole
    assert shapes.build("tiny", 0, True, "flash", 1).is_gradient_checkpointing


@pytest.mark.parametrize("recompute", [False, True])
def test_the_other_layers_follow_from_two(recompute: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = replace(shapes.SHAPES["tiny"], layers=5)
    monkeypatch.setitem(shapes.SHAPES, "deep", deep)
    run = small(shape="deep", stage="rl", recompute=recompute)
    assert dryrun.measure(run) == dryrun.measured(run, 5)


def test_sequence_parallelism_divides_and_rollouts_are_cached() -> None:
    alone, shared = (dryrun.measure(small(gpus=n, sequence_parallel=n)) for n in (1, 4))
    assert shared.activations == alone.activations / 4 and shared.logits == alone.logits / 4
    rl = dryrun.measure(small(stage="rl", rollouts=3))
    sizes = shapes.SHAPES["tiny"]
    head = sizes.hidden // sizes.heads
    assert rl.cache == 3 * 64 * sizes.layers * 2 * sizes.key_heads * head * 2
    assert rl.sampling == rl.weights + rl.optimizer + rl.rollout + rl.cache
    assert alone.sampling == 0


def test_solopo_keeps_less_than_plain_training() -> None:
    plain = dryrun.measure(small(stage="long", input_tokens=1000, recompute=False))
    ours = dryrun.measure(
        small(stage="solopo", input_tokens=1000, short_tokens=100, recompute=False)
    )
    rho = (100 + 16) / (1000 + 16)
    assert ours.activations / plain.activations == pytest.approx((2 * rho + 1) / 2, rel=0.02)


def test_a_layer_that_is_computed_again_reads_two_answers_beside_each_other() -> None:
    """Not one of twice the length, whose attention would be four times as large, not twice."""
    one, two = (
        dryrun.measure(small(stage=stage, input_tokens=2000, attention="eager")).activations
        for stage in ("sft", "long")
    )
    assert two == pytest.approx(2 * one, rel=0.01)


def test_l1s_32b_at_60k_fits_its_32_gpus_and_not_eight() -> None:
    run = shipped("L1-32B, RL phase 2, 60K")
    told: list[str] = []
    assert dryrun.check([run], told.append) == []
    assert run.name in told[0] and "cache" in told[0]
    (why,) = dryrun.check([replace(run, gpus=8, sequence_parallel=1)], told.append)
    assert "needs" in why and "the largest part is" in why and "It would fit with" in why
    assert told[-1] == f"refused: {why}"


def test_the_remedy_told_makes_it_fit() -> None:
    run = small(stage="rl", input_tokens=2000, recompute=False, attention="eager", rollouts=64)
    at = dryrun.measure(replace(run, attention="flash")).peak / dryrun.GIB
    tight = replace(run, gpu_gib=at * 1.01)
    why = dryrun.refused(tight, dryrun.measure(tight))
    assert why is not None and "It would fit with attention = flash." in why
    hopeless = replace(run, gpu_gib=1e-6)
    why = dryrun.refused(hopeless, dryrun.measure(hopeless))
    assert why is not None and "Nothing tried here makes it fit" in why


@pytest.mark.parametrize(
    "wrong",
    [
        {"stage": "ppo"},
        {"attention": "linear"},
        {"input_tokens": 0},
        {"gpus": 6, "sequence_parallel": 4},
        {"gpus": 6, "tensor_parallel": 4},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        small(**wrong)


def test_tables_that_cannot_be_read_are_refused() -> None:
    for told in ({"gpu": 1}, {"name": "only"}, "text"):
        with pytest.raises(SettingsError):
            dryrun.runs_of(dryrun.Config((told,)))
    with pytest.raises(SettingsError, match="no shape"):
        shapes.sizes_of("3b")


def test_the_stage_refuses_with_the_first_reason(tmp_path: Path) -> None:
    path = tmp_path / "dryrun.toml"
    path.write_text(
        '[[runs]]\nname = "big"\nshape = "tiny"\nstage = "sft"\ninput_tokens = 64\n'
        "output_tokens = 8\ngpus = 4\ngpu_gib = 0.0001\n",
        "utf-8",
    )
    with pytest.raises(SettingsError, match=r"1 of 1 runs do not fit\. big needs"):
        dryrun.run(path, False, lambda line: None)
    assert dryrun.run(SHIPPED, True, lambda line: None) == "1 runs fit"
