"""How near in meaning a sentence is to the question, to be weighed with what the critic says.

A small critic reads question and text together and yet misses some plain matches, which the
sentence encoder that it was started from finds: so the logit of its keep probability and the
cosine of sentence embeddings are added, with weights fitted on documents kept from training
(`compressor.training.fusion`). The vectors do not depend on the question: they are made once a
document and kept on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from compressor.config import CompressorConfig
from compressor.vectors import VectorCache
from compressor.windows import Prepared
from documents.progress import IsCancelled, Progress, check
from weights.device import device_and_dtype

if TYPE_CHECKING:
    import torch

CHUNK_TOKENS = 100
"""Neighbouring sentences are read together up to this size: "it" then has a meaning."""
MOST_TOKENS = 254
"""What the encoder was trained to read at once, less its two special tokens."""
_LEAST = 1e-6
_LOOK_S = 0.2
"""How often a wait looks whether it is to stop."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """``probability = sigmoid(scale * (logit(keep) + weight * cosine + words * around) + bias)``:
    of a unit with mean keep probability ``keep``, that it is evidence. ``around`` is the share of
    the question's words around it. ``encoder`` names the sentence encoder."""

    encoder: str
    weight: float
    scale: float
    bias: float
    words: float = 0.0

    @classmethod
    def read(cls, path: Path) -> Fusion:
        """From a checkpoint's ``fusion.json``. Raises `ValueError` or `TypeError`."""
        return cls(**json.loads(path.read_text("utf-8")))

    def fused(
        self,
        keep: NDArray[np.float32],
        cosine: NDArray[np.float32],
        around: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """The probabilities, [n], of units with these."""
        logits = self.scale * self.logits(keep, cosine, around) + self.bias
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)

    def logits(
        self,
        keep: NDArray[np.float32],
        cosine: NDArray[np.float32],
        around: NDArray[np.float32],
    ) -> NDArray[np.float64]:
        """The sums before they are made probabilities."""
        kept = np.clip(keep.astype(np.float64), _LEAST, 1 - _LEAST)
        more = self.weight * cosine + self.words * around
        return np.asarray(np.log(kept / (1 - kept)) + more, np.float64)


