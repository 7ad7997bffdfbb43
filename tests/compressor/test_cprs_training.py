"""The published architecture's critic learns: labels, losses, and a run that goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from made_critics import folder_of, small_tokenizer
from tokenizers import Tokenizer
from torch.nn import functional

from compressor import Compressor, CompressorConfig, Instruction
from compressor.critics.qwen_input import CprsInput
from compressor.critics.qwen_model import Settings, start_from
from compressor.training import cprs as script
from compressor.training.data import Example
from compressor.training.runs import B, E, I, O, made_corpus, read_toml
from evals.samples import text_document

CONFIG = Path(script.__file__).with_name("cprs.toml")
TEXT = "It rained. The lease was signed in 2019. Nobody came."
FACT = (TEXT.index("The lease"), TEXT.index(" Nobody"))
ASKED = (Instruction(), "When was the lease signed?")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = folder_of("llama", tmp_path_factory.mktemp("base"), tied=True)
    small_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def config(base: Path, tmp_path_factory: pytest.TempPathFactory) -> script.Config:
    folder = tmp_path_factory.mktemp("run")
    found = read_toml(script.Config, CONFIG, smoke=True)
    return replace(
        found, data=str(made_corpus(folder)), base=str(base), out=str(folder / "out"), bf16=False,
        window_tokens=1_600, layers=0, first_bidirectional_layer=2, freeze_layers=1,
    )  # fmt: skip


@pytest.fixture
def tokenizer(base: Path) -> Tokenizer:
    return Tokenizer.from_file(str(base / "tokenizer.json"))


def encoded(config: script.Config, tokenizer: Tokenizer, *examples: Example) -> script.Batch:
    reader = CprsInput(tokenizer, config.window_tokens)
    return script.encode(reader, tokenizer, examples, config, Random(1))


def test_labels_stand_at_the_texts_tokens(config: script.Config, tokenizer: Tokenizer) -> None:
    whole = replace(config, masked_share=0.0)
    one = Example(ASKED, "A title", TEXT, (FACT,))
    batch = encoded(whole, tokenizer, one, Example(ASKED, "", "It rained.", ()))
    text = tokenizer.encode(TEXT, add_special_tokens=False)
    first = batch.places[batch.rows == 0]
    assert batch.ids[0, first].tolist() == text.ids
    assert first.tolist() == list(range(batch.lengths[0] - len(text.ids), batch.lengths[0]))
    kept = batch.keep[batch.rows == 0].bool()
    assert tokenizer.decode(batch.ids[0, first][kept].tolist()).strip() == TEXT[slice(*FACT)]
    assert batch.boundary[batch.rows == 0][kept].tolist() == [B, *[I] * (int(kept.sum()) - 2), E]
    assert set(batch.boundary[~batch.keep.bool()].tolist()) == {O}
    assert batch.lengths[0] > batch.lengths[1]
    words = CprsInput(tokenizer, config.window_tokens).words["sentence"]
    assert batch.words.unique(dim=0).tolist() == [list(words)]


def test_half_of_what_is_no_evidence_is_left_out(
    config: script.Config, tokenizer: Tokenizer
) -> None:
    long = "It rained on and on. " * 30 + TEXT
    batch = encoded(config, tokenizer, Example(ASKED, "", long, ((len(long) - 20, len(long)),)))
    labelled = len(tokenizer.encode(long, add_special_tokens=False).ids)
    assert 0.3 * labelled < len(batch.places) < 0.7 * labelled
    assert batch.keep.sum() > 0


@pytest.mark.parametrize("all_words", [False, True])
def test_the_losses_are_those_of_the_published_code(
    config: script.Config, tokenizer: Tokenizer, base: Path, all_words: bool
) -> None:
    model = start_from(base, Settings(2, lm_head=True, window_tokens=1_600)).eval()
    batch = encoded(config, tokenizer, Example(ASKED, "", TEXT, (FACT,)))
    words, boundary = script.loss_of(model, batch, all_words, bf16=False)
    hidden = model(batch.ids, batch.lengths)[0, batch.places]
    assert model.lm_head is not None
    logits = model.lm_head(hidden)
    outside, category = batch.words[0].tolist()
    labels = torch.where(batch.keep.bool(), category, outside)
    if not all_words:
        logits = logits[:, [outside, category]]
        labels = batch.keep
    assert words.item() == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-4)
    right = model.cls_head(hidden).softmax(-1).gather(1, batch.boundary[:, None])[:, 0]
    focal = (-((1 - right) ** 2) * right.log()).mean()
    assert boundary.item() == pytest.approx(focal.item(), rel=1e-4)


def test_a_run_goes_on_and_ends_with_a_critic(config: script.Config) -> None:
    out = Path(config.out)
    script.train(config, lambda line: None)
    script.train(replace(config, max_steps=5), lambda line: None)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert "held_words" in rows[1]
    state = torch.load(out / "checkpoint" / "resume.pt", weights_only=True)
    assert state["step"] == 5
    assert {value["step"].item() for value in state["optimizer"]["state"].values()} == {5.0}
    compressor = Compressor(CompressorConfig(critic=out / "checkpoint", floor=0))
    document = text_document("notes", TEXT)
    found = compressor.compress(*ASKED, [document])
    assert {document.slice(unit.span) for unit in found.units} <= {
        "It rained.", "The lease was signed in 2019.", "Nobody came.",
    }  # fmt: skip
    assert len(found.units) == 3


def test_what_is_frozen_stays(config: script.Config, base: Path, tmp_path: Path) -> None:
    done = script.train(replace(config, out=str(tmp_path / "out")), lambda line: None)
    after = torch.load(done / "resume.pt", weights_only=True)["model"]
    before = start_from(base, Settings(2, lm_head=True, window_tokens=1_600)).state_dict()
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert {"model.embed_tokens.weight", "lm_head.weight"} <= same
    assert any(key.startswith("model.layers.0.") for key in same)
    assert not any(key.startswith("model.layers.3.self_attn") for key in same)


def test_it_learns(config: script.Config, tmp_path: Path) -> None:
    longer = replace(
        config, out=str(tmp_path / "out"), max_steps=60, checkpoint_steps=60, log_steps=60,
        learning_rate=3e-3, warmup_steps=5, freeze_layers=0, max_minutes=5, batch_tokens=2_000,
    )  # fmt: skip
    said: list[str] = []
    script.train(replace(longer, max_steps=1, log_steps=1, checkpoint_steps=1), said.append)
    script.train(longer, said.append)
    held = [
        row["held_words"] + row["held_boundary"]
        for row in map(json.loads, (tmp_path / "out" / "log.jsonl").read_text().splitlines())
        if "held_words" in row
    ]
    assert held[-1] < 0.6 * held[0]
