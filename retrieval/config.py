"""How retrieval works: one frozen dataclass, and the hash that names what an index was made by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from documents.errors import SettingsError

SCHEME = 1
"""Goes up when chunks or vectors are made in another way: old indexes are then not used."""


@dataclass(frozen=True, slots=True)
class RetrievalConfig:
    """``chunk_tokens``: the most tokens of a chunk, by the embedder's tokenizer.
    ``ranking``: by embeddings (``dense``), by words (``bm25``), or both fused (``hybrid``).
    ``embedder``: a row of ``weights/registry.toml``.
    ``chroma_url``: a Chroma server; none means files in the data folder.
    ``batch_pieces``: texts in one pass of the embedder; a stop waits for one pass.
    ``rrf_constant``: the constant of reciprocal rank fusion."""

    chunk_tokens: int = 600
    ranking: Literal["dense", "bm25", "hybrid"] = "dense"
    embedder: str = "all-minilm-l6-v2"
    chroma_url: str | None = None
    batch_pieces: int = 16
    rrf_constant: int = 60

    def __post_init__(self) -> None:
        for name in ("chunk_tokens", "batch_pieces", "rrf_constant"):
            if getattr(self, name) < 1:
                raise SettingsError(
                    f"retrieval.{name} is {getattr(self, name)}.", "Set it to 1 or more."
                )

        if self.ranking not in ("dense", "bm25", "hybrid"):
            raise SettingsError(
                f"retrieval.ranking is {self.ranking!r}.", "Choose dense, bm25 or hybrid."
            )

    def collection(self) -> str:
        """The name of the vectors made by these settings; what only ranks is not in it."""
        made_by = f"{SCHEME}|{self.chunk_tokens}|{self.embedder}"
        return "longdoc-" + hashlib.sha256(made_by.encode()).hexdigest()[:16]
