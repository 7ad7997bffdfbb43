"""The small critic against length: speed, and what stays in memory.

All in one run and one after the other, again and again, so that what else the machine does slows
one as much as another:

- ``first``: a question to a document never seen; it is tokenised, its sentences are embedded, and
  every window is read. ``prepare``: what ingest makes of it. ``later``: a question to it after
  either, with the embeddings kept on disk.
- ``cascade first`` and ``cascade later``: the same with `CompressorConfig.cascade_tokens`.
- ``plain``: the same network over the same windows in plain PyTorch, sorted by length, padded, 32
  at a time. Its ids lie ready: it neither tokenises nor ranks.
- ``embedding``: what retrieval does to a document before the first question: tokens in chunks of
  600, each in three equal parts, through its sentence encoder, 16 parts at a time. Retrieval is
  a package beside this one, so `SentenceEncoder` does it here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from compressor.bench.measure import Sample, median, once, resident_mib, table, told
from compressor.compressor import Compressor, nearest
from compressor.config import CompressorConfig
from compressor.critics import small
from compressor.critics.encoder import load_model
from compressor.critics.load import load_critic
from compressor.instruction import Instruction
from compressor.similarity import Fusion, SentenceEncoder
from compressor.vectors import VectorCache
from compressor.windows import Prepared, Window
from documents.document import Document
from documents.errors import DataError
from documents.progress import never_cancelled, no_progress
from documents.readers.text import decode, parse
from weights import ensure
from weights.device import device_and_dtype

ASKED = (
    "When does the lease of the northern warehouse end?",
    "How many people does the mill in the valley employ?",
)
PLAIN_BATCH = 32
PART_TOKENS = 200
PARTS_AT_ONCE = 16
_WARM_UP = 2000
_SPEECH = {
    "who": "The board|The tenant|A clerk|The insurer|The committee|An engineer|The supplier",
    "did": "reviewed|signed|postponed|measured|described|cancelled|approved|questioned",
    "what": "the annual budget|a repair of the roof|the delivery of grain|an older contract|"
    "the test of the turbine|a claim for damages|the survey of the river bank",
    "where": "in the northern warehouse|at the mill|in the harbour office|near the silo",
}


@dataclass(frozen=True, slots=True)
class Task:
    """``lengths`` in tokens of the critic. ``text``: a file to take them from, from its beginning
    and as often as needed; made-up prose without one. ``cascade``: tokens of a second pair of
    questions, 0 for none. ``critic``: folder of another than longdoc's own."""

    lengths: tuple[int, ...] = (8192, 32768, 131072)
    text: Path | None = None
    threads: int | None = None
    repeats: int = 3
    cascade: int = 0
    critic: Path | None = None
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Row:
    """One length. ``parts``: the samples of each part. ``windows``: of them, and ``read`` how many
    the cascade read. MiB resident before the length's first run, its document in memory."""

    tokens: int
    windows: int
    read: int
    parts: dict[str, list[Sample]]
    before_mib: float | None

    def rate(self, part: str) -> float:
        """Tokens of the document a second."""
        return self.tokens / median(self.parts[part])


