"""Compresses with llmlingua 0.2.2: the process that `evals.llmlingua` starts.

It is run as a script by the environment that ``scripts/llmlingua.sh`` makes, and so imports
nothing of longdoc. A line of JSON in, ``{method, model, question, paragraphs, target_tokens}``;
a line of JSON out, ``{text, pieces}`` or ``{error}``. The text is the pieces with empty lines
between them; a piece is ``[numbers, text]``, the text left of the paragraphs of those numbers,
in that order. It ends when its input does.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from typing import Any

import tiktoken  # type: ignore[import-not-found]
from llmlingua import PromptCompressor  # type: ignore[import-not-found]
from transformers import AutoTokenizer

LONG: dict[str, Any] = {
    "rank_method": "longllmlingua",
    "condition_in_question": "after_condition",
    "reorder_context": "sort",
    "dynamic_context_compression_ratio": 0.3,
    "condition_compare": True,
    "context_budget": "+100",
    "concate_question": False,  # the question has its own place in longdoc's prompt
}
"""LongLLMLingua as its authors publish it."""

SECOND: dict[str, Any] = {"force_tokens": ["\n", "?", "!", "."]}
"""LLMLingua-2 as its authors ran it on LongBench."""


class LocalEncoding:
    """Stands in for tiktoken's encoding of gpt-3.5-turbo, which would be fetched over the network.

    llmlingua counts with it: only for the ratio that it prints in LongLLMLingua, for the rate
    in LLMLingua-2. Here the model's own tokenizer, from its folder, counts instead."""

    def __init__(self, model: str) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)

    def encode(self, text: str) -> list[int]:
        """The ids of the text's tokens."""
        found: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return found


class Recording(PromptCompressor):  # type: ignore[misc]
    """Remembers which paragraphs passed the first, coarse choice, in the order it gave them."""

    kept: list[int]

    def control_context_budget(self, *args: Any, **kwargs: Any) -> Any:
        """As llmlingua does it; the last of what it returns is the paragraphs' numbers."""
        found = super().control_context_budget(*args, **kwargs)
        self.kept = list(found[2])
        return found


@lru_cache(maxsize=1)
def compressor(method: str, model: str) -> Recording:
    """The compressor over the model of that folder, on the CPU."""
    tiktoken.encoding_for_model = lambda _name: LocalEncoding(model)
    return Recording(
        model,
        device_map="cpu",
        model_config={"local_files_only": True, "trust_remote_code": False},
        use_llmlingua2=method == "llmlingua2",
    )


def compress(request: dict[str, Any]) -> dict[str, Any]:
    """What is left of the request's paragraphs."""
    made = compressor(request["method"], request["model"])
    paragraphs, target = request["paragraphs"], request["target_tokens"]
    if request["method"] == "llmlingua2":
        texts = made.compress_prompt(paragraphs, target_token=target, **SECOND)
        left = texts["compressed_prompt_list"]
        pieces = [([number], text) for number, text in enumerate(left) if text.strip()]
    else:
        made.kept = [0]  # a lone paragraph is not chosen
        texts = made.compress_prompt(
            paragraphs, question=request["question"], target_token=target, **LONG
        )
        pieces = [(made.kept, texts["compressed_prompt"])]
    return {"text": "\n\n".join(text for _, text in pieces), "pieces": pieces}


def main() -> None:
    """Answer line by line; what the libraries print goes to the error stream."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            answer = compress(json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever fails in there is one answer's error
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
