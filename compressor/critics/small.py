"""The small critic, the default on a CPU: MiniLM size, windows of up to 512 tokens.

It reads ``[CLS] prompt [SEP] header [SEP] text [SEP]``, the text as the second segment, as
it was trained to (`compressor.training.train.encode`). A prompt of more than 96 tokens is
cut there: of a very long question only the beginning counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compressor.config import CompressorConfig
from compressor.critics.base import Ranges, Read, TokenScores
from compressor.critics.load import broken, hint
from compressor.instruction import Instruction
from compressor.similarity import Fusion, SentenceEncoder, Similarity
from compressor.vectors import VectorCache
from compressor.windows import Prepared, Window, batched, cut, prepare
from documents.document import Document
from documents.errors import ModelUnavailableError
from documents.progress import IsCancelled, Progress
from weights import ensure
from weights.device import device_and_dtype

if TYPE_CHECKING:
    import torch

PROMPT_TOKENS = 96
HEADER_TOKENS = 64
CHECKPOINT = Path(__file__).parent.parent / "checkpoints" / "minilm-critic"
FILES = ("config.json", "model.safetensors", "tokenizer.json")
FUSION = "fusion.json"
"""What a checkpoint may have besides: how sentence embeddings are weighed in."""


Range = tuple[int, int]
"""Where a row's text starts, and how many tokens it has."""


