"""Replies of a model in memory: sampled for pairs, greedy for measuring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from policy.rewards import score
from policy.thinking import OPEN
from policy.training.models import ids_of, prompt_text, reply_text
from policy.training.rows import Row
from policy.training.sampling import Generate
from policy.values import Message


def from_model(
    model: Any, tokenizer: Any, *, temperature: float, top_p: float, most_tokens: int, batch: int
) -> Generate:
    """A ``generate`` that samples from a model in memory, at temperature 0 greedily, ``batch``
    replies at once; the prompt is read once for all of a batch. A reply ends at ``most_tokens``,
    finished or not; a ``<think>`` that the template opened is put back. Random numbers are
    PyTorch's own: seed them."""

    @torch.no_grad()
    def generate(messages: Sequence[Message], number: int) -> list[str]:
        prompt = prompt_text(tokenizer, messages)
        ids = torch.tensor([ids_of(tokenizer, prompt)], device=model.device)
        opened = f"{OPEN}\n" if prompt.rstrip().endswith(OPEN) else ""
        draw = {"temperature": temperature, "top_p": top_p, "top_k": 0} if temperature else {}
        replies: list[str] = []
        while len(replies) < number:
            count = min(batch, number - len(replies))
            read = model(ids[:, :-1], use_cache=True, logits_to_keep=1).past_key_values
            read.batch_repeat_interleave(count)
            found = model.generate(
                ids.expand(count, -1),
                attention_mask=torch.ones_like(ids).expand(count, -1),
                past_key_values=read,
                do_sample=bool(temperature),
                max_new_tokens=most_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                repetition_penalty=1.0,  # some models' own files set another
                **draw,
            )
            said = found[:, ids.shape[1] :].tolist()
            replies += [opened + reply_text(tokenizer, one) for one in said]
        return replies

    return generate


def at_once(one: Generate, most: int) -> Generate:
    """The same ``generate``, its replies asked for ``most`` at a time: for endpoints."""

    def generate(messages: Sequence[Message], number: int) -> list[str]:
        with ThreadPoolExecutor(most) as pool:
            return [reply for (reply,) in pool.map(lambda _: one(messages, 1), range(number))]

    return generate


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Means over ``rows`` questions; each is 0 to 1 but ``words``, the answers' mean length."""

    rows: int
    sub_em: float
    exact: float
    f1: float
    words: float


def accuracy(rows: Iterable[Row], generate: Generate, *, thinks: bool = True) -> Accuracy:
    """One reply to each row, by the published rule and the measures beside it."""
    found = [score(generate(r.messages, 1)[0], r.golds, r.kind, thinks=thinks) for r in rows]
    count = max(1, len(found))
    return Accuracy(
        len(found),
        sum(s.rule for s in found) / count,
        sum(s.exact for s in found) / count,
        sum(s.f1 for s in found) / count,
        sum(s.words for s in found) / count,
    )
