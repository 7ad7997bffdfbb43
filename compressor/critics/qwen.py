"""The published critic, QwenLong-CPRS, at any size: `CprsModel` on `CprsInput`.

A folder of the published layout is used as it is: ``config.json``, ``tokenizer.json`` and
``model.safetensors``, whole or in shards. Windows are scored side by side; in the released code
that path is broken, and its server reads them one after the other. They may overlap by
``overlap_tokens``; the paper's do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from compressor.config import CompressorConfig
from compressor.critics.base import Read, TokenScores
from compressor.critics.load import broken, hint
from compressor.critics.qwen_input import CprsInput
from compressor.critics.qwen_model import PACKED, CprsModel, load_model
from compressor.instruction import Instruction
from compressor.windows import Prepared, Window, batched, cut
from documents.document import Document
from documents.errors import ModelError, ModelUnavailableError
from documents.progress import IsCancelled, Progress
from weights.device import device_and_dtype


class QwenCritic:
    """A critic of the published architecture, from the folder ``config.critic``.

    Its windows are as long as its checkpoint says; ``config.window_tokens`` is the small critic's.
    Raises `ModelUnavailableError` where a file is missing, `ModelError` where one is broken. It
    runs on a GPU if PyTorch sees one, with flash attention if that is installed."""

    def __init__(self, config: CompressorConfig) -> None:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self._config = config
        self._model, tokenizer = _load(config)
        limit = self._model.config.max_position_embeddings
        self._window = min(self._model.settings.window_tokens, limit)
        self._input = CprsInput(tokenizer, self._window)
        self._prompt = lru_cache(maxsize=16)(self._input.prompt)
        self._header = lru_cache(maxsize=1024)(self._input.encode)
        self._break = self._input.encode("\n")
        self._device = str(self._model.cls_head.weight.device)

    def prepare(self, document: Document, cancelled: IsCancelled) -> Prepared:
        """The document's tokens."""
        return self._input.prepare(document, cancelled)

    def windows(
        self, instruction: Instruction, question: str, prepared: Prepared
    ) -> Iterator[Window]:
        """Windows that fit beside this question."""
        room = self._window - len(self._prompt(instruction, question)) - len(self._break)
        header = self._model.settings.header_tokens
        return cut(prepared, self._header, room, header, self._config.overlap_tokens)

    def batches(self, windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
        """Windows of like length together, ``batch_tokens`` at most once padded."""
        return batched(windows, self._config.batch_tokens, self._input.prompt_tokens)

    def ready(self, prepared: Prepared, watch: tuple[Progress, IsCancelled]) -> None:
        """Nothing: the question is read with the text."""
        del prepared, watch

    def nearness(
        self,
        asked: tuple[Instruction, str],
        windows: Sequence[Window],
        watch: tuple[Progress, IsCancelled],
    ) -> None:
        """Not known: it has no sentence embeddings."""
        del asked, windows, watch

    def evidence(
        self,
        asked: tuple[Instruction, str],
        prepared: Prepared,
        units: Read,
        watch: tuple[Progress, IsCancelled],
    ) -> NDArray[np.float32]:
        """The keep probabilities, as published."""
        del asked, prepared, watch
        return units.keep

    def score(
        self, instruction: Instruction, question: str, windows: Sequence[Window]
    ) -> list[TokenScores]:
        """One forward pass."""
        prompt = self._prompt(instruction, question)
        rows = [self._row(prompt, window) for window in windows]
        words = self._input.words[instruction.granularity]
        sizes = [window.last - window.first for window in windows]
        with torch.inference_mode():
            hidden = self._model(*_padded(rows, self._device))
            texts = [
                hidden[row, len(ids) - size : len(ids)]
                for row, (ids, size) in enumerate(zip(rows, sizes, strict=True))
            ]
            keep, boundary = self._model.decide(torch.cat(texts), words)
        ends = np.cumsum(sizes)[:-1]
        return [
            TokenScores(_blanks_apart(window, kept), bounds)
            for window, kept, bounds in zip(
                windows,
                np.split(keep.cpu().numpy(), ends),
                np.split(boundary.cpu().numpy(), ends),
                strict=True,
            )
        ]

    def _row(self, prompt: Sequence[int], window: Window) -> list[int]:
        header = [*window.header, *self._break] if window.header else []
        return [*prompt, *header, *window.prepared.ids[window.first : window.last].tolist()]


def _load(config: CompressorConfig) -> tuple[CprsModel, Tokenizer]:
    folder = config.critic
    assert folder is not None
    device, dtype = device_and_dtype(config.dtype)
    if not (folder / "tokenizer.json").is_file():
        raise ModelUnavailableError(
            f"The critic's checkpoint {folder} has no tokenizer.json.", hint(config)
        )
    try:
        model = load_model(folder, _attention(device, dtype), device, dtype)
        return model, Tokenizer.from_file(str(folder / "tokenizer.json"))
    except ModelError as error:
        raise type(error)(error.message, error.hint or hint(config)) from error
    except Exception as error:  # for a broken file tokenizers raises no narrower one
        raise broken(folder, error, config) from error


def _attention(device: str, dtype: torch.dtype) -> str:
    """Flash attention, whose windows need no padding, where it is installed and can be used."""
    from transformers.utils import is_flash_attn_2_available

    usable = device == "cuda" and dtype == torch.bfloat16 and is_flash_attn_2_available()
    return PACKED if usable else "sdpa"


def _padded(rows: Sequence[Sequence[int]], device: str) -> tuple[torch.Tensor, list[int]]:
    """Ids, [windows, length], padded on the right, and how many there are in each row."""
    lengths = [len(ids) for ids in rows]
    ids = np.zeros((len(rows), max(lengths)), np.int64)
    for row, own in enumerate(rows):
        ids[row, : len(own)] = own
    return torch.from_numpy(ids).to(device), lengths


def _blanks_apart(window: Window, keep: NDArray[np.float32]) -> NDArray[np.float32]:
    """``keep``, [n], where a token of nothing but blanks gets the lesser of the nearest others'
    (0 beyond the window): a span neither begins nor ends with one."""
    prepared, text, size = window.prepared, window.prepared.document.text, len(keep)
    part = slice(window.first, window.last)
    ranges = zip(prepared.starts[part].tolist(), prepared.ends[part].tolist(), strict=True)
    blank = np.array([not text[start:end].strip() for start, end in ranges])
    place = np.arange(1, size + 1)
    before = np.maximum.accumulate(np.where(blank, 0, place))
    after = np.minimum.accumulate(np.where(blank, size + 1, place)[::-1])[::-1]
    padded = np.pad(keep, 1)
    return np.minimum(padded[before], padded[after])