class SmallCritic:
    """A trained `CriticModel` and its tokenizer, from a folder of ``FILES``.

    Raises `ModelUnavailableError` where a file is missing, `ModelError` where one is broken.
    It runs on a GPU if PyTorch sees one."""

    def __init__(self, config: CompressorConfig, cache: VectorCache | None = None) -> None:
        folder = config.critic or CHECKPOINT
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise ModelUnavailableError(
                f"The critic's checkpoint {folder} has no {missing[0]}.", hint(config)
            )
        import torch
        from tokenizers import Tokenizer

        from compressor.critics.encoder import load_model

        if config.threads is not None:
            torch.set_num_threads(config.threads)
        try:
            model = load_model(folder)
            fused = config.similarity and (folder / FUSION).is_file()
            fusion = Fusion.read(folder / FUSION) if fused else None
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._cls, self._sep = self._tokenizer.encode("").ids
        except Exception as error:  # for a broken file tokenizers raises no narrower one
            raise broken(folder, error, config) from error
        self.folder = folder
        self._config = config
        self._cache = cache
        self._fusion = fusion
        self._similarity: Similarity | None = None
        self._loading = threading.Lock()
        self._device, dtype = device_and_dtype(config.dtype)
        self._model = model.to(self._device, dtype)
        self._ids = lru_cache(maxsize=1024)(self._encode_one)

    def prepare(self, document: Document, cancelled: IsCancelled) -> Prepared:
        """The document's tokens."""
        return prepare(document, self._encode, cancelled)

    def ready(self, prepared: Prepared, watch: tuple[Progress, IsCancelled]) -> None:
        """The vectors of its sentences, where the checkpoint weighs them in. Raises
        `ModelUnavailableError` where the sentence encoder cannot be had."""
        if self._fusion is not None and len(prepared.ids):
            self._similar(self._fusion).vectors(prepared, *watch)

    def windows(
        self, instruction: Instruction, question: str, prepared: Prepared
    ) -> Iterator[Window]:
        """Windows that fit beside this question."""
        room = self._config.window_tokens - 4 - len(self._prompt(instruction, question))
        return cut(prepared, self._ids, room, HEADER_TOKENS, self._config.overlap_tokens)

    def batches(self, windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
        """Windows of like length together, ``batch_tokens`` at most once padded."""
        return batched(windows, self._config.batch_tokens, PROMPT_TOKENS // 2)

    def score(
        self, instruction: Instruction, question: str, windows: Sequence[Window]
    ) -> list[TokenScores]:
        """One forward pass."""
        import torch

        prompt = [self._cls, *self._prompt(instruction, question), self._sep]
        ids, types, mask, heads = self._tensors(prompt, windows)
        with torch.inference_mode():
            keep, boundary = self._model(ids, types, mask)
            return told(keep, boundary, heads)

    def nearness(
        self,
        asked: tuple[Instruction, str],
        windows: Sequence[Window],
        watch: tuple[Progress, IsCancelled],
    ) -> NDArray[np.float32] | None:
        """By the cosines of their sentences; None without sentence embeddings."""
        if self._fusion is None:
            return None
        found = np.zeros(len(windows), np.float32)
        for prepared in dict.fromkeys(window.prepared for window in windows):
            pieces = prepared.pieces.astype(np.int64)
            cosine = self.cosines(asked, prepared, (pieces[:-1], pieces[1:]), watch)
            for number, window in enumerate(windows):
                if window.prepared is prepared:
                    first = int(np.searchsorted(pieces, window.first, side="right")) - 1
                    last = int(np.searchsorted(pieces, window.last))
                    found[number] = cosine[first:last].max()
        return found

    def evidence(
        self,
        asked: tuple[Instruction, str],
        prepared: Prepared,
        units: Read,
        watch: tuple[Progress, IsCancelled],
    ) -> NDArray[np.float32]:
        """The keep probabilities, weighed with the similarity of sentences and the words around
        where the checkpoint says how. Raises `ModelUnavailableError` where the sentence encoder
        cannot be had."""
        if self._fusion is None or not len(prepared.ids):
            return units.keep
        cosine = self.cosines(asked, prepared, units.places, watch)
        return self._fusion.fused(units.keep, cosine, units.around)

    def use(self, fusion: Fusion) -> None:
        """Weigh sentence embeddings in so. The encoder loads when it is first needed."""
        self._fusion, self._similarity = fusion, None

    def cosines(
        self,
        asked: tuple[Instruction, str],
        prepared: Prepared,
        units: Ranges,
        watch: tuple[Progress, IsCancelled],
    ) -> NDArray[np.float32]:
        """How near each unit is in meaning, float32 [units], by the fusion's encoder."""
        if self._fusion is None:
            return np.zeros(len(units[0]), np.float32)
        words = self._ids(asked[0].wanted(asked[1]))
        return self._similar(self._fusion).cosines(words, prepared, units, *watch)

    def _similar(self, fusion: Fusion) -> Similarity:
        with self._loading:
            if self._similarity is None:
                special, name = (self._cls, self._sep), fusion.encoder
                encoder = SentenceEncoder(ensure(name), special, self._config)
                self._similarity = Similarity(encoder, name, self._cache)
            return self._similarity

    def _tensors(
        self, before: Sequence[int], windows: Sequence[Window]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[Range]]:
        """Ids, segments and mask, [windows, length], of rows that begin with ``before``; for each,
        where its text starts and how many tokens it has."""
        import torch

        starts = [len(before) + len(window.header) + 1 for window in windows]
        sizes = [window.last - window.first for window in windows]
        length = max(a + n + 1 for a, n in zip(starts, sizes, strict=True))
        ids = np.zeros((len(windows), length), np.int64)
        types, mask = np.zeros_like(ids), np.zeros_like(ids)
        for row, (window, a, n) in enumerate(zip(windows, starts, sizes, strict=True)):
            ids[row, :a] = [*before, *window.header, self._sep]
            ids[row, a : a + n] = window.prepared.ids[window.first : window.last]
            ids[row, a + n] = self._sep
            types[row, a : a + n + 1] = 1
            mask[row, : a + n + 1] = 1
        tensors = [torch.from_numpy(each).to(self._device) for each in (ids, types, mask)]
        return tensors[0], tensors[1], tensors[2], list(zip(starts, sizes, strict=True))

    def _prompt(self, instruction: Instruction, question: str) -> tuple[int, ...]:
        return self._ids(instruction.prompt(question))[:PROMPT_TOKENS]

    def _encode_one(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _encode(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [(each.ids, each.offsets) for each in found]


def told(keep: torch.Tensor, boundary: torch.Tensor, texts: Sequence[Range]) -> list[TokenScores]:
    """What the logits of a batch, [rows, length] and [rows, length, 4], say of its texts."""
    kept = keep.float().sigmoid().cpu().numpy()
    bounds = boundary.float().softmax(-1).cpu().numpy()
    return [
        TokenScores(kept[row, a : a + n].copy(), bounds[row, a : a + n].copy())
        for row, (a, n) in enumerate(texts)
    ]
