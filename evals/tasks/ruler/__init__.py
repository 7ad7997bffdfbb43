"""RULER's thirteen tasks, made here at any length with the reasoner's own tokenizer.

After RULER (Hsieh et al. 2024, arXiv 2404.06654; github.com/NVIDIA/RULER, Apache-2.0): its
settings, its short prompts and answer prefixes, its string-match measures; the code is our own.
What differs is said in each module: the question sets, rare words, and that a length is met to
within 1% instead of to the last unit. A length counts the message with the whole context and
the room for the answer.
"""

from __future__ import annotations

from functools import partial

from evals.metrics.strings import string_match_all, string_match_part
from evals.tasks.generated import Generated
from evals.tasks.ruler import counting, niah, questions, tracking
from evals.tasks.ruler.lengths import THRESHOLD, effective_length, weighted_average

__all__ = ["TASKS", "THRESHOLD", "effective_length", "weighted_average"]

SOURCE = "RULER, arXiv 2404.06654, github.com/NVIDIA/RULER, Apache-2.0; generated here"
LENGTHS = (4_096, 8_192, 16_384, 32_768, 65_536, 131_072)
COUNT = 500

_task = partial(
    Generated,
    source=SOURCE,
    metric="string_match",
    lengths=LENGTHS,
    count=COUNT,
)

TASKS = (
    *(
        _task(
            f"ruler-{name}",
            prepare=needles.prepare,
            measure=string_match_all,
            answer_tokens=128,
            least=needles.keys * needles.values,
        )
        for name, needles in niah.TASKS.items()
    ),
    _task(
        "ruler-vt",
        prepare=tracking.prepare,
        measure=string_match_all,
        answer_tokens=30,
        least=tracking.HOPS + 1,
    ),
    _task("ruler-cwe", prepare=counting.common_words, measure=string_match_all, answer_tokens=120),
    _task(
        "ruler-fwe",
        prepare=counting.frequent_words,
        measure=string_match_all,
        answer_tokens=50,
        least=100,
    ),
    _task(
        "ruler-qa_1",
        prepare=partial(questions.prepare, sources=questions.SINGLE),
        measure=string_match_part,
        answer_tokens=32,
    ),
    _task(
        "ruler-qa_2",
        prepare=partial(questions.prepare, sources=questions.SEVERAL),
        measure=string_match_part,
        answer_tokens=32,
        count=100,
    ),
)
