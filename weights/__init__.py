"""Which models there are, fetching and verifying their files, and counting tokens."""

from weights.fetch import ensure, installed
from weights.quiet import no_telemetry
from weights.registry import Hub, Model, ModelFile, Package, find, load, models_dir
from weights.tokens import Tokens, tokenizer

__all__ = [
    "Hub",
    "Model",
    "ModelFile",
    "Package",
    "Tokens",
    "ensure",
    "find",
    "installed",
    "load",
    "models_dir",
    "no_telemetry",
    "tokenizer",
]
