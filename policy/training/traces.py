"""What the warm-up teaches: a trace that quotes the evidence, reasons, and answers in the form.

Made from gold spans by a fixed pattern, so it is true but plain: the paper's 5,305 traces came
from DeepSeek-R1 instead (arXiv 2505.17667, section 4.1), as `sampling.accepted` gets them from
any endpoint. A trace counts only if longdoc's own reward gives it 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from policy.rewards import guarded, score
from policy.thinking import CLOSE, OPEN
from policy.training.questions import stands
from policy.training.rows import Row

ABSENT = "not in the documents"
"""The gold answer where the evidence does not hold one."""
LONGEST_QUOTE = 300
MOST_QUOTES = 4


def traces(row: Row, *, gold: bool = True) -> list[str]:
    """The row's sampled replies and, with ``gold``, the one made from its spans."""
    sampled = [str(reply) for reply in row.extra.get("traces") or ()]
    made = gold_trace(row) if gold else None
    return [*sampled, made] if made else sampled


def gold_trace(row: Row) -> str | None:
    """Quote, reason, ``</think>``, answer; None where the row has no spans or the reply that
    they make is not worth 1, as where the answer itself looks like a citation."""
    if not row.extra.get("answerable", False):
        return _absent() if row.golds == (ABSENT,) else None
    evidence = [(int(n), str(quote)) for n, quote in row.extra.get("evidence") or ()]
    if not evidence:
        return None
    answer = _answer(row.golds, [quote for _, quote in evidence])
    evidence = _chosen(evidence, answer, str(row.extra.get("question", "")))
    told = [f'Evidence [{n}] says: "{_short(quote, answer)}"' for n, quote in evidence]
    holding = [n for n, quote in evidence if stands(answer, quote)]
    cited = "".join(f"[{n}]" for n in dict.fromkeys(holding or [n for n, _ in evidence]))
    says = "This states what is asked" if holding else "This answers the question"
    reason = f"{says}: {answer}."
    thought = "\n".join([*told, reason])
    trace = (
        f"{OPEN}\n{thought}\n{CLOSE}\n\n"
        f"The evidence gives {answer} {cited}.\nTherefore, the answer is {answer} {cited}."
    )
    return trace if guarded(score(trace, row.golds, row.kind)) >= 1 else None


def _absent() -> str:
    thought = "I have read all the evidence, and none of it states what is asked."
    return f"{OPEN}\n{thought}\n{CLOSE}\n\nThis is {ABSENT}.\nTherefore, the answer is {ABSENT}."


def _answer(golds: Sequence[str], quotes: Sequence[str]) -> str:
    """The shortest gold answer that stands in a quote, else the first, on one line."""
    said = [gold for gold in golds if any(stands(gold, quote) for quote in quotes)]
    return " ".join(min(said, key=len, default=golds[0]).split()).rstrip(".")


def _chosen(evidence: list[tuple[int, str]], answer: str, question: str) -> list[tuple[int, str]]:
    """At most `MOST_QUOTES` quotes, in order: those with the answer, then those that share most
    words with the question."""
    words = set(re.findall(r"\w{4,}", question.lower()))

    def worth(place: int) -> tuple[bool, int]:
        quote = evidence[place][1]
        return stands(answer, quote), len(words & set(re.findall(r"\w{4,}", quote.lower())))

    best = sorted(range(len(evidence)), key=worth, reverse=True)[:MOST_QUOTES]
    return [evidence[place] for place in sorted(best)]


def _short(quote: str, answer: str) -> str:
    """A long quote cut down around the answer, between words, and on one line."""
    line = " ".join(quote.split())
    if len(line) <= LONGEST_QUOTE:
        return line
    at = max(0, line.lower().find(answer.lower()))
    start = max(0, min(at - LONGEST_QUOTE // 2, len(line) - LONGEST_QUOTE))
    piece = line[start : start + LONGEST_QUOTE]
    if start:
        piece = piece[piece.find(" ") + 1 :]
    return piece if start + LONGEST_QUOTE >= len(line) else piece.rpartition(" ")[0] or piece
