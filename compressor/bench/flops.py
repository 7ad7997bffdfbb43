"""Floating point operations that a decoder's matrix products and attention need.

Of one token in one layer, with hidden size h, H heads of size d, K heads of keys and values, and
an inner size of i:  2h(H + 2K)d + 2Hdh + 6hi  for queries, keys and values, output, and the three
matrices of the feed-forward part; and 4Hd for every pair of tokens of which one sees the other
(scores, and the sum of the values). n tokens have n(n + 1) / 2 such pairs where each sees itself
and what stands before it, and n * n where all see all. A multiplication with its addition is two
operations; what the mask takes away, embeddings, norms, rotations and softmax are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def dense_flops(config: Any) -> int:
    """Of one token's matrix products in one layer."""
    hidden, size = config.hidden_size, _head_size(config)
    heads, shared = config.num_attention_heads, config.num_key_value_heads
    projections = 2 * hidden * (heads + 2 * shared) * size + 2 * heads * size * hidden
    return int(projections + 6 * hidden * config.intermediate_size)


def attention_flops(config: Any, pairs: int) -> int:
    """Of one layer's attention over so many pairs of tokens."""
    return int(4 * config.num_attention_heads * _head_size(config) * pairs)


def causal_pairs(tokens: int) -> int:
    """Pairs where each token sees itself and those before it."""
    return tokens * (tokens + 1) // 2


def prefill_flops(config: Any, tokens: int) -> int:
    """Of a causal pass and the logits of its last token."""
    layer = tokens * dense_flops(config) + attention_flops(config, causal_pairs(tokens))
    return int(config.num_hidden_layers * layer + 2 * config.hidden_size * config.vocab_size)


def window_flops(
    config: Any, first_bidirectional: int, prompt: int, texts: Sequence[int], classes: int
) -> int:
    """Of the critic's pass over windows with ``texts`` tokens of text, each behind ``prompt``
    tokens: layers from ``first_bidirectional`` up see all, and every token of text gets the
    logits of ``classes``, boundaries and words together."""
    causal, total = first_bidirectional, 0
    for text in texts:
        tokens = prompt + text
        total += config.num_hidden_layers * tokens * dense_flops(config)
        total += causal * attention_flops(config, causal_pairs(tokens))
        total += (config.num_hidden_layers - causal) * attention_flops(config, tokens * tokens)
        total += 2 * config.hidden_size * classes * text
    return int(total)


def _head_size(config: Any) -> int:
    size = getattr(config, "head_dim", None)
    return int(size or config.hidden_size // config.num_attention_heads)
