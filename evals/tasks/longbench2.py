"""LongBench v2 (arXiv 2412.15204, MIT): 503 questions with four choices, 8K to 2M words.

``longbench2/data.json`` (or ``data.jsonl``) as published: _id, domain, sub_domain, difficulty,
length, question, choice_A to choice_D, answer, context. Answers are read as published: after
"The correct answer is", a letter in brackets, else a bare one. The publication lets a model
reason in a first call and answer in a second one; here it does both in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evals.samples import Gold, Outcome, Sample, Scores, Setup, text_document
from evals.tasks.rows import Row, drawn, field, first_there, read_rows
from policy import parse_answer

CHOICES = "ABCD"
ANSWER_TOKENS = {False: 128, True: 1024}

_PROMPT = """Read the text, then answer the question on it.

<text>
{context}
</text>

Question: {question}
{choices}

{how} Finish with a line of the form "The correct answer is (letter)", the letter being A, B, C \
or D."""
_HOW = {False: "Answer without an explanation.", True: "Think it through step by step."}


@dataclass(frozen=True, slots=True)
class LongBench2:
    """``reasoned``: with a chain of thought, as the publication's CoT mode."""

    name: str = "longbench2"
    reasoned: bool = True
    folder: str = "longbench2"
    source: str = "LongBench v2, arXiv 2412.15204, MIT"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """``limit`` questions of each length (short, medium, long)."""
        root = setup.data / self.folder
        path = first_there([root / "data.json", root / "data.jsonl"])
        for number, row in drawn(read_rows(path), lambda row: row.get("length"), setup):
            yield self._sample(row, number, path)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """``correct``, and ``read``: whether the answer names a letter at all."""
        if outcome.answer is None:
            return {}
        letter = choice(parse_answer(outcome.answer).text)
        right = letter == sample.gold.answers[0]
        return {"correct": float(right), "read": float(letter is not None)}

    def _sample(self, row: Row, number: int, path: Path) -> Sample:
        choices = [f"({x}) {str(field(row, f'choice_{x}', path)).strip()}" for x in CHOICES]
        question = str(field(row, "question", path)).strip()
        parts = {
            "question": question,
            "choices": "\n".join(choices),
            "how": _HOW[self.reasoned],
            "context": "{context}",
        }
        return Sample(
            id=str(row.get("_id", number)),
            task=self.name,
            question="\n".join([question, *choices]),
            documents=(text_document("text", str(field(row, "context", path)).strip()),),
            gold=Gold((str(field(row, "answer", path)),)),
            tags={
                "source": str(row.get("domain", "")),
                "sub_domain": str(row.get("sub_domain", "")),
                "difficulty": str(row.get("difficulty", "")),
                "length": str(row.get("length", "")),
            },
            prompt=re.sub(r"\{(\w+)\}", lambda match: parts[match[1]], _PROMPT),
            granularity="paragraph",
            max_answer_tokens=ANSWER_TOKENS[self.reasoned],
        )


def choice(answer: str) -> str | None:
    """The letter chosen; None where the answer does not say it in the published form."""
    plain = answer.replace("*", "")
    for form in (r"The correct answer is \(([A-D])\)", r"The correct answer is ([A-D])"):
        if found := re.search(form, plain):
            return found[1]
    return None


TASKS = (LongBench2(), LongBench2("longbench2-direct", reasoned=False))
