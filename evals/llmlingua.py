"""LongLLMLingua and LLMLingua-2, measured on the same terms as the other methods.

The package ``llmlingua`` needs an older transformers than longdoc has. It works in an environment
of its own (``sh scripts/llmlingua.sh`` makes it), in a process that this one talks to in lines of
JSON (`evals.llmlingua_worker`). What it writes is no slice of a document: tokens are left out
anywhere, also inside words. So the words of its text are aligned back to the document, and what
was found there counts as its evidence; ``aligned`` says which share of the words that is.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np

from agent.context import arrange, largest, word_ends
from documents import Document, Evidence, IsCancelled, Span
from documents.errors import ModelError, SettingsError
from documents.progress import check
from evals.samples import Sample, Scores
from weights import ensure, tokenizer
from weights.fetch import DERIVED

PYTHON_VARIABLE = "LONGDOC_LLMLINGUA_PYTHON"
MODEL_VARIABLE = "LONGDOC_LLMLINGUA2"
ROOT = Path(__file__).parents[1]
CAUSAL_MODEL = "smollm2-135m"
PARAGRAPH_WORDS = 100
"""Neighbouring blocks are joined up to this length, that of the passages that LongLLMLingua's
authors rank; a longer block stays whole."""

POLL_S = 0.2
_WORD = re.compile(r"\d[\d,.]*\d|\w+|[^\w\s]")

Count = Callable[[str], int]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Compressed:
    """A text that is no slice of the documents, where its words stand in them, and what was
    measured on the way."""

    text: str
    evidence: tuple[Evidence, ...]
    scores: Scores


class LlmLingua:
    """One of the two methods over a model's folder; the process is shared by its samples."""

    def __init__(self, method: str, python: Path, model: Callable[[], Path], count: Count) -> None:
        self._method = method
        self._model = model
        self._count = count
        self._worker = Worker(python)

    def compress(self, sample: Sample, budget: int, cancelled: IsCancelled) -> Compressed:
        """The sample's documents compressed to at most ``budget`` tokens. What LLMLingua writes
        beyond that is cut off; LongLLMLingua's least relevant paragraph stands last."""
        places = [
            document.span(start, end)
            for document in sample.documents
            for start, end in paragraphs(document)
        ]
        documents = {document.id: document for document in sample.documents}
        texts = [documents[place.document].slice(place) for place in places]
        if not texts:
            return Compressed("", (), {})
        request = {
            "method": self._method,
            "model": str(self._model()),
            "question": sample.question,
            "paragraphs": texts,
            "target_tokens": budget,
        }
        reply = self._worker.ask(request, cancelled)
        text = shortened(reply["text"], budget, self._count)
        spans, share = located(reply["pieces"], len(text), places, documents)
        evidence = arrange([Evidence(span, 1.0) for span in spans], documents)
        return Compressed(text, tuple(evidence), {"aligned": share})

    def close(self) -> None:
        """End the process."""
        self._worker.stop()


