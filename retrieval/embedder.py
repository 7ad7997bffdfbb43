"""Sentence embeddings: a BERT, mean pooling, length 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from documents.progress import IsCancelled, Progress, check, never_cancelled, no_progress
from weights.device import device_and_dtype

if TYPE_CHECKING:
    import torch

TRAINED_TOKENS = 256
"""The length MiniLM was trained at, with its two special tokens."""


class Embedder(Protocol):
    """What retrieval asks of a model of meaning."""

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """For each text, where its tokens start, in characters."""

    def embed(
        self,
        texts: Sequence[str],
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> NDArray[np.float32]:
        """One row of length 1 for each text; a text without a token gets a row all the same."""


class BertEmbedder:
    """A sentence-transformers BERT from a folder of its files.

    The model reads at most 256 tokens at a time (it was trained so, and its positions end at
    512), so a 600-token chunk is cut into equal pieces of at most that, and its vector is the
    mean of the pieces' vectors, brought back to length 1."""

    def __init__(self, folder: Path, batch_pieces: int = 16) -> None:
        from tokenizers import Tokenizer
        from transformers import AutoModel
        from transformers.utils import logging

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._device, dtype = device_and_dtype()
        logging.disable_progress_bar()
        model = AutoModel.from_pretrained(folder, dtype=dtype, local_files_only=True)
        self._model: torch.nn.Module = model.to(self._device).eval()
        self._width = int(model.config.hidden_size)
        special = self._tokenizer.encode("").ids
        self._head, self._tail = special[0], special[-1]
        self._batch = batch_pieces

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """For each text, where its tokens start, in characters."""
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [np.array([start for start, _ in each.offsets], np.int64) for each in found]

    def embed(
        self,
        texts: Sequence[str],
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> NDArray[np.float32]:
        """One row of length 1 for each text, batched by length."""
        pieces, owners = self._pieces(texts)
        order = sorted(range(len(pieces)), key=lambda index: -len(pieces[index]))
        sums = np.zeros((len(texts), self._width), np.float32)
        for first in range(0, len(order), self._batch):
            check(cancelled)
            progress("embedding", first, len(order))
            batch = order[first : first + self._batch]
            vectors = self._forward([pieces[index] for index in batch])
            np.add.at(sums, [owners[index] for index in batch], vectors)
        progress("embedding", len(order), len(order))
        return _unit(sums)

    def _pieces(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Every text's tokens in equal pieces the model can read, and whose each piece is."""
        pieces: list[list[int]] = []
        owners: list[int] = []
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        for owner, each in enumerate(encoded):
            number = max(1, -(-len(each.ids) // (TRAINED_TOKENS - 2)))
            for part in np.array_split(np.array(each.ids, np.int64), number):
                pieces.append([self._head, *part.tolist(), self._tail])
                owners.append(owner)
        return pieces, owners

    def _forward(self, pieces: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        import torch

        ids = torch.zeros((len(pieces), max(map(len, pieces))), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, piece in enumerate(pieces):
            ids[row, : len(piece)] = torch.tensor(piece)
            mask[row, : len(piece)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        with torch.inference_mode():
            hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        mean = (hidden * weights).sum(1) / weights.sum(1)
        return _unit(mean.cpu().numpy())


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
