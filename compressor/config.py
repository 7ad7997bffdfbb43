"""How the compressor works: one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class CompressorConfig:
    """``critic``: folder of a critic's checkpoint; none means the one that comes with longdoc.
    ``window_tokens``: tokens in one window, prompt and header included (at most 512).
    ``overlap_tokens``: the most tokens that two neighbouring windows share.
    ``batch_tokens``: tokens in one pass of the critic; a stop waits for one pass.
    ``threads``: CPU threads, for the whole process; none leaves PyTorch's own choice.
    ``dtype``: ``bf16``, ``fp32``, or ``auto``: bf16 on a GPU and where the processor has AMX.
    ``floor``: units that score less are not returned.
    ``similarity``: weigh the critic with sentence embeddings, where its checkpoint says how.
    ``cache_mb``: MiB on disk for what is kept of documents between questions.
    ``cascade_tokens``: of more text than this the critic reads only the windows with the sentence
    nearest to the question, so many tokens of them; the rest is ranked by its sentence embeddings
    alone. 0: it reads everything. Of use only with ``similarity``."""

    critic: Path | None = None
    window_tokens: int = 512
    overlap_tokens: int = 32
    batch_tokens: int = 2048
    threads: int | None = None
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    floor: float = 1e-4
    similarity: bool = True
    cache_mb: int = 2048
    cascade_tokens: int = 0

    def __post_init__(self) -> None:
        # Here, and not above: the settings are read before anything else is needed.
        from documents.errors import SettingsError

        bounds = {
            "window_tokens": (256, 512),
            "overlap_tokens": (0, 64),
            "batch_tokens": (1, 1 << 20),
            "threads": (1, 1024),
            "floor": (0, 1),
            "cache_mb": (0, 1 << 24),
            "cascade_tokens": (0, 1 << 30),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SettingsError(
                    f"compressor.{name} is {value}.", f"Set it to {low} or more, up to {high}."
                )
        if self.dtype not in ("auto", "bf16", "fp32"):
            raise SettingsError(
                f"compressor.dtype is {self.dtype!r}.", "Choose auto, bf16 or fp32."
            )