class Bench:
    """The critic, the sentence encoder, and the same network without the rest."""

    def __init__(self, task: Task, cache: Path) -> None:
        self.task = task
        folder = task.critic or small.CHECKPOINT
        config = CompressorConfig(critic=folder, threads=task.threads)
        self.device, self.dtype = device_and_dtype(config.dtype)
        self._critic = load_critic(config, VectorCache(cache, config.cache_mb << 20))
        self._whole = Compressor(config, self._critic, cache)
        cascade = replace(config, cascade_tokens=task.cascade)
        self._cascade = Compressor(cascade, self._critic, cache)
        self._plain = Plain(folder, self.device, self.dtype)
        encoder = Fusion.read(folder / small.FUSION).encoder
        special = (self._plain.cls, self._plain.sep)
        like_rag = replace(config, batch_tokens=PARTS_AT_ONCE * (PART_TOKENS + 2))
        self._encoder = SentenceEncoder(ensure(encoder), special, like_rag)

    def rows(self) -> Iterator[Row]:
        """One for each length, the shortest first, after one to warm up."""
        self._row(min(_WARM_UP, *self.task.lengths), 1)
        for length in sorted(self.task.lengths):
            yield self._row(length, self.task.repeats)

    def _row(self, length: int, repeats: int) -> Row:
        document = made_document(self.task, self._plain.tokenizer, length)
        prepared = self._critic.prepare(document, never_cancelled)
        windows = list(self._critic.windows(Instruction(), ASKED[0], prepared))
        runs = self._runs(document, self._plain.rows(windows, Instruction().prompt(ASKED[0])))
        before = resident_mib()
        parts: dict[str, list[Sample]] = {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                if name == "prepare" or name.endswith("first"):
                    self._whole.forget(document.id)
                parts[name].append(once(run, self.device))
        told(f"{len(prepared.ids)} tokens: {median(parts['first']):.1f} s")
        read = len(self._read(windows))
        return Row(len(prepared.ids), len(windows), read, parts, before)

    def _read(self, windows: Sequence[Window]) -> Sequence[Window]:
        asked, watch = (Instruction(), ASKED[0]), (no_progress, never_cancelled)
        return nearest(self._critic, asked, windows, self.task.cascade, watch)

    def _runs(self, document: Document, rows: list[PlainRow]) -> dict[str, Callable[[], object]]:
        def ask(compressor: Compressor, question: str) -> Callable[[], object]:
            return partial(compressor.compress, Instruction(), question, [document])

        runs: dict[str, Callable[[], object]] = {
            "first": ask(self._whole, ASKED[0]),
            "prepare": partial(self._whole.ready, document),
            "later": ask(self._whole, ASKED[1]),
        }
        if self.task.cascade:
            runs["cascade first"] = ask(self._cascade, ASKED[0])
            runs["cascade later"] = ask(self._cascade, ASKED[1])
        runs["plain"] = partial(self._plain.score, rows)
        runs["embedding"] = partial(self._embed, document)
        return runs

    def _embed(self, document: Document) -> None:
        prepared = self._critic.prepare(document, never_cancelled)
        self._encoder.pieces(in_parts(prepared), no_progress, never_cancelled)


PlainRow = tuple[NDArray[np.int32], int]
"""A window's ids, and where its text, the second segment, begins."""


class Plain:
    """The checkpoint's network and nothing else of longdoc."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.cls, self.sep = self.tokenizer.encode("").ids
        self._device = device
        self._model = load_model(folder).to(device, dtype)
        self._apart: torch.Tensor | None = None

    def rows(self, windows: Sequence[Window], prompt: str) -> list[PlainRow]:
        """The windows as the network reads them, the shortest first."""
        asked = self.tokenizer.encode(prompt, add_special_tokens=False).ids[: small.PROMPT_TOKENS]
        before = [self.cls, *asked, self.sep]
        self._apart = torch.tensor([before]) if self._model.apart else None
        rows = []
        for window in windows:
            ids = [*([self.cls] if self._model.apart else before), *window.header, self.sep]
            text = window.prepared.ids[window.first : window.last]
            rows.append((np.array([*ids, *text, self.sep], np.int32), len(ids)))
        return sorted(rows, key=lambda row: len(row[0]))

    def score(self, rows: Sequence[PlainRow]) -> list[torch.Tensor]:
        """Keep probabilities, [windows, length], of each batch."""
        batches = range(0, len(rows), PLAIN_BATCH)
        return [self._batch(rows[first : first + PLAIN_BATCH]) for first in batches]

    @torch.inference_mode()
    def _batch(self, rows: Sequence[PlainRow]) -> torch.Tensor:
        length = max(len(ids) for ids, _ in rows)
        ids = torch.zeros((len(rows), length), dtype=torch.long)
        types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, (own, text) in enumerate(rows):
            ids[row, : len(own)] = torch.from_numpy(own)
            types[row, text : len(own)] = 1
            mask[row, : len(own)] = 1
        prompt = None
        if self._apart is not None:
            asked = self._apart.expand(len(rows), -1).to(self._device)
            prompt = asked, torch.ones_like(asked)
        parts = (each.to(self._device) for each in (ids, types, mask))
        keep, boundary = self._model(*parts, prompt)
        torch.softmax(boundary.float(), -1).cpu()
        return torch.sigmoid(keep.float()).cpu()


def in_parts(prepared: Prepared) -> Prepared:
    """The same tokens, with the parts that retrieval's encoder reads for pieces."""
    total = len(prepared.ids)
    bounds = np.unique(np.array([*range(0, total, PART_TOKENS), total], np.int32))
    return replace(prepared, pieces=bounds)


def made_document(task: Task, tokenizer: Tokenizer, length: int) -> Document:
    """Paragraphs with ``length`` tokens or a few more. Raises `DataError` for a file without."""
    kept: list[str] = []
    tokens = 0
    for paragraph in _source(task):
        kept.append(paragraph)
        tokens += len(tokenizer.encode(paragraph, add_special_tokens=False).ids)
        if tokens >= length:
            break
    text = "\n\n".join(kept)
    name = task.text.name if task.text else "made up.txt"
    return Document(f"bench-{length}", name, text, (), tuple(parse(text)[0]))


def _source(task: Task) -> Iterator[str]:
    if task.text is None:
        yield from _prose(Random(task.seed))
        return
    text = decode(task.text.read_bytes(), task.text.name)
    found = [text[block.start : block.end] for block in parse(text)[0]]
    if not found:
        raise DataError(f"{task.text} holds no text.", "Name another file with --text.")
    while True:
        yield from found


def _prose(random: Random) -> Iterator[str]:
    choices = {name: words.split("|") for name, words in _SPEECH.items()}
    for number in count(1):
        told_of = [
            f"{random.choice(choices['who'])} {random.choice(choices['did'])} "
            f"{random.choice(choices['what'])} {random.choice(choices['where'])} "
            f"on day {random.randrange(1, 366)}, at a cost of {random.randrange(100, 99_999)} euro."
            for _ in range(random.randrange(3, 8))
        ]
        yield f"In year {number}: {' '.join(told_of)}"


def measured(task: Task) -> tuple[dict[str, Any], str]:
    """What goes into the JSON file, and the table."""
    with tempfile.TemporaryDirectory() as cache:
        bench = Bench(task, Path(cache))
        rows = list(bench.rows())
    name = str(bench.dtype).removeprefix("torch.")
    values = {
        "task": {**asdict(task), **_named(task)},
        "dtype": name,
        "rows": [asdict(row) for row in rows],
    }
    return values, report(task, rows)


def _named(task: Task) -> dict[str, str | None]:
    """Files by their names: where they lie is nobody's business."""
    return {
        name: path.name if path else None
        for name, path in (("text", task.text), ("critic", task.critic))
    }


def report(task: Task, rows: Sequence[Row]) -> str:
    """Tokens a second and seconds of each part, and MiB resident."""
    names = list(rows[0].parts)
    heads = ["tokens", "windows"]
    heads += ["cascade reads"] if task.cascade else []
    heads += [head for name in names for head in (f"{name} s", f"{name} tokens/s")]
    heads += ["first / plain", "first / embedding", "later / plain"]
    heads += ["MiB before", "peak", "after"]
    return table(heads, [_cells(task, row) for row in rows])


def _cells(task: Task, row: Row) -> list[str]:
    cells = [str(row.tokens), str(row.windows)]
    cells += [str(row.read)] if task.cascade else []
    for name, samples in row.parts.items():
        cells += [f"{median(samples):.2f}", f"{row.rate(name):.0f}"]
    cells += [f"{row.rate('first') / row.rate(name):.2f}" for name in ("plain", "embedding")]
    cells += [f"{row.rate('later') / row.rate('plain'):.2f}"]
    first = row.parts["first"][0]  # later ones begin with what other parts left
    memory = (row.before_mib, first.peak_mib, first.resident_mib)
    return cells + ["–" if mib is None else f"{mib:.0f}" for mib in memory]
