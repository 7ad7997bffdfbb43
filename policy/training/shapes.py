"""Models of published sizes on the meta device: shapes without memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AutoModelForCausalLM, Qwen2Config

from documents.errors import SettingsError
from policy.training.models import adapted

COUNTED = "longdoc_counted"
"""A name with "flash" in it would have transformers look for a kernel."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """A Qwen2 model's sizes, as its published configuration has them."""

    layers: int
    hidden: int
    inner: int
    heads: int
    key_heads: int
    vocabulary: int
    tied: bool = False

    @property
    def cache_bytes(self) -> int:
        """Keys and values of one token in bfloat16."""
        return 2 * 2 * self.layers * self.key_heads * (self.hidden // self.heads)


SHAPES = {
    "tiny": Sizes(2, 64, 128, 4, 2, 512),
    "1.5b": Sizes(28, 1536, 8960, 12, 2, 151_936, tied=True),
    "7b": Sizes(28, 3584, 18_944, 28, 4, 152_064),
    "14b": Sizes(48, 5120, 13_824, 40, 8, 152_064),
    "32b": Sizes(64, 5120, 27_648, 40, 8, 152_064),
}
"""Qwen2.5's, which R1-Distill-Qwen and QwenLong-L1 share."""


def sizes_of(shape: str) -> Sizes:
    """The sizes called ``shape``."""
    if shape not in SHAPES:
        raise SettingsError(f"There is no shape {shape}.", f"Shapes: {', '.join(SHAPES)}.")
    return SHAPES[shape]


def build(shape: str, lora_rank: int, recompute: bool, attention: str, layers: int) -> Any:
    """The model on the meta device in bfloat16, ready to train, with so many layers."""
    sizes = sizes_of(shape)
    config = Qwen2Config(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        intermediate_size=sizes.inner,
        num_hidden_layers=layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_heads,
        max_position_embeddings=131_072,
        tie_word_embeddings=sizes.tied,
    )
    register_attention()
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            config,
            dtype=torch.bfloat16,
            attn_implementation=COUNTED if attention == "flash" else "eager",
        )
        model = adapted(model, lora_rank, recompute)
    return model.train()


def read(model: Any, rows: int, tokens: int) -> Tensor:
    """The last hidden states of so many tokens, through the layers alone; shape (rows, tokens,
    hidden). No mask is made: that needs numbers, which the meta device has not."""
    core = (model.get_base_model() if hasattr(model, "peft_config") else model).model
    ids = torch.zeros(rows, tokens, dtype=torch.long, device=core.embed_tokens.weight.device)
    places = torch.arange(tokens, device=ids.device).unsqueeze(0)
    masks = {"full_attention": None}
    hidden: Tensor = core(
        input_ids=ids, position_ids=places, attention_mask=masks, use_cache=False
    ).last_hidden_state
    return hidden


def layers_of(model: Any) -> Any:
    """The model's layers, without an adapter's wrapping."""
    return (model.get_base_model() if hasattr(model, "peft_config") else model).model.layers


def largest_unit(model: Any) -> int:
    """Weights of the largest part that sharding gathers at once: a layer, or an embedding."""
    core = model.get_base_model() if hasattr(model, "peft_config") else model
    units = [*core.model.layers, core.model.embed_tokens, core.lm_head]
    return max(sum(int(p.numel()) for p in unit.parameters()) for unit in units)


class _Flash(torch.autograd.Function):
    """Keeps for the backward pass what FlashAttention keeps: its inputs, its output, and the log of
    each row's sum. There are shapes only: nothing is computed."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = torch.empty_like(query)
        sums = torch.empty(query.shape[:-1], dtype=torch.float32, device=query.device)
        ctx.save_for_backward(query, key, value, out, sums)
        return out

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        del slope
        query, key, value, _, _ = ctx.saved_tensors
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **told: Any
) -> tuple[Tensor, None]:
    del module, mask, told
    apply: Callable[..., Tensor] = _Flash.apply
    return apply(query, key, value).transpose(1, 2).contiguous(), None


def register_attention() -> None:
    """Make the counted attention known to transformers."""
    AttentionInterface.register(COUNTED, _attend)
