"""Small random critics of the published architecture, and a small tokenizer for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from compressor.critics.qwen_input import TASKS, system_prompt
from compressor.critics.qwen_model import CprsModel, Settings, save_model, start_from

VOCABULARY = 420
PATTERN = (  # the published tokenizer's
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PROSE = [
    "The lease of the northern warehouse was signed on 14 March 2019. It runs for twelve years.",
    "The company has 412 employees. Most of them live in the valley, near the mill.",
    "A fire in the silo stopped production for nine days; nobody was hurt. A bearing broke.",
]
ASKED = "When was the lease signed?"


def small_tokenizer() -> Tokenizer:
    """A small byte-level tokenizer that parts text as the published one does."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    prompts = [system_prompt(size) for size in TASKS]
    made.train_from_iterator([*PROSE, *prompts, *prompts, "outside"], trainer)
    return made


def folder_of(kind: str, folder: Path, tied: bool) -> Path:
    """A transformers checkpoint of random weights, every one of them."""
    torch.manual_seed(7)
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "intermediate_size": 40,
        "num_hidden_layers": 4,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": tied,
    }
    base: Any
    if kind == "qwen2":
        heads = {"hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2}
        base = Qwen2ForCausalLM(Qwen2Config(**shape, **heads))
    else:
        heads = {"hidden_size": 36, "num_attention_heads": 6, "num_key_value_heads": 2}
        base = LlamaForCausalLM(LlamaConfig(**shape, **heads, head_dim=8, rms_norm_eps=1e-5))
    with torch.no_grad():
        for name, value in base.named_parameters():
            value.normal_(1.0 if "norm" in name else 0.0, 0.25)
    base.save_pretrained(folder)
    return folder


def made(kind: str, tmp_path: Path, settings: Settings, tied: bool = False) -> CprsModel:
    """A random critic of the kind, made the way one is initialised."""
    model = start_from(folder_of(kind, tmp_path / f"{kind}-{tied}", tied), settings)
    nn.init.normal_(model.cls_head.weight, std=0.5)
    return model.eval()


def saved(model: CprsModel, tokenizer: Tokenizer, folder: Path) -> Path:
    """The folder, with a critic in it."""
    save_model(model, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def sample(length: int, seed: int = 0) -> list[int]:
    return torch.randint(
        VOCABULARY, (length,), generator=torch.Generator().manual_seed(seed)
    ).tolist()
