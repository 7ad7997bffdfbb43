"""Counting tokens as a model does, without loading the model or a heavy library.

A Hugging Face ``tokenizer.json`` is read by the ``tokenizers`` library in well under a second. A
GGUF file holds its tokenizer in another form: it is converted once (with transformers) and kept
beside the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from documents.errors import ModelError, ModelUnavailableError
from weights.fetch import DERIVED, ensure
from weights.registry import Model, find

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TURN_TOKENS = 8
"""Tokens a chat template may put around one message, where the template itself is not known."""


class Tokens:
    """The tokenizer of one model."""

    def __init__(self, tokenizer: Tokenizer, chat: Mapping[str, str] | None = None) -> None:
        self._tokenizer = tokenizer
        self._chat = dict(chat or {})
        tokenizer.no_truncation()
        tokenizer.no_padding()

    def count(self, text: str) -> int:
        """Tokens of ``text`` alone, with no special tokens around it."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """`count` of each, on all cores."""
        batch = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in batch]

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids, and for each the characters of ``text`` it stands for."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def count_messages(self, messages: Sequence[Mapping[str, str]]) -> int:
        """Tokens of a chat as the model reads it: its template rendered, or an upper estimate."""
        template = self._chat.get("template")
        if not template:
            counts = self.count_many([message["content"] for message in messages])
            return sum(counts) + TURN_TOKENS * (len(counts) + 1)
        rendered = _render(template, self._chat, messages)
        return self.count(rendered)


def tokenizer(name: str, *, offline: bool = False) -> Tokens:
    """The tokenizer of the model called ``name``; its files are fetched if need be."""
    return _load(find(name), ensure(name, offline=offline))


@lru_cache(maxsize=4)
def _load(model: Model, folder: Path) -> Tokens:
    from tokenizers import Tokenizer

    if model.gguf:
        derived = _converted(model, folder)
        chat = json.loads((derived / "chat.json").read_text("utf-8"))
        return Tokens(Tokenizer.from_file(str(derived / "tokenizer.json")), chat)
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelUnavailableError(
            f"Model {model.name} has no tokenizer.", f"Run: longdoc models pull {model.name}"
        )
    return Tokens(Tokenizer.from_file(str(file)), _chat_of(folder))


def _chat_of(folder: Path) -> dict[str, str]:
    """The chat template beside a Hugging Face tokenizer, where there is one."""
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    template = config.get("chat_template")
    if not isinstance(template, str):
        return {}
    return {"template": template, "bos": _token(config, "bos"), "eos": _token(config, "eos")}


def _token(config: Mapping[str, Any], kind: str) -> str:
    value = config.get(f"{kind}_token") or ""
    return str(value.get("content", "") if isinstance(value, dict) else value)


def _converted(model: Model, folder: Path) -> Path:
    """The folder with the converted tokenizer, made now if this is the first time."""
    derived = folder / DERIVED
    if (derived / "chat.json").is_file():
        return derived
    derived.mkdir(exist_ok=True)
    with FileLock(derived / "lock"):
        if not (derived / "chat.json").is_file():
            _convert(model, folder, derived)
    return derived


def _convert(model: Model, folder: Path, derived: Path) -> None:
    """Write ``tokenizer.json`` and, last, ``chat.json``, whose presence says that all is there."""
    from transformers import AutoTokenizer

    assert model.gguf
    try:
        source = AutoTokenizer.from_pretrained(str(folder), gguf_file=model.gguf)
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(
            f"{model.name}: the tokenizer in {model.gguf} cannot be converted: {error}",
            "Name another model of the same family as the tokenizer.",
        ) from error
    source.backend_tokenizer.save(str(derived / "tokenizer.json.new"))
    (derived / "tokenizer.json.new").replace(derived / "tokenizer.json")
    chat = {
        "template": source.chat_template or "",
        "bos": source.bos_token or "",
        "eos": source.eos_token or "",
    }
    (derived / "chat.json.new").write_text(json.dumps(chat), "utf-8")
    (derived / "chat.json.new").replace(derived / "chat.json")


@lru_cache(maxsize=4)
def _compiled(template: str) -> Any:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _raise
    return environment.from_string(template)


def _raise(message: str) -> None:
    raise ModelError(f"The chat template refuses these messages: {message}")


def _render(template: str, chat: Mapping[str, str], messages: Sequence[Mapping[str, str]]) -> str:
    from jinja2 import TemplateError

    try:
        rendered = _compiled(template).render(
            messages=list(messages),
            bos_token=chat["bos"],
            eos_token=chat["eos"],
            add_generation_prompt=True,
        )
    except TemplateError as error:
        raise ModelError(f"The chat template cannot be used: {error}") from error
    return str(rendered)
