"""Export: the embedded engine loads what is written and says what transformers says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import httpx
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

import weights
from documents.errors import DataError, EngineError, ModelError, SettingsError
from policy import ReasonerConfig, engine
from policy.training import export, models, to_gguf
from policy.training.pairs import Pair, write_pairs
from policy.training.tiny import tiny_model

BASE = "smollm2-135m"
SHIPPED = Path(export.__file__).with_name("export.toml")
TEXT = "The harbour of Arlen was opened in 1411, and the library in"
TOKENS = 24


def random_model(kind: type[Any], config: type[Any]) -> Any:
    """Small, with SmolLM2's vocabulary, and with weights large enough to have opinions."""
    torch.manual_seed(11)
    made = config(
        vocab_size=49152,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        tie_word_embeddings=True,
        initializer_range=0.4,
    )
    return kind(made).eval()


@pytest.fixture(scope="module")
def like() -> Path:
    return weights.ensure(BASE) / models.GGUF


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, like: Path) -> Path:
    """A whole Llama, as a stage leaves it."""
    folder = tmp_path_factory.mktemp("trained")
    random_model(LlamaForCausalLM, LlamaConfig).save_pretrained(str(folder))
    models.load_tokenizer(like.parent).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def adapter(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter on it that changes what it says."""
    folder = tmp_path_factory.mktemp("adapter")
    model = models.adapted(models.load_model(trained), 4, False)
    torch.manual_seed(5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    model.save_pretrained(str(folder))
    models.load_tokenizer(trained).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def config(trained: Path, like: Path, tmp_path_factory: pytest.TempPathFactory) -> export.Config:
    """The committed configuration for the whole model, in full precision."""
    told = export.read_config(export.Config, SHIPPED)
    out = str(tmp_path_factory.mktemp("export"))
    return replace(
        told, model=str(trained), like=str(like), kind="f32", out=out, name="tiny", data=(),
        settings=(), run="",
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(config: export.Config) -> Path:
    return export.export(config, lambda line: None)


@pytest.fixture
def engines(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ReasonerConfig]:
    """The engine's configuration for the row that the card tells to write."""
    monkeypatch.setenv("LONGDOC_MODELS", str(tmp_path))
    told = (exported / "README.md").read_text("utf-8")
    row = told.split("    [[model]]\n")[1].split("\n\n")[0]
    (tmp_path / "registry.toml").write_text(f"[[model]]\n{row}\n", "utf-8")
    yield ReasonerConfig(model="tiny", context_tokens=256, threads=1, idle_s=60)


def greedy(model: Any, tokenizer: Any) -> list[int]:
    ids = torch.tensor([models.ids_of(tokenizer, TEXT)])
    with torch.no_grad():
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
    found: list[int] = made[0, ids.shape[1] :].tolist()
    return found


def said(config: ReasonerConfig) -> list[int]:
    """The tokens that the embedded engine says after the text."""
    try:
        running = engine.start(config)
        answer = httpx.post(
            f"{running.url.removesuffix('/v1')}/completion",
            headers={"Authorization": f"Bearer {running.api_key}"},
            json={
                "prompt": TEXT, "n_predict": TOKENS, "temperature": 0, "top_k": 1,
                "ignore_eos": True, "return_tokens": True, "cache_prompt": False,
            },
            timeout=120,
        )  # fmt: skip
        found: list[int] = answer.raise_for_status().json()["tokens"]
        return found
    finally:
        engine.stop(config)


def test_the_engine_says_what_transformers_says(trained: Path, engines: ReasonerConfig) -> None:
    model, tokenizer = models.load_model(trained).eval(), models.load_tokenizer(trained)
    expected = greedy(model, tokenizer)
    assert len(set(expected)) > 5
    assert said(engines) == expected


def test_the_engine_adds_an_adapter(
    config: export.Config, trained: Path, adapter: Path, engines: ReasonerConfig
) -> None:
    told = replace(
        config, format="gguf-adapter", model=str(adapter), out=f"{config.out}-a", base="tiny"
    )
    file = export.export(told, lambda line: None) / "adapter.gguf"
    tokenizer = models.load_tokenizer(trained)
    expected = greedy(models.load_model(adapter).eval(), tokenizer)
    assert expected != greedy(models.load_model(trained).eval(), tokenizer)
    assert said(replace(engines, adapter=str(file))) == expected
    card = (file.parent / "README.md").read_text("utf-8")
    assert f"LONGDOC_REASONER__ADAPTER={file.absolute()}" in card
    with pytest.raises(EngineError, match="adapter"):
        engine.start(replace(engines, adapter=f"{file}.gone"))


LLAMA, QWEN = (LlamaForCausalLM, LlamaConfig), (Qwen2ForCausalLM, Qwen2Config)


@pytest.mark.parametrize(("classes", "kind"), [(LLAMA, "q4_1"), (QWEN, "f32")])
def test_transformers_reads_the_same_weights_back(
    classes: tuple[type[Any], type[Any]], kind: str, like: Path, tmp_path: Path
) -> None:
    made = random_model(*classes)
    file = to_gguf.write_model(made, like, tmp_path / models.GGUF, kind)
    again = models.load_model(tmp_path).state_dict()
    off = {"f32": 0, "q4_1": 0.2}[kind]
    for name, weight in made.state_dict().items():
        assert (again[name] - weight).abs().max() <= off * weight.abs().max(), name
    fields = gguf.GGUFReader(str(file)).fields
    assert fields["general.file_type"].contents() == int(to_gguf.KINDS[kind])
    old = gguf.GGUFReader(str(like)).fields
    for name in ("tokenizer.ggml.pre", "tokenizer.chat_template", "tokenizer.ggml.merges"):
        assert fields[name].contents() == old[name].contents()


def test_what_cannot_be_written_is_refused(like: Path, tmp_path: Path) -> None:
    model = random_model(LlamaForCausalLM, LlamaConfig)
    wrong: list[dict[str, Any]] = [
        {"model_type": "phi3"},
        {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}},
        {"vocab_size": 50_000},
    ]
    for change in wrong:
        config = LlamaConfig(
            **{
                **model.config.to_dict(),
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
            }
        )
        for name, value in change.items():
            setattr(config, name, value)
        model.config = config
        with pytest.raises(ModelError):
            to_gguf.write_model(model, like, tmp_path / "x.gguf")
    with pytest.raises(ModelError, match="no GGUF"):
        to_gguf.write_model(random_model(LlamaForCausalLM, LlamaConfig), SHIPPED, tmp_path / "x")
    assert not list(tmp_path.glob("x*"))