class SentenceEncoder:
    """A sentence-transformers BERT from a folder of its files, with mean pooling. Its tokenizer has
    to be the critic's: it reads a prepared document's tokens. It computes in what the critic
    does."""

    def __init__(self, folder: Path, special: tuple[int, int], config: CompressorConfig) -> None:
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._device, dtype = device_and_dtype(config.dtype)
        model = AutoModel.from_pretrained(folder, dtype=dtype, local_files_only=True)
        self._model: torch.nn.Module = model.to(self._device).eval()
        self._width = int(model.config.hidden_size)
        self._cls, self._sep = special
        self._batch_tokens = config.batch_tokens

    def question(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """A question's vector, float32 [width], of length 1."""
        hidden = self._hidden([list(ids[:MOST_TOKENS])])[0]
        mean: NDArray[np.float32] = hidden.mean(0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def pieces(
        self, prepared: Prepared, progress: Progress, cancelled: IsCancelled
    ) -> NDArray[np.float16]:
        """The mean of its tokens' states for each piece of the document, float16 [pieces, width].
        A stop waits for one batch."""
        bounds = prepared.pieces
        sums = np.zeros((len(bounds) - 1, self._width), np.float32)
        found = sorted(chunks(bounds), key=lambda chunk: chunk[1] - chunk[0])
        done = 0
        while done < len(found):
            check(cancelled)
            progress("embedding", done, len(found))
            count = max(1, self._batch_tokens // (found[done][1] - found[done][0] + 2))
            batch = found[done : done + count]
            for (first, last), hidden in zip(
                batch, self._hidden([prepared.ids[a:b].tolist() for a, b in batch]), strict=True
            ):
                tokens = np.arange(first, last, dtype=bounds.dtype)  # else all bounds are copied
                owners = np.searchsorted(bounds, tokens, side="right") - 1
                begins = np.flatnonzero(np.diff(owners, prepend=-1))
                sums[owners[begins]] += np.add.reduceat(hidden[1:-1], begins)
            done += len(batch)
        progress("embedding", len(found), len(found))
        sizes = np.maximum(np.diff(bounds), 1).astype(np.float32)
        return np.asarray(sums / sizes[:, None], np.float16)

    def _hidden(self, pieces: Sequence[list[int]]) -> list[NDArray[np.float32]]:
        """The states of each piece's tokens between its two special ones, [tokens + 2, width]."""
        import torch

        rows = [[self._cls, *piece, self._sep] for piece in pieces]
        ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        with torch.inference_mode():
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        found = states.float().cpu().numpy()
        return [found[row, : len(tokens)] for row, tokens in enumerate(rows)]


def chunks(bounds: NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """Token ranges that cover the pieces with these bounds, in order: whole pieces together up to
    ``CHUNK_TOKENS``, a longer one alone, in equal parts of ``MOST_TOKENS`` at most."""
    edges: list[int] = bounds.tolist()
    first = edges[0]
    for start, end in pairwise(edges):
        if first < start and end - first > CHUNK_TOKENS:
            yield first, start
            first = start
        if end - start > MOST_TOKENS:
            parts = -(-(end - start) // MOST_TOKENS)
            cuts = [start + (end - start) * part // parts for part in range(parts + 1)]
            yield from pairwise(cuts)
            first = end
    if first < edges[-1]:
        yield first, edges[-1]


class Similarity:
    """The cosine of a document's sentences with a question; vectors come from ``cache`` where they
    were made before. ``name`` is the encoder's, which tells its vectors from others'."""

    def __init__(self, encoder: SentenceEncoder, name: str, cache: VectorCache | None) -> None:
        self._encoder = encoder
        self._name = name
        self._cache = cache
        self._asked = lru_cache(maxsize=8)(encoder.question)
        self._held: WeakKeyDictionary[Prepared, NDArray[np.float16]] = WeakKeyDictionary()
        self._locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    def cosines(
        self,
        question: Sequence[int],
        prepared: Prepared,
        ranges: tuple[NDArray[np.int64], NDArray[np.int64]],
        progress: Progress,
        cancelled: IsCancelled,
    ) -> NDArray[np.float32]:
        """Of a question's token ids with units that are whole pieces, of the tokens
        ``ranges[0][i]`` to ``ranges[1][i]``: float32 [units]. 0 for a unit without tokens."""
        vectors = self.vectors(prepared, progress, cancelled)
        first = np.searchsorted(prepared.pieces, ranges[0])
        last = np.searchsorted(prepared.pieces, ranges[1])
        found = vectors[np.minimum(first, len(vectors) - 1)].astype(np.float32)
        sizes = np.diff(prepared.pieces).astype(np.float32)
        for unit in np.flatnonzero(last - first > 1):
            part = slice(first[unit], last[unit])
            found[unit] = sizes[part] @ vectors[part].astype(np.float32)
        asked = self._asked(tuple(question))
        lengths = np.maximum(np.linalg.norm(found, axis=1), 1e-12)
        return np.asarray(np.where(last > first, found @ asked / lengths, 0.0), np.float32)

    def vectors(
        self, prepared: Prepared, progress: Progress, cancelled: IsCancelled
    ) -> NDArray[np.float16]:
        """The document's, made now or read from the cache, and held as long as ``prepared`` is: a
        cascade asks twice."""
        if (held := self._held.get(prepared)) is None:
            held = self._held[prepared] = self._kept_or_made(prepared, progress, cancelled)
        return held

    def _kept_or_made(
        self, prepared: Prepared, progress: Progress, cancelled: IsCancelled
    ) -> NDArray[np.float16]:
        read = hashlib.sha256(prepared.ids.tobytes() + prepared.pieces.tobytes()).hexdigest()[:16]
        name = f"{self._name}-{read}"
        with _held(self._locks.setdefault(name, Lock()), cancelled):
            if self._cache and (kept := self._cache.get(prepared.document.id, name)) is not None:
                return kept
            made = self._encoder.pieces(prepared, progress, cancelled)
            if self._cache:
                self._cache.put(prepared.document.id, name, made)
            return made


@contextmanager
def _held(lock: Lock, cancelled: IsCancelled) -> Iterator[None]:
    """With the lock, so that a question waits for vectors that are being made at ingest."""
    while not lock.acquire(timeout=_LOOK_S):
        check(cancelled)
    try:
        yield
    finally:
        lock.release()
