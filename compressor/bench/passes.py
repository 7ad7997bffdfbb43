"""The passes that are timed: the critic's over windows, and a prefill, with random weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.bias import causal_lower_right
from transformers import AttentionInterface, DynamicCache

from compressor.critics.qwen_model import CprsModel, build

CAUSAL = "longdoc_causal"
WORDS = (0, 1)
"""Any two ids, for the word "outside" and the category's."""
SHAPES: dict[str, dict[str, Any]] = {
    "7b": {  # Qwen2.5-7B, and the published N
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "cprs": {"first_bidirectional_layer": 21, "lm_head": True},
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
        "cprs": {"first_bidirectional_layer": 3, "lm_head": True},
    },
}
_COMMON = {
    "model_type": "qwen2",
    "max_position_embeddings": 1 << 20,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": False,
}


def random_model(
    shape: dict[str, Any], attention: str, device: str, dtype: torch.dtype
) -> CprsModel:
    """A critic of this shape; its weights are drawn on the device."""
    model = build({**_COMMON, **shape}, attention).to(dtype).to_empty(device=device)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("norm.weight"):
                value.fill_(1.0)
            else:
                nn.init.normal_(value, std=0.02)
    # Its frequencies are no parameters, and stay in float32 whatever the weights are in.
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config).to(device)
    return model.eval().requires_grad_(False)


def window_batches(length: int, room: int, parallel: int) -> Iterator[list[tuple[int, int]]]:
    """The text in windows of ``room`` tokens, ``parallel`` at a time; those of one batch are of
    one length, so that none needs padding."""
    ranges = [(first, min(first + room, length)) for first in range(0, length, room)]
    for _, alike in groupby(ranges, key=lambda one: one[1] - one[0]):
        group = list(alike)
        yield from (group[at : at + parallel] for at in range(0, len(group), parallel))


@torch.inference_mode()
def read_windows(
    model: CprsModel, prompt: Tensor, ids: Tensor, batch: Sequence[tuple[int, int]]
) -> tuple[Tensor, Tensor]:
    """The critic's decision on all text of the windows, in their order: [n] and [n, 4]."""
    rows = torch.stack([torch.cat([prompt, ids[first:last]]) for first, last in batch])
    hidden = model(rows, [rows.shape[1]] * len(rows))
    return model.decide(hidden[:, len(prompt) :].flatten(0, 1), WORDS)


@torch.inference_mode()
def prefill(model: CprsModel, ids: Tensor, chunk: int) -> tuple[Tensor, DynamicCache]:
    """The last token's logits, [vocabulary], and the cache of keys and values."""
    cache = DynamicCache(config=model.config)
    assert model.lm_head is not None
    with _all_causal(model):
        for first in range(0, len(ids), chunk):
            hidden = model.model(
                ids[None, first : first + chunk],
                attention_mask={"full_attention": None},
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state
    return model.lm_head(hidden[0, -1]), cache


@contextmanager
def _all_causal(model: CprsModel) -> Iterator[None]:
    usual = model.config._attn_implementation
    model.config._attn_implementation = CAUSAL
    try:
        yield
    finally:
        model.config._attn_implementation = usual


def _causal(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention of the last tokens to themselves and all before. transformers' own would make a
    mask for a chunk and copy shared keys for each head, with which the fast kernels are not to be
    had: reading everything would look slower than it is."""
    del module, attention_mask, others
    new, seen = query.shape[2], key.shape[2]
    mask: Tensor | None = None
    if new < seen and query.is_cuda:
        mask = causal_lower_right(new, seen)
    elif new < seen:
        mask = torch.ones(new, seen, dtype=torch.bool, device=query.device).tril(seen - new)
    found = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=True
    )
    return found.transpose(1, 2).contiguous(), None


AttentionInterface.register(CAUSAL, _causal)
