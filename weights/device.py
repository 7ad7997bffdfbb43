"""On what a model of ours computes, and in what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def device_and_dtype(asked: str = "auto") -> tuple[str, torch.dtype]:
    """The GPU if PyTorch sees one. ``asked``: bf16, fp32 or auto. For ``auto`` bf16 on a GPU and on
    a processor that multiplies matrices in it (AMX): with AVX-512 alone fp32 was a fifth faster
    for the critic, and elsewhere bf16 is emulated."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if asked == "auto":
        able = device == "cuda" or bool(torch.cpu.get_capabilities().get("amx_bf16"))
        return device, torch.bfloat16 if able else torch.float32
    return device, torch.bfloat16 if asked == "bf16" else torch.float32
