"""What the critics' training scripts do alike with PyTorch: a loss, checkpoints to go on from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")

OLD = "checkpoint.old"
"""The checkpoint before, while the next one takes its place."""


class _Steps(Dataset[T]):
    """What each step is trained on, by its number."""

    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make

    def __getitem__(self, step: int) -> T:
        return self._make(step)


def batches(make: Callable[[int], T], first: int, last: int, workers: int) -> Iterable[T]:
    """``make(step)`` of the steps ``first`` to ``last``, in order. It is called by so many
    processes beside this one, which a GPU needs that is faster than one can read; 0: by this one.
    """
    steps = range(first, last)
    return DataLoader(_Steps(make), batch_size=None, sampler=steps, num_workers=workers)


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
    seconds: float,
) -> None:
    """A checkpoint that can be used and resumed, put in place whole; ``write`` writes the model."""
    fresh = out / "checkpoint.new"
    write(fresh)
    tokenizer.save(str(fresh / "tokenizer.json"), pretty=False)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "step": step, "seconds": seconds}, fresh / "resume.pt")
    current, old = out / "checkpoint", out / OLD
    if current.exists():
        shutil.rmtree(old, ignore_errors=True)
        current.rename(old)
    fresh.rename(current)
    shutil.rmtree(old, ignore_errors=True)


def resumed(model: nn.Module, optimizer: torch.optim.Optimizer, out: Path) -> tuple[int, float]:
    """The step to go on from and the seconds the run has had, with model and optimizer as they were
    then; 0 and 0 for a new run."""
    current, old = out / "checkpoint", out / OLD
    if old.exists() and not current.exists():
        old.rename(current)  # a kill came between the two
    resume = current / "resume.pt"
    if not resume.exists():
        return 0, 0.0
    state = torch.load(resume, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"]), float(state.get("seconds", 0.0))
