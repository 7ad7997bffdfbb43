"""The published critic's shape with random weights: compress and read, or read everything.

``windows``: the critic's pass over all windows, several at a time, with its decision on every
token of the text. ``compressed``: prefill of what it keeps. ``direct``: prefill of everything, by
the same decoder. The paper has 3.47 times between the first two and the third, at 128K tokens on
an A100 (section 4.4).

A prefill is transformers' own forward, with its cache of keys and values, causal in all layers,
and the logits of the last token. It is done in one pass; where the GPU's memory is too small for
that, in chunks half as long, and so on: ``chunk`` says how long. Attention is PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from compressor.bench import flops
from compressor.bench.measure import (
    Sample,
    matrix_rate,
    median,
    peak,
    table,
    told,
    unless_out_of_memory,
)
from compressor.bench.passes import (
    SHAPES,
    WORDS,
    prefill,
    random_model,
    read_windows,
    window_batches,
)
from compressor.critics.qwen_model import BOUNDARIES, PACKED
from documents.errors import SettingsError
from weights.device import device_and_dtype

LEAST_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Task:
    """``lengths``, ``compressed`` in tokens. ``window``: prompt and text together; ``prompt``: of
    the instruction and question before it. ``parallel``: windows in one pass. ``chunk``: the most
    tokens in one pass of a prefill, 0 for all. ``attention``: of the windows; ``auto`` is flash
    attention where it is installed and can be used."""

    shape: str = "7b"
    lengths: tuple[int, ...] = (16384, 32768, 65536, 131072, 262144)
    compressed: int = 8192
    window: int = 8192
    prompt: int = 128
    parallel: int = 5
    chunk: int = 0
    dtype: str = "auto"
    attention: str = "auto"
    repeats: int = 3
    seed: int = 7

    def __post_init__(self) -> None:
        if not 0 <= self.prompt < self.window:
            raise SettingsError(
                f"A window of {self.window} tokens has no room beside a prompt of {self.prompt}.",
                "Raise --window, or lower --prompt.",
            )


@dataclass(frozen=True, slots=True)
class Part:
    """One part at one length. ``samples`` is None where memory was too small. ``chunk``: tokens in
    one pass. ``share``: of the matrix rate."""

    samples: list[Sample] | None
    flop: int
    chunk: int
    share: float | None

    @property
    def seconds(self) -> float | None:
        """The median of the samples."""
        return median(self.samples) if self.samples else None


@dataclass(frozen=True, slots=True)
class Row:
    """One length."""

    tokens: int
    windows: Part
    compressed: Part
    direct: Part

    @property
    def together(self) -> float | None:
        """Seconds of windows and compressed context."""
        first, second = self.windows.seconds, self.compressed.seconds
        return None if first is None or second is None else first + second

    @property
    def ratio(self) -> float | None:
        """How many times faster that is than reading everything."""
        together, direct = self.together, self.direct.seconds
        return None if together is None or direct is None else direct / together


class Bench:
    """The model on its device, and the rate that its parts are held against."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.device, self.dtype = device_and_dtype(task.dtype)
        torch.manual_seed(task.seed)
        self.rate = matrix_rate(self.device, self.dtype, 8192 if self.device == "cuda" else 512)
        self.attention = _attention(task.attention, self.device, self.dtype)
        self.model = random_model(SHAPES[task.shape], self.attention, self.device, self.dtype)

    def rows(self) -> Iterator[Row]:
        """One for each length."""
        read: dict[int, Part] = {}
        for length in self.task.lengths:
            ids = torch.randint(self.model.config.vocab_size, (length,), device=self.device)
            size = min(self.task.compressed, length)
            if size not in read:
                read[size] = self._prefill(ids[:size])
            row = Row(length, self._windows(ids), read[size], self._prefill(ids))
            told(f"{length} tokens: {_seconds(row.together)} s, direct {_seconds(row.direct)} s")
            yield row

    def _windows(self, ids: Tensor) -> Part:
        task, model = self.task, self.model
        prompt = torch.randint(model.config.vocab_size, (task.prompt,), device=self.device)
        batches = list(window_batches(len(ids), task.window - task.prompt, task.parallel))

        def run() -> None:
            for batch in batches:
                keep, boundaries = read_windows(model, prompt, ids, batch)
                keep.cpu(), boundaries.cpu()

        samples = unless_out_of_memory(run, self.device, task.repeats)
        texts = [last - first for batch in batches for first, last in batch]
        classes = len(BOUNDARIES) + (len(WORDS) if model.lm_head is not None else 0)
        lowest = model.settings.first_bidirectional_layer
        need = flops.window_flops(model.config, lowest, task.prompt, texts, classes)
        return self._part(samples, need, task.window * min(task.parallel, len(texts)))

    def _prefill(self, ids: Tensor) -> Part:
        chunk = min(self.task.chunk or len(ids), len(ids))
        need = flops.prefill_flops(self.model.config, len(ids))
        while True:
            run = partial(prefill, self.model, ids, chunk)
            samples = unless_out_of_memory(run, self.device, self.task.repeats)
            if samples is not None or chunk <= LEAST_CHUNK:
                return self._part(samples, need, chunk)
            chunk = max(LEAST_CHUNK, chunk // 2)

    def _part(self, samples: list[Sample] | None, need: int, chunk: int) -> Part:
        share = need / median(samples) / self.rate if samples else None
        return Part(samples, need, chunk, share)


def _attention(asked: str, device: str, dtype: torch.dtype) -> str:
    if asked != "auto":
        return asked
    from transformers.utils import is_flash_attn_2_available

    usable = device == "cuda" and dtype == torch.bfloat16 and is_flash_attn_2_available()
    return PACKED if usable else "sdpa"


def measured(task: Task) -> tuple[dict[str, Any], str]:
    """What goes into the JSON file, and the table."""
    bench = Bench(task)
    rows = list(bench.rows())
    return _record(bench, rows), report(bench, rows)


def _record(bench: Bench, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "task": asdict(bench.task),
        "dtype": str(bench.dtype).removeprefix("torch."),
        "window_attention": bench.attention,
        "matrix_flop_per_s": bench.rate,
        "rows": [
            {
                **asdict(row),
                "together_s": row.together,
                "direct_s": row.direct.seconds,
                "ratio": row.ratio,
            }
            for row in rows
        ],
    }


def report(bench: Bench, rows: Sequence[Row]) -> str:
    """The table, and what its shares are of."""
    heads = (
        "tokens|windows s|compressed s|together s|direct s|direct / together|"
        "windows share|compressed share|direct share|windows GiB|direct GiB|direct chunk"
    ).split("|")
    name = str(bench.dtype).removeprefix("torch.")
    task = bench.task
    return "\n\n".join(
        [
            f"{task.shape}, {name}, {task.window}-token windows, {task.parallel} at a time "
            f"({bench.attention}), {task.compressed} tokens kept. Shares are of "
            f"{bench.rate / 1e12:.3g} TFLOP/s, a large matrix product in {name} in this run.",
            table(heads, map(_cells, rows)),
        ]
    )


def _cells(row: Row) -> list[str]:
    parts = (row.windows, row.compressed, row.direct)
    ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
    seconds = [_seconds(part) for part in parts]
    shares = ["–" if part.share is None else f"{100 * part.share:.0f} %" for part in parts]
    peaks = [_gib(row.windows), _gib(row.direct)]
    return [
        str(row.tokens),
        *seconds[:2],
        _seconds(row.together),
        seconds[2],
        ratio,
        *shares,
        *peaks,
        str(row.direct.chunk),
    ]


def _seconds(value: Part | float | None) -> str:
    seconds = value.seconds if isinstance(value, Part) else value
    return "out of memory" if seconds is None else f"{seconds:.3f}"


def _gib(part: Part) -> str:
    most = peak(part.samples or ())
    return "–" if most is None else f"{most / 1024:.1f}"
