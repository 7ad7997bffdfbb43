"""CPRS: a question and documents in, the spans that matter to it out, best first.

    compression = Compressor(CompressorConfig()).compress(
        Instruction("sentence"), "When was the lease signed?", documents
    )
    for unit in compression.units: ...

The names are loaded on first use, so that settings can be read without the heavy libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compressor.compressor import Compression, Compressor, Stats
    from compressor.config import CompressorConfig
    from compressor.instruction import Granularity, Instruction

__all__ = ["Compression", "Compressor", "CompressorConfig", "Granularity", "Instruction", "Stats"]

_HOMES = {"CompressorConfig": "config", "Granularity": "instruction", "Instruction": "instruction"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'compressor')}"), name)
