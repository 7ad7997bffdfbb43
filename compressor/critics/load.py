"""Which critic a checkpoint's folder holds."""

from __future__ import annotations

import json
from pathlib import Path

from compressor.config import CompressorConfig
from compressor.critics.base import Critic
from compressor.vectors import VectorCache
from documents.errors import ModelError

CPRS_MODEL_TYPES = ("qwen2", "llama")
"""The ``model_type`` in ``config.json`` of the published architecture's checkpoints."""


def load_critic(config: CompressorConfig, cache: VectorCache | None = None) -> Critic:
    """The critic that ``config.critic`` holds; without one, longdoc's own.

    Raises `ModelUnavailableError` where a file is missing, `ModelError` where one is broken."""
    from compressor.critics.small import CHECKPOINT, SmallCritic

    said = _config_of(config.critic or CHECKPOINT)
    if said.get("model_type") in CPRS_MODEL_TYPES:
        from compressor.critics.qwen import QwenCritic

        return QwenCritic(config)
    if said.get("apart_layers"):
        from compressor.critics.apart import ApartCritic

        return ApartCritic(config, cache)
    return SmallCritic(config, cache)


def hint(config: CompressorConfig) -> str:
    """What to do about a checkpoint that cannot be used."""
    if config.critic is None:
        return "Install longdoc again: its checkpoint comes with it."
    return "Correct the setting compressor.critic, or remove it for the critic of longdoc's own."


def broken(folder: Path, error: Exception, config: CompressorConfig) -> ModelError:
    """The error for a checkpoint that cannot be loaded."""
    first = str(error).split("\n", 1)[0][:200]
    return ModelError(f"The critic's checkpoint {folder} cannot be loaded: {first}", hint(config))


def _config_of(folder: Path) -> dict[str, object]:
    """What ``config.json`` says; nothing where it cannot be read, which the critic reports."""
    try:
        values = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
