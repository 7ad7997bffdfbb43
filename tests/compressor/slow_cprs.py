"""The published critic written a second time, from the paper: slow, one number after another.

It shares nothing with longdoc's own: rotation, normalisation, grouped queries and the mask are
spelled out, on a checkpoint's weights by their published names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def slow_norm(values: Tensor, weight: Tensor, eps: float) -> Tensor:
    return torch.stack([v / math.sqrt(float((v * v).mean()) + eps) * weight for v in values])


def slow_rope(vector: Tensor, place: int, theta: float) -> Tensor:
    half = len(vector) // 2
    out = torch.empty_like(vector)
    for i in range(half):
        angle = place / theta ** (2 * i / len(vector))
        a, b = float(vector[i]), float(vector[i + half])
        out[i] = a * math.cos(angle) - b * math.sin(angle)
        out[i + half] = b * math.cos(angle) + a * math.sin(angle)
    return out


def slow_attention(x: Tensor, w: Mapping[str, Tensor], config: Any, causal: bool) -> Tensor:
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    size = len(w["q_proj.weight"]) // heads
    theta = config.rope_parameters["rope_theta"]
    length = len(x)
    mask = torch.zeros(length, length)
    for i in range(length):
        for j in range(length):
            if causal and j > i:
                mask[i, j] = -math.inf
    q, k, v = (
        (x @ w[f"{n}_proj.weight"].T + w.get(f"{n}_proj.bias", torch.zeros(1))).view(
            length, -1, size
        )
        for n in "qkv"
    )
    mixed = torch.empty(length, heads, size)
    for head in range(heads):
        group = head * groups // heads
        keys = torch.stack([slow_rope(k[j, group], j, theta) for j in range(length)])
        for i in range(length):
            dots = keys @ slow_rope(q[i, head], i, theta) / math.sqrt(size) + mask[i]
            mixed[i, head] = (
                torch.exp(dots - dots.max()) / torch.exp(dots - dots.max()).sum() @ v[:, group]
            )
    return mixed.reshape(length, -1) @ w["o_proj.weight"].T


def slow_states(state: Mapping[str, Tensor], config: Any, ids: Sequence[int], first: int) -> Tensor:
    eps = config.rms_norm_eps
    x = torch.stack([state["model.embed_tokens.weight"][number] for number in ids])
    for layer in range(config.num_hidden_layers):
        at = f"model.layers.{layer}."
        w = {k.removeprefix(f"{at}self_attn."): v for k, v in state.items() if k.startswith(at)}
        normed = slow_norm(x, state[f"{at}input_layernorm.weight"], eps)
        x = x + slow_attention(normed, w, config, causal=layer < first)
        normed = slow_norm(x, state[f"{at}post_attention_layernorm.weight"], eps)
        gate = normed @ state[f"{at}mlp.gate_proj.weight"].T
        up = normed @ state[f"{at}mlp.up_proj.weight"].T
        x = x + (gate / (1 + torch.exp(-gate)) * up) @ state[f"{at}mlp.down_proj.weight"].T
    return slow_norm(x, state["model.norm.weight"], eps)


def slow_decision(
    state: Mapping[str, Tensor], hidden: Tensor, head: Tensor | None, words: Sequence[int]
) -> tuple[list[float], list[list[float]]]:
    """Keep, and B, I, O, E of each token: over all pairs that a label can be."""
    keep, bounds = [], []
    for x in hidden:
        tags = torch.exp(state["cls_head.weight"] @ x + state["cls_head.bias"]).tolist()
        vocabulary = torch.exp(head @ x).tolist() if head is not None else None
        pairs = {}
        for tag, name in enumerate("BIOE"):
            for word in words if vocabulary else words[:1]:
                if vocabulary and (name == "O") != (word == words[0]):
                    continue
                pairs[name, word] = tags[tag] * (vocabulary[word] if vocabulary else 1.0)
        total = sum(pairs.values())
        each = [sum(v for (n, _), v in pairs.items() if n == name) / total for name in "BIOE"]
        bounds.append(each)
        keep.append(1 - each[2])
    return keep, bounds
