"""What the agent passes around: a request, the context chosen for it, the answer given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from documents import Document, Evidence, IsCancelled, Progress, Span

StrategyName = Literal["cprs", "rag", "full"]
Verdict = Literal["answered", "partly", "not_in_documents"]
CitedBy = Literal["reasoner", "longdoc"]
MistakeKind = Literal["figure", "row", "period", "unit", "scale", "sense", "date", "name", "words"]
Granularity = Literal["word", "sentence", "row", "paragraph"]
Count = Callable[[str], int]
"""How many tokens the reasoner makes of a text."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question, what to keep for it (``looking_for``, in plain words; empty: what answers the
    question) at which granularity, and how many tokens of context it may have. ``best`` hears of
    what a search that takes long has found so far, where the strategy can tell."""

    question: str
    budget_tokens: int
    looking_for: str = ""
    granularity: Granularity = "sentence"
    best: Callable[[Sequence[Evidence]], None] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What the reasoner is given: numbered evidence in document order, and the very text.

    ``tokens`` counts all of ``text``, headings and numbering included; ``source_tokens`` all that
    the documents hold; ``left_out`` says in words what the strategy wanted to send and could not.
    """

    evidence: tuple[Evidence, ...]
    text: str
    tokens: int
    source_tokens: int
    left_out: str = ""

    @property
    def compression_ratio(self) -> float:
        """Source tokens per token sent."""
        return self.source_tokens / self.tokens if self.tokens else 0.0


class ContextStrategy(Protocol):
    """A way to find context: everything, by retrieval, or by the compressor. ``cut_last``: the
    last piece may be cut to fill the budget. ``calibrated``: a score says how likely a piece is
    evidence, so that one document's compare with another's."""

    @property
    def count(self) -> Count:
        """How the reasoner counts tokens."""
        ...

    @property
    def cut_last(self) -> bool:
        """Whether the last piece that does not fit whole is cut."""
        ...

    @property
    def calibrated(self) -> bool:
        """Whether scores are probabilities."""
        ...

    def rank(
        self,
        request: Request,
        documents: tuple[Document, ...],
        progress: Progress,
        cancelled: IsCancelled,
    ) -> tuple[Evidence, ...]:
        """What may matter to the request, best first; the budget plays no part."""
        ...

    def left_out(self, chosen: Sequence[Evidence], documents: Mapping[str, Document]) -> str:
        """In words, what the strategy would have sent and could not."""
        ...


@dataclass(frozen=True, slots=True)
class Mistake:
    """What does not hold of a claim, in words for whoever is to mend it."""

    kind: MistakeKind
    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A claim's ``[n]``: the quote is the span's slice. ``verified`` means that the claim's
    figures occur in the quote, as far as can be told in the row and under the period that are
    meant, and its dates and names in the quote or in what stands over it on the page (column
    heads, headings, the document's name); else ``mistakes`` says what is wrong. ``by``: who
    found the evidence, the reasoner or, where what it cited does not hold, longdoc."""

    n: int
    span: Span
    verified: bool
    claim: str = ""
    by: CitedBy = "reasoner"
    mistakes: tuple[Mistake, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the reasoner read and wrote."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ComputedOperand:
    """A figure as printed in evidence ``n``; ``start`` is its place in the evidence's text."""

    n: int
    figure: str
    start: int


@dataclass(frozen=True, slots=True)
class Computed:
    """An expression over cited figures and its exact value, rounded to the digits of ``value``.
    ``unit`` is a currency sign, ``%`` or empty; ``scale`` thousand, million, billion or empty.
    ``by``: who wrote the expression, the reasoner or, from the question's words, longdoc."""

    expression: str
    value: str
    unit: str
    scale: str
    operands: tuple[ComputedOperand, ...]
    by: CitedBy = "reasoner"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out. ``unknown`` lists the ``[n]`` that name no evidence, ``unsupported`` the
    sentences with a figure or a name that no citation holds up."""

    text: str
    reasoning: str
    citations: tuple[Citation, ...]
    verdict: Verdict
    usage: Usage = field(default_factory=Usage)
    unknown: tuple[int, ...] = ()
    computed: tuple[Computed, ...] = ()
    unsupported: tuple[str, ...] = ()
