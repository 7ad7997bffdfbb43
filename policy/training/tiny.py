"""What ``--smoke`` runs on: made-up documents with questions, and a random model of 30 thousand
weights. It shows that a stage works, and nothing about how well anything learns."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from policy.prompts import FORMAT, INSTRUCTION

_TOWNS = ("Arlen", "Borva", "Cadmos", "Delph", "Ester", "Falun", "Gresk", "Holm", "Istra", "Jarn")
_THINGS = ("harbour", "library", "mint", "theatre")
_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
DOCUMENTS = 40


def made_corpus(folder: Path) -> Path:
    """Forty documents of four facts each, one question a fact, in the format of the real data."""
    docs, questions = [], []
    for number in range(DOCUMENTS):
        town = f"{_TOWNS[number % 10]} {'North South East West'.split()[number // 10]}"
        text = f"{town}\n\n"
        for place, thing in enumerate(_THINGS):
            year = str(1400 + (number * 37 + place * 101) % 500)
            start = len(text)
            text += f"The {thing} of {town} was opened in {year}."
            end = len(text)
            text += f" Many people came to see it, and the {thing} is in use to this day.\n\n"
            questions.append(
                {
                    "source": "made",
                    "doc": f"made:{number}",
                    "question": f"When was the {thing} of {town} opened?",
                    "answers": [year],
                    "spans": [[start, end]],
                }
            )
        docs.append({"doc": f"made:{number}", "text": text})
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("docs", docs), ("questions", questions)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def tiny_model(folder: Path) -> Path:
    """A random Llama with a byte-level tokenizer of some 500 tokens and a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<|end|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([INSTRUCTION, FORMAT, *_TOWNS, *_THINGS], trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|end|>"
    )
    wrapped.chat_template = _TEMPLATE
    folder.mkdir(parents=True, exist_ok=True)
    wrapped.save_pretrained(str(folder))
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(wrapped),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=wrapped.pad_token_id,
        eos_token_id=wrapped.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(str(folder))
    return folder