# the other forms, and the card


def test_an_adapter_is_merged_into_a_whole_model(
    config: export.Config, adapter: Path, tmp_path: Path
) -> None:
    told = replace(config, format="hf", model=str(adapter), out=str(tmp_path))
    export.export(told, lambda line: None)
    merged, alone = (models.load_model(p).state_dict() for p in (tmp_path / "model", adapter))
    for name, weight in alone.items():
        torch.testing.assert_close(merged[name], weight)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert f"vllm serve {tmp_path / 'model'} --served-model-name tiny" in card


def test_an_adapter_is_kept_for_vllm(config: export.Config, adapter: Path, tmp_path: Path) -> None:
    told = replace(config, format="adapter", model=str(adapter), out=str(tmp_path), base="org/base")
    lines: list[str] = []
    export.export(told, lines.append)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "vllm serve org/base --enable-lora --max-lora-rank 8 --lora-modules tiny=" in card
    assert lines[0].startswith(str(tmp_path / "adapter")) and lines[0].endswith(" MB")


def test_a_whole_model_is_no_adapter(config: export.Config, tmp_path: Path) -> None:
    for form in ("adapter", "gguf-adapter"):
        with pytest.raises(ModelError, match="whole model"):
            export.export(replace(config, format=form, out=str(tmp_path)), lambda line: None)


def test_without_a_gguf_to_follow_there_is_none(config: export.Config, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="like is not set"):
        export.export(replace(config, like="", out=str(tmp_path)), lambda line: None)


def test_the_card_tells_data_licences_settings_command_and_figures(
    config: export.Config, tmp_path: Path
) -> None:
    chat = ({"role": "user", "content": "?"},)
    pairs = [Pair(str(n), f"longdoc/{s}", ("x",), chat, chat, "a", "b")
             for n, s in enumerate(("squad", "squad", "mine"))]  # fmt: skip
    write_pairs(tmp_path / "pairs.jsonl", pairs)
    run = tmp_path / "run"
    run.mkdir()
    rows = [{"step": 1, "loss": 0.75, "held": 1}, {"step": 9, "loss": 0.25}]
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    figures = {"rows": 50, "sub_em": 0.5, "exact": 0.25, "f1": 0.375, "words": 4.0}
    (run / "result.json").write_text(json.dumps({"after": {"long": figures}}), "utf-8")
    told = replace(
        config, data=(str(tmp_path / "pairs.jsonl"),), settings=(str(SHIPPED),), run=str(run),
        command=("longdoc train this",),
    )  # fmt: skip
    card = export.card(told, 1_500_000)
    assert card.startswith("---\nlicense: apache-2.0\nbase_model: smollm2-135m\n")
    assert "model.gguf, 1.5 MB, weights as f32." in card
    assert "| squad | 2 | CC BY-SA 4.0 |" in card and "| mine | 1 | not stated |" in card
    assert re.search(r"pairs.jsonl`: 3 rows, sha256 [0-9a-f]{64}", card)
    assert "    longdoc train this" in card and 'kind = "q8_0"' in card
    assert "| long, after | 50 | 0.500 | 0.250 | 0.375 | 4.0 |" in card
    assert "| loss | 0.75 | 0.25 |" in card and "| held |" not in card
    for wrong in ({"data": ("gone",)}, {"settings": ("gone",)}, {"run": str(tmp_path)}):
        with pytest.raises(DataError):
            export.card(replace(told, **wrong), 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"format": "onnx"}, {"kind": "q4_k_m"}, {"name": "a/b"}])
def test_settings_that_cannot_work_are_refused(
    config: export.Config, wrong: dict[str, str]
) -> None:
    with pytest.raises(SettingsError):
        replace(config, **wrong)  # type: ignore[arg-type]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="configuration"):
        models.config_of(tmp_path)
    assert models.config_of(tiny_model(tmp_path)).hidden_size == 32
