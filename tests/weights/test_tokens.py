"""Counting as the models' own tokenizers do, of whatever text there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

import weights
from documents.errors import ModelError, ModelUnavailableError
from weights.tokens import TURN_TOKENS

ROOT = Path(__file__).resolve().parents[2]
DEFAULT, SMALL, EMBEDDER = "qwen2.5-coder-1.5b", "smollm2-135m", "all-minilm-l6-v2"
PIECES = [
    "The Company repurchased 365 million shares for $56.1 billion.",
    "1234567890",
    "漢字かな交じり文、한국어",
    "😀👩‍👩‍👧🇩🇪",
    "<|im_start|>user\n<|endoftext|><tool_call>",
    "[CLS] [SEP]",
    "Zürich cafe\u0301 ﬁ",
    "  \t\r\n\n ",
    "\x00\ufeff\u200b\u2028",
    "for i in range(10):\n        return -1e-9",
]
MIXED = " | ".join(PIECES)
texts = st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(PIECES), st.text())).map("".join))
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": f"{MIXED} How many shares?"},
    {"role": "assistant", "content": "365 million."},
    {"role": "user", "content": "For how much?"},
]


@pytest.fixture(scope="module", autouse=True)
def own() -> dict[str, Path]:
    """The tokenizers themselves, as they lie in the models' folders."""
    for name in (DEFAULT, SMALL, EMBEDDER):
        weights.tokenizer(name)
    return {
        DEFAULT: weights.ensure(DEFAULT) / "derived" / "tokenizer.json",
        EMBEDDER: weights.ensure(EMBEDDER) / "tokenizer.json",
    }