class Worker:
    """The process of the other environment: started when first asked, ended with this one."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._log: IO[str] | None = None

    def ask(self, request: Mapping[str, Any], cancelled: IsCancelled) -> dict[str, Any]:
        """The answer to a request. Raises `ModelError` where there is none."""
        process = self._running()
        line = json.dumps(request) + "\n"
        threading.Thread(target=_write, args=(process.stdin, line), daemon=True).start()
        try:
            reply = self._line(cancelled)
        except BaseException:
            self.stop()
            raise
        hint = f"Is {self._python} the environment that scripts/llmlingua.sh makes?"
        if not reply:
            last = self._last()
            self.stop()
            raise ModelError(f"llmlingua's process ended: {last}", hint)
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise ModelError(f"llmlingua failed: {answer['error']}", hint)
        return answer

    def stop(self) -> None:
        """End the process, at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            with suppress(BrokenPipeError):
                assert process.stdin is not None
                process.stdin.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        # Isolated (-I): else evals/llmlingua.py would stand before the package of that name.
        process = subprocess.Popen(
            [str(self._python), "-I", str(Path(__file__).with_name("llmlingua_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # threads that spin for one another starve on a busy machine
            env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
            text=True,
            encoding="utf-8",
            start_new_session=True,  # a Ctrl-C comes to this process, which then ends that one
        )
        self._process, self._answers = process, queue.Queue()
        threading.Thread(target=_read, args=(process.stdout, self._answers), daemon=True).start()
        atexit.register(self.stop)
        return process

    def _line(self, cancelled: IsCancelled) -> str:
        while True:
            check(cancelled)
            with suppress(queue.Empty):
                return self._answers.get(timeout=POLL_S)

    def _last(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return lines[-1][:200] if lines else "it said nothing"


def environment() -> Path:
    """The python of the environment that has llmlingua. Raises `SettingsError` where there is
    none."""
    named = os.environ.get(PYTHON_VARIABLE)
    python = Path(named) if named else ROOT / "runs" / "llmlingua-venv" / "bin" / "python"
    if not python.is_file():
        raise SettingsError(
            f"llmlingua has no environment: {python} is not there.",
            f"Run: sh scripts/llmlingua.sh (or set {PYTHON_VARIABLE}).",
        )
    return python


def second_model() -> Path:
    """The folder with LLMLingua-2's model. Raises `SettingsError`: its weights are fetched by
    nothing here."""
    named = os.environ.get(MODEL_VARIABLE, "")
    if not named or not (Path(named) / "config.json").is_file():
        raise SettingsError(
            f"LLMLingua-2's weights are not here: {named or 'no folder'} in {MODEL_VARIABLE}.",
            f"Download microsoft/llmlingua-2-xlm-roberta-large-meetingbank into a folder of that "
            f"name (llmlingua goes by the name) and set {MODEL_VARIABLE} to it.",
        )
    return Path(named).absolute()


def causal_model() -> Path:
    """SmolLM2-135M as a folder that any transformers reads: made once from the GGUF file, its
    4-bit weights multiplied out, and kept beside it."""
    folder = ensure(CAUSAL_MODEL) / DERIVED / "transformers"
    if (folder / "config.json").is_file():
        return folder
    from transformers import AutoModelForCausalLM

    tokenizer(CAUSAL_MODEL)  # writes derived/tokenizer.json
    source = AutoModelForCausalLM.from_pretrained(
        str(folder.parents[1]), gguf_file="model.gguf", dtype="float32"
    )
    config = source.config.to_dict()
    config.pop("quantization_config", None)
    # transformers 5 keeps the rotary base in rope_parameters, where 4 does not look for it
    config |= {
        "architectures": ["LlamaForCausalLM"],
        "rope_theta": config["rope_parameters"]["rope_theta"],
        "torch_dtype": "float32",
    }
    _write_model(folder, source, config)
    return folder


def _write_model(folder: Path, source: Any, config: dict[str, Any]) -> None:
    """Weights, tokenizer and, last, ``config.json``, whose presence says that all is there."""
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    tensors = {
        name: tensor.contiguous()
        for name, tensor in source.state_dict().items()
        if name != "lm_head.weight"  # tied to the embeddings
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "tokenizer.json").write_bytes((folder.parent / "tokenizer.json").read_bytes())
    chat = json.loads((folder.parent / "chat.json").read_text("utf-8"))
    said = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,  # else what is decoded is not what was encoded
        "model_max_length": config["max_position_embeddings"],
        "bos_token": chat["bos"],
        "eos_token": chat["eos"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(said, indent=1), "utf-8")
    (folder / "config.json.new").write_text(json.dumps(config, indent=1), "utf-8")
    (folder / "config.json.new").replace(folder / "config.json")


def paragraphs(document: Document) -> list[Range]:
    """The document's text but for furniture, cut between blocks into stretches of at most
    `PARAGRAPH_WORDS` words (or one block)."""
    found: list[Range] = []
    words, may_join = 0, False
    for block in document.blocks:
        length = len(document.text[block.start : block.end].split())
        if block.kind == "furniture" or not length:
            may_join = may_join and not length
            continue
        if may_join and words + length <= PARAGRAPH_WORDS:
            found[-1] = (found[-1][0], block.end)
            words += length
        else:
            found.append((block.start, block.end))
            words, may_join = length, True
    return found


def shortened(text: str, budget: int, count: Count) -> str:
    """The longest beginning, whole words, that has at most ``budget`` tokens."""
    if count(text) <= budget:
        return text
    ends = word_ends(text)
    words = largest(len(ends), lambda number: count(text[: ends[number - 1]]) <= budget)
    return text[: ends[words - 1]] if words else ""


def located(
    pieces: Sequence[tuple[Sequence[int], str]],
    length: int,
    places: Sequence[Span],
    documents: Mapping[str, Document],
) -> tuple[list[Span], float]:
    """Where the words of the pieces' first ``length`` characters stand in the documents, and
    which share of them was found there."""
    spans: list[Span] = []
    words = matched = begin = 0
    for numbers, piece in pieces:
        kept = _words(piece[: max(0, length - begin)])
        source = [
            (number, place.start + start, place.start + end)
            for number in numbers
            for place in [places[number]]
            for start, end in _words(documents[place.document].slice(place))
        ]
        texts = [documents[places[n].document].text[start:end] for n, start, end in source]
        found = aligned([piece[start:end] for start, end in kept], texts)
        words += len(kept)
        matched += len(found)
        spans += _runs(found, source, places)
        begin += len(piece) + len("\n\n")
    return spans, matched / words if words else 0.0


def aligned(kept: Sequence[str], source: Sequence[str]) -> list[int]:
    """Which words of the source the kept words are, in order: the longest common subsequence."""
    number: dict[str, int] = {}
    ids = np.array([number.setdefault(word, len(number)) for word in source], np.int32)
    best = np.zeros((len(kept) + 1, len(source) + 1), np.int32)
    for row, word in enumerate(kept):
        reached = np.maximum(best[row, :-1] + (ids == number.get(word, -1)), best[row, 1:])
        np.maximum.accumulate(reached, out=best[row + 1, 1:])
    found: list[int] = []
    row, column = len(kept), len(source)
    while row and column:
        if kept[row - 1] == source[column - 1]:
            row, column = row - 1, column - 1
            found.append(column)
        elif best[row, column] == best[row, column - 1]:
            column -= 1
        else:
            row -= 1
    return found[::-1]


def _runs(
    found: Sequence[int], source: Sequence[tuple[int, int, int]], places: Sequence[Span]
) -> Iterator[Span]:
    """Spans of the words found, neighbours of one paragraph joined."""
    cuts = [
        at
        for at, (left, right) in enumerate(pairwise(found), 1)
        if right != left + 1 or source[left][0] != source[right][0]
    ]
    for first, end in pairwise([0, *cuts, len(found)]):
        if first < end:
            number, start, _ = source[found[first]]
            yield Span(places[number].document, start, source[found[end - 1]][2])


def _words(text: str) -> list[Range]:
    """Words, whole figures and single marks."""
    return [match.span() for match in _WORD.finditer(text)]


def _write(stream: IO[str], line: str) -> None:
    """A process that ended reads nothing; that there is no answer tells so."""
    with suppress(OSError, ValueError):
        stream.write(line)
        stream.flush()


def _read(stream: IO[str], answers: queue.Queue[str]) -> None:
    """Hand on line after line; an empty one says that there are no more."""
    with stream:
        for line in stream:
            answers.put(line)
    answers.put("")
