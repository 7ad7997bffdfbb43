"""What the critics' training scripts do alike with PyTorch: a loss, checkpoints to go on from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn


def focal(entropy: Tensor) -> Tensor:
    """The mean focal loss, gamma 2, of cross entropies [n]."""
    return ((1 - torch.exp(-entropy)) ** 2 * entropy).mean()


def save(
    write: Callable[[Path], None],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    tokenizer: Tokenizer,
    out: Path,
    *,
    step: int,
) -> None:
    """A checkpoint that can be used and resumed, put in place whole; ``write`` writes the model."""
    fresh = out / "checkpoint.new"
    write(fresh)
    tokenizer.save(str(fresh / "tokenizer.json"), pretty=False)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state, fresh / "resume.pt")
    current = out / "checkpoint"
    if current.exists():
        shutil.rmtree(current)
    fresh.rename(current)


def resumed(model: nn.Module, optimizer: torch.optim.Optimizer, out: Path) -> int:
    """The step to go on from, with model and optimizer as they were then; 0 for a new run."""
    resume = out / "checkpoint" / "resume.pt"
    if not resume.exists():
        return 0
    state = torch.load(resume, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