@pytest.fixture
def models(own: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of its own."""
    monkeypatch.setenv("LONGDOC_MODELS", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def default_own(own: dict[str, Path]) -> Tokenizer:
    return Tokenizer.from_file(str(own[DEFAULT]))


def put(models: Path, **files: str) -> None:
    """A model called ``toy`` whose files, ``_`` for ``.`` in their last part, are these."""
    names = {name: ".".join(name.rsplit("_", 1)) for name in files}
    listed = ", ".join(f'{{ path = "{path}" }}' for path in names.values())
    head = 'name = "toy"\nrole = "reasoner"\nlicence = "MIT"\ncontext = 512'
    (models / "registry.toml").write_text(f"[[model]]\n{head}\nfiles = [{listed}]\n")
    (models / "toy").mkdir()
    for name, path in names.items():
        (models / "toy" / path).write_text(files[name], "utf-8")


@pytest.fixture(scope="module")
def transformers_own() -> Any:
    """The small model's tokenizer as transformers reads it from the GGUF file."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(weights.ensure(SMALL)), gguf_file="model.gguf")


def test_a_gguf_file_counts_as_transformers_does(transformers_own: Any) -> None:
    tokens = weights.tokenizer(SMALL)
    for text in [*PIECES, MIXED]:
        ids = transformers_own(text, add_special_tokens=False)["input_ids"]
        assert tokens.encode(text)[0] == ids
        assert tokens.count(text) == len(ids)


def test_a_chat_counts_as_transformers_renders_it(transformers_own: Any) -> None:
    tokens = weights.tokenizer(SMALL)
    for chat in (CHAT, CHAT[1:2]):
        ids = transformers_own.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
        assert tokens.count_messages(chat) == len(ids)


def test_a_tokenizer_file_counts_as_it_does_itself(own: dict[str, Path]) -> None:
    tokenizer = Tokenizer.from_file(str(own[EMBEDDER]))
    long = MIXED * 20
    assert len(tokenizer.encode(long).ids) == 128  # what the file says of cutting is not heeded
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokens = weights.tokenizer(EMBEDDER)
    for text in [*PIECES, MIXED, long]:
        assert tokens.count(text) == len(tokenizer.encode(text, add_special_tokens=False).ids)
    assert tokens.encode("Hello world") == ([7592, 2088], [(0, 5), (6, 11)])


@pytest.mark.parametrize("name", [DEFAULT, SMALL, EMBEDDER])
def test_nothing_is_no_token(name: str) -> None:
    tokens = weights.tokenizer(name)
    assert tokens.count("") == 0
    assert tokens.encode("") == ([], [])
    assert tokens.count_many([]) == []
    assert tokens.count_many(["", "a", ""]) == [0, 1, 0]


@pytest.mark.parametrize("name", [DEFAULT, SMALL, EMBEDDER])
@settings(max_examples=60)
@given(batch=st.lists(texts, max_size=4))
def test_the_ways_to_count_agree(name: str, batch: list[str]) -> None:
    tokens = weights.tokenizer(name)
    counts = [tokens.count(text) for text in batch]
    assert tokens.count_many(batch) == counts
    assert [len(tokens.encode(text)[0]) for text in batch] == counts


@pytest.mark.parametrize("name", [DEFAULT, SMALL, EMBEDDER])
@settings(max_examples=100)
@given(text=texts)
def test_each_token_stands_for_characters_in_order(name: str, text: str) -> None:
    ids, offsets = weights.tokenizer(name).encode(text)
    assert len(ids) == len(offsets)
    assert all(0 <= start < end <= len(text) for start, end in offsets)
    assert offsets == sorted(offsets)


@settings(max_examples=200)
@given(text=texts)
def test_the_default_tokenizer_loses_nothing(default_own: Tokenizer, text: str) -> None:
    ids, offsets = weights.tokenizer(DEFAULT).encode(text)
    assert default_own.decode(ids, skip_special_tokens=False) == text
    assert {at for start, end in offsets for at in range(start, end)} == set(range(len(text)))


@pytest.mark.parametrize("text", [*PIECES, MIXED])
def test_the_default_tokenizer_loses_none_of_these(default_own: Tokenizer, text: str) -> None:
    ids, _ = weights.tokenizer(DEFAULT).encode(text)
    assert default_own.decode(ids, skip_special_tokens=False) == text


def test_a_model_without_a_template_is_estimated_from_above() -> None:
    tokens = weights.tokenizer(EMBEDDER)
    bare = sum(tokens.count(message["content"]) for message in CHAT)
    assert tokens.count_messages(CHAT) == bare + TURN_TOKENS * (len(CHAT) + 1)


def test_the_template_beside_a_tokenizer_file(own: dict[str, Path], models: Path) -> None:
    template = (
        "{{ bos_token }}{% for m in messages %}{{ m.role }} {{ m.content }}{{ eos_token }}"
        "{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}assistant{% endif %}"
    )
    config = {"chat_template": template, "bos_token": {"content": "<a>"}, "eos_token": "<z>"}
    put(
        models,
        tokenizer_json=own[EMBEDDER].read_text("utf-8"),
        tokenizer_config_json=json.dumps(config),
    )
    tokens = weights.tokenizer("toy", offline=True)
    counted = tokens.count_messages([{"role": "user", "content": "How much?"}])
    assert counted == tokens.count("<a>user How much?<z>assistant")
    with pytest.raises(ModelError, match="refuses these messages: no tools"):
        tokens.count_messages([{"role": "tool", "content": ""}])


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",  # reaches for the machine
        "{% for m in messages %}",
        "{{ unheard_of() }}",
    ],
)
def test_a_template_that_cannot_be_used(own: dict[str, Path], models: Path, template: str) -> None:
    put(
        models,
        tokenizer_json=own[EMBEDDER].read_text("utf-8"),
        tokenizer_config_json=json.dumps({"chat_template": template}),
    )
    with pytest.raises(ModelError, match="chat template cannot be used"):
        weights.tokenizer("toy", offline=True).count_messages(CHAT)


def test_a_model_without_a_tokenizer(models: Path) -> None:
    put(models, weights_bin="none")
    with pytest.raises(ModelUnavailableError, match="toy has no tokenizer") as caught:
        weights.tokenizer("toy", offline=True)
    assert "longdoc models pull toy" in caught.value.hint


def test_a_gguf_file_that_is_none(models: Path) -> None:
    put(models, model_gguf="hello")
    with pytest.raises(ModelError, match=r"toy: the tokenizer in model\.gguf cannot be converted"):
        weights.tokenizer("toy", offline=True)


def test_counting_loads_no_heavy_library() -> None:
    script = (
        "import sys, weights\n"
        f"print(weights.tokenizer({SMALL!r}).count('Hello world'))\n"
        "print({'transformers', 'torch', 'huggingface_hub'} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.split("\n") == ["2", "set()", ""]
