"""A small critic that reads a document once and then only looks at it again for every question.

The lowest layers of its network read question and text apart (`CriticModel`): what they make of a
text is the same for every question, is kept on disk, and a later question costs the upper layers
alone. Every window is still scored.

A window is read as ``[CLS] header [SEP] text [SEP]``, the text as the second segment, and the
prompt before it as ``[CLS] prompt [SEP]``, as in training (`compressor.training.train.Batch.text`).
Windows do not depend on the question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from compressor.config import CompressorConfig
from compressor.critics.base import TokenScores
from compressor.critics.small import HEADER_TOKENS, SmallCritic, told
from compressor.instruction import Instruction
from compressor.vectors import Draft, VectorCache, let_go
from compressor.windows import Prepared, Window, cut
from documents.progress import IsCancelled, Progress, check, never_cancelled
from documents.storage import hash_file

if TYPE_CHECKING:
    import torch

SPECIAL_TOKENS = 3
MAPPED_ROWS = 1 << 15
"""Of states on the disk that are in memory at once, about: 24 MiB of 384 wide ones."""


class ApartCritic(SmallCritic):
    """A `SmallCritic` whose checkpoint has ``apart_layers``."""

    def __init__(self, config: CompressorConfig, cache: VectorCache | None = None) -> None:
        super().__init__(config, cache)
        weights = self.folder / "model.safetensors"
        self._made_by = hash_file(weights, never_cancelled) + str(self._model.apart)
        self._states: WeakKeyDictionary[Prepared, States] = WeakKeyDictionary()
        self._asked = lru_cache(maxsize=8)(self._prompt_states)

    def ready(self, prepared: Prepared, watch: tuple[Progress, IsCancelled]) -> None:
        """And the lower layers' states of every window."""
        super().ready(prepared, watch)
        progress, cancelled = watch
        windows = list(self.windows(Instruction(), "", prepared))
        if not self._states[prepared].kept:
            return
        done = 0
        for batch in self.batches(windows):
            check(cancelled)
            progress("preparing", done, len(windows))
            self._lower(batch)
            done += len(batch)

    def windows(
        self, instruction: Instruction, question: str, prepared: Prepared
    ) -> Iterator[Window]:
        """The same for every question."""
        del instruction, question
        room = self._config.window_tokens - SPECIAL_TOKENS
        found = list(cut(prepared, self._ids, room, HEADER_TOKENS, self._config.overlap_tokens))
        if prepared not in self._states:
            width = int(self._model.config.hidden_size)
            self._states[prepared] = States(prepared, found, width, self._made_by, self._cache)
        return iter(found)

    def score(
        self, instruction: Instruction, question: str, windows: Sequence[Window]
    ) -> list[TokenScores]:
        """One pass of the upper layers, after one of the lower over windows never seen."""
        import torch

        rows = self._lower(windows)
        length = max(map(len, rows))
        hidden = np.zeros((len(rows), length, rows[0].shape[1]), np.float16)
        mask = np.zeros((len(rows), length), np.int64)
        for number, row in enumerate(rows):
            hidden[number, : len(row)] = row
            mask[number, : len(row)] = 1
        before = self._asked(self._prompt(instruction, question)).expand(len(rows), -1, -1)
        with torch.inference_mode():
            keep, boundary = self._model.upper(
                torch.from_numpy(hidden).to(before.device, before.dtype),
                torch.from_numpy(mask).to(before.device),
                (before, torch.ones(before.shape[:2], dtype=torch.long, device=before.device)),
            )
        texts = [(len(each.header) + 2, each.last - each.first) for each in windows]
        return told(keep, boundary, texts)

    def _lower(self, windows: Sequence[Window]) -> list[NDArray[np.float16]]:
        """The states of each window, [tokens, width]; those not kept from before are made. They
        are rounded to half precision at once, so that a later question sees the same."""
        import torch

        states: dict[int, NDArray[np.float16]] = {}
        fresh = []
        for window in windows:
            kept = self._states[window.prepared].get(window)
            if kept is None:
                fresh.append(window)
            else:
                states[id(window)] = kept
        if fresh:
            ids, types, mask, _ = self._tensors([self._cls], fresh)
            with torch.inference_mode():
                hidden = self._model.lower(ids, types, mask).to("cpu", torch.float16).numpy()
            for window, made in zip(fresh, hidden, strict=True):
                states[id(window)] = made[: row_length(window)]
                self._states[window.prepared].put(window, states[id(window)])
        return [states[id(window)] for window in windows]

    def _prompt_states(self, prompt: tuple[int, ...]) -> torch.Tensor:
        """[1, tokens, width]."""
        import torch

        ids = torch.tensor([[self._cls, *prompt, self._sep]], device=self._device)
        with torch.inference_mode():
            return self._model.lower_prompt((ids, torch.ones_like(ids)))


class States:
    """What the lower layers made of a document's windows: read from the cache, or put there once
    all of them are made. Without a cache nothing is kept."""

    def __init__(
        self,
        prepared: Prepared,
        windows: Sequence[Window],
        width: int,
        made_by: str,
        cache: VectorCache | None,
    ) -> None:
        ends = np.cumsum([row_length(window) for window in windows], dtype=np.int64)
        self._ends = {each.first: int(end) for each, end in zip(windows, ends, strict=True)}
        self._vectors: NDArray[np.float16] | None = None
        self._draft: Draft | None = None
        self._missing: set[int] = set()
        self._touched = 0
        if cache is None or not windows:
            return
        digest = hashlib.sha256(made_by.encode() + prepared.ids.tobytes())
        digest.update(repr([(each.first, each.last, each.header) for each in windows]).encode())
        key = prepared.document.id, f"states-{digest.hexdigest()[:16]}"
        self._vectors = cache.mapped(*key)
        if self._vectors is None and (draft := cache.draft(*key, (int(ends[-1]), width))):
            self._draft, self._vectors = draft, draft.vectors
            self._missing = set(self._ends)

    @property
    def kept(self) -> bool:
        """Whether there is room for them."""
        return self._vectors is not None

    def get(self, window: Window) -> NDArray[np.float16] | None:
        """A window's states, where they are there."""
        if self._vectors is None or window.first in self._missing:
            return None
        self._touch(self._vectors, window)
        return self._vectors[self._place(window)]

    def put(self, window: Window, states: NDArray[np.float16]) -> None:
        """Keep a window's states."""
        if self._vectors is None or window.first not in self._missing:
            return
        self._touch(self._vectors, window)
        self._vectors[self._place(window)] = states
        self._missing.remove(window.first)
        if self._draft and not self._missing:
            self._draft.finish()
            self._draft = None

    def _touch(self, vectors: NDArray[np.float16], window: Window) -> None:
        self._touched += row_length(window)
        if self._touched > MAPPED_ROWS:
            let_go(vectors)
            self._touched = 0

    def _place(self, window: Window) -> slice:
        end = self._ends[window.first]
        return slice(end - row_length(window), end)


def row_length(window: Window) -> int:
    """Tokens of a window as it is read, the special ones counted."""
    return SPECIAL_TOKENS + len(window.header) + window.last - window.first
