"""Tokenizers and models for training: from a folder, or a row of longdoc's registry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

import weights
from documents.errors import ModelError, SettingsError
from policy.values import Message

GGUF = "model.gguf"
"""What a registry row's file is called; transformers unpacks its numbers into full ones."""


MIB = 2**20
ADAPTER = "adapter_config.json"
"""What marks a folder as that of an adapter."""


def folder_of(name: str) -> Path:
    """The folder called ``name``, or that of the registry's row, fetched if need be."""
    return Path(name) if Path(name).is_dir() else weights.ensure(name)


def stamp(folder: Path) -> str:
    """What tells the weights in a folder from others: their files' names, sizes, beginnings and
    ends. It stays the same in a copy."""
    read = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.gguf")]):
        size = path.stat().st_size
        read.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            for start in (0, max(0, size - MIB)):
                file.seek(start)
                read.update(file.read(MIB))
    return read.hexdigest()


def base_of(folder: Path) -> Path:
    """The folder of the model that the adapter in ``folder`` was trained on."""
    told = json.loads((folder / ADAPTER).read_text("utf-8"))
    return folder_of(str(told.get("base_model_name_or_path") or ""))


def config_of(folder: Path) -> Any:
    """The configuration of the model in a folder: its sizes, without its weights."""
    try:
        return AutoConfig.from_pretrained(str(folder), **_format(folder))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder}: the model's configuration cannot be read: {error}",
            "Give a folder as Hugging Face has them, or a row of: longdoc models list",
        ) from error


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder, with a token to pad with."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **_format(folder))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder}: its tokenizer cannot be read: {error}",
            "Give a folder as Hugging Face has them, or a row of: longdoc models list",
        ) from error
    if tokenizer.eos_token is None:
        raise ModelError(
            f"{folder}: the tokenizer has no token that ends a reply.", "Give another model."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path) -> Any:
    """The causal model in a folder, with float32 weights; an adapter is merged into its base. A
    packed model is unpacked for good, as it could be neither trained nor saved else."""
    if (folder / ADAPTER).is_file():
        from peft import PeftModel

        return PeftModel.from_pretrained(
            load_model(base_of(folder)), str(folder)
        ).merge_and_unload()
    packed = _format(folder)
    unpacked = {"quantization_config": GgufConfig(dequantize=True)} if packed else {}
    try:
        return AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=torch.float32, **packed, **unpacked
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder}: the model cannot be read: {error}",
            "Give a folder as Hugging Face has them, or a row of: longdoc models list",
        ) from error


def adapted(model: Any, rank: int, recompute: bool) -> Any:
    """The model, with a LoRA adapter on all its linear layers where a rank is set. ``recompute``:
    activations are not kept for the backward pass but computed again."""
    if recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if not rank:
        return model
    from peft import LoraConfig, get_peft_model

    if recompute:
        model.enable_input_require_grads()  # else nothing before the first adapter has a gradient
    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model, settings)


def to_train(folder: Path, rank: int, recompute: bool = False) -> Any:
    """The model in a folder, ready to train: whole, or where a rank is set its adapter alone. An
    adapter that the folder has is then trained on: a second one over the two merged would be saved
    as one of the base, and the first would be lost."""
    if not rank or not (folder / ADAPTER).is_file():
        return adapted(load_model(folder), rank, recompute)
    own = json.loads((folder / ADAPTER).read_text("utf-8")).get("r")
    if own != rank:
        raise SettingsError(
            f"lora_rank is {rank}, and the adapter in {folder} has {own}.",
            f"Give {own}, or 0 to merge it and train the whole model.",
        )
    from peft import PeftModel

    base = adapted(load_model(base_of(folder)), 0, recompute)
    if recompute:
        base.enable_input_require_grads()
    return PeftModel.from_pretrained(base, str(folder), is_trainable=True)


def device_of(name: str) -> torch.device:
    """The device called ``name``; without a name the GPU where there is one, else the CPU."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise SettingsError(f"device is {name!r}.", "Give cpu, cuda or cuda:1.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SettingsError(f"device is {name!r}, and PyTorch finds no GPU.", "Give cpu.")
    return device


def _format(folder: Path) -> dict[str, str]:
    packed = (folder / GGUF).is_file() and not (folder / "config.json").is_file()
    return {"gguf_file": GGUF} if packed else {}


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The chat as the model reads it, up to where its reply begins; the bare text of the turns
    where the tokenizer has no chat template."""
    if not tokenizer.chat_template:
        return "\n\n".join(message["content"] for message in messages) + "\n\n"
    chat = [dict(message) for message in messages]
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


def reply_text(tokenizer: Any, ids: Sequence[int]) -> str:
    """A reply as it reads, without the special tokens that end and fill it. Others stay:
    ``</think>`` is one in some vocabularies."""
    ends = set(tokenizer.all_special_ids)
    kept = list(ids)
    while kept and kept[-1] in ends:
        kept.pop()
    return str(tokenizer.decode(kept))


def ids_of(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text as it stands."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
