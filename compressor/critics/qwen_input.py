"""What the published critic reads (QwenLong-CPRS: the paper's table 4, the released
``run_api.py``): a system turn that says what to extract, the question as the user's turn, and
the window as a third turn called "context", which is not closed.

    <|im_start|>system\\n{task}<|im_end|>\\n<|im_start|>user\\n{question}<|im_end|>\\n
    <|im_start|>context\\n{window}

The text is tokenised as it stands, blanks and line ends included. Not repeated from the released
code: a sentence longer than a window loses its end; a text without Chinese characters is cut
wherever a window is full, within a word too; what comes after 2,048,000 tokens is dropped; a
prompt as long as a window leaves no room. Marks such as ``<|im_end|>`` in a document or a
question are text here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from compressor.instruction import Granularity, Instruction
from compressor.units import Unit, pieces
from compressor.windows import Prepared, TokenIds
from documents.document import Document
from documents.errors import ModelError
from documents.progress import IsCancelled, check

if TYPE_CHECKING:
    from tokenizers import Tokenizer

OUTSIDE = "outside"
TASKS: dict[Granularity, tuple[str, str]] = {
    "word": ("keyword", "the names, numbers, dates and short phrases"),
    "sentence": ("fact", "the sentences"),
    "row": ("row", "the table rows"),
    "paragraph": ("paragraph", "the paragraphs"),
}
"""For each granularity the category's word and what is to be extracted."""
QUESTION_SHARE = 4
"""A question takes at most a fourth of a window; of a longer one only the beginning counts."""
LOOKING_FOR_SHARE = 8
"""What else to look for takes at most an eighth."""
_PIECES_AT_ONCE = 2000


class CprsInput:
    """Turns instructions, questions and documents into token ids. ``window_tokens``: how many
    one window has, its prompt included. Raises `ModelError` where the tokenizer cannot serve."""

    def __init__(self, tokenizer: Tokenizer, window_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._window = window_tokens
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # what a document says is text, never a mark
        self.words = {size: self._labels(size) for size in TASKS}
        self.prompt_tokens = max(len(self.prompt(Instruction(size), "")) for size in TASKS)
        if self.prompt_tokens > window_tokens // 4:
            raise ModelError(
                f"window_tokens is {window_tokens}; the critic's prompt alone has "
                f"{self.prompt_tokens} tokens.",
                f"Set it to {4 * self.prompt_tokens} or more.",
            )

    def prompt(self, instruction: Instruction, question: str) -> TokenIds:
        """Everything before the window's text. A question of nothing but blanks is replaced by
        what the instruction looks for."""
        wanted = self._short(" ".join(instruction.looking_for.split()), LOOKING_FOR_SHARE)
        asked = self._short(question.strip(), QUESTION_SHARE)
        start, end = self._mark("<|im_start|>"), self._mark("<|im_end|>")
        task = system_prompt(instruction.granularity, wanted if asked else "")
        close = (*end, *self.encode("\n"))
        return (
            *start,
            *self.encode(f"system\n{task}"),
            *close,
            *start,
            *self.encode(f"user\n{asked or wanted}"),
            *close,
            *start,
            *self.encode("context\n"),
        )

    def prepare(self, document: Document, cancelled: IsCancelled) -> Prepared:
        """The document's tokens, each with the characters that it stands for but for the blanks
        around them. Furniture is left out. Raises `Cancelled` where a stop is asked for."""
        found, text = pieces(document, "sentence"), document.text
        ids: list[int] = []
        places: list[tuple[int, int]] = []
        for start, end in stretches(text, found):
            check(cancelled)
            own = self._tokenizer.encode(text[start:end], add_special_tokens=False)
            ids += own.ids
            places += [_inked(text, start + a, start + b) for a, b in own.offsets]
        starts = np.array([a for a, _ in places], np.int32)
        ends = np.array([b for _, b in places], np.int32)
        firsts = np.searchsorted(starts, [unit.start for unit in found])
        parted = np.unique(np.array([0, *firsts, len(ids)], np.int32))
        return Prepared(document, np.array(ids, np.int32), starts, ends, parted)

    def encode(self, text: str) -> TokenIds:
        """The ids of a text's tokens."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _labels(self, granularity: Granularity) -> TokenIds:
        """Ids of "outside" and of the category's word: as published, of a word's first token."""
        outside, category = (self.encode(word)[0] for word in (OUTSIDE, TASKS[granularity][0]))
        if outside == category:
            raise ModelError(
                f"To the tokenizer, {OUTSIDE} and {TASKS[granularity][0]} begin alike."
            )
        return outside, category

    def _mark(self, name: str) -> TokenIds:
        number = self._tokenizer.token_to_id(name)
        return self.encode(name) if number is None else (number,)

    def _short(self, text: str, share: int) -> str:
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        room = self._window // share
        return text if len(offsets) <= room else text[: offsets[room - 1][1]]


def system_prompt(granularity: Granularity, looking_for: str = "") -> str:
    """The task, in the published form: a role, what to extract, and the rule of tagging."""
    word, what = TASKS[granularity]
    also = f" Extract above all: {looking_for}." if looking_for else ""
    return (
        "You are an expert for information extraction. Extract from the context, verbatim, "
        f"{what} that answer the user's question or are needed to answer it.{also}\n"
        f"## tagging rule:\n- '{word}': {what} that answer the question"
    )


def stretches(text: str, found: Sequence[Unit]) -> Iterator[tuple[int, int]]:
    """The characters to tokenise in one go: pieces with nothing but blanks between them, and the
    blanks behind. A long stretch is parted at the end of a line."""
    first = 0
    for number, unit in enumerate(found, 1):
        last = number == len(found)
        gap = text[unit.end : len(text) if last else found[number].start]
        blanks = len(gap) - len(gap.lstrip())
        full = number - first >= _PIECES_AT_ONCE and "\n" in gap
        if last or full or blanks < len(gap):
            yield found[first].start, unit.end + blanks
            first = number


def _inked(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without the blanks at its ends; as it is, if it has nothing else."""
    inside = text[start:end].strip()
    if not inside:
        return start, end
    start = text.index(inside, start)
    return start, start + len(inside)
