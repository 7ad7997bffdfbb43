"""A model that says whether two answers are the same, as QwenLong-L1 judges (arXiv 2505.17667,
Table 2). What is asked for and how the verdict is read follow the publication; the wording is
longdoc's own."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from policy.rewards import Judge
from policy.values import Delta

if TYPE_CHECKING:
    from policy.client import Reasoner

_SAME = """Two people answered a question. Decide whether their answers are the same. Do not \
solve the question and do not correct it: compare only what the answers mean, their values and \
quantities, whatever the notation.

Question:
{question}

Answer 1:
{answer}

Answer 2:
{gold}

First give a short reason. Then end with your verdict: [[YES]] if the answers are the same, \
[[NO]] if they are not."""
_TOKENS = 512


def asked(question: str, answer: str, gold: str) -> str:
    """The prompt for a verdict. Braces in an answer stay what they are."""
    parts = {"question": question, "answer": answer, "gold": gold}
    return re.sub(r"\{(\w+)\}", lambda match: parts[match[1]], _SAME)


def verdict(reply: str) -> bool:
    """Whether a reply says yes. As published, it does if YES stands in its last verdict, and
    where there is none, anywhere."""
    found = re.findall(r"\[\[(.*?)\]\]", reply)
    return "YES" in (found[-1] if found else reply)


def reasoner_judge(reasoner: Reasoner) -> Judge:
    """A reward's judge of a reasoner, at temperature 0. Raises `ReasonerError`."""

    def ask(prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        pieces = reasoner.stream(messages, max_tokens=_TOKENS, temperature=0.0)
        return "".join(p.text for p in pieces if isinstance(p, Delta) and p.kind == "answer")

    async def judge(question: str, answer: str, gold: str) -> bool:
        return verdict(await asyncio.to_thread(ask, asked(question, answer, gold)))

    return judge
