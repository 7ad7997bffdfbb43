"""A critic whose lowest layers read question and text apart: the second question costs less, and
finds the same as if it were the first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from compressor import Compressor, CompressorConfig, Instruction
from compressor.critics import apart
from compressor.critics.apart import ApartCritic, row_length
from compressor.critics.encoder import CriticModel, load_model, save_model
from compressor.critics.load import load_critic
from compressor.critics.small import CHECKPOINT
from compressor.training.data import Example
from compressor.training.train import encode, loss_of
from compressor.vectors import VectorCache
from documents.document import Block, Document
from documents.progress import never_cancelled

APART = CHECKPOINT.with_name("minilm-critic-apart")
LAYERS = 4
ASKED = Instruction(), "Who is the keeper of the lighthouse?"
OTHER = Instruction(), "What does the harbour office charge for a berth?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed critic that reads apart, in single precision, without its fusion."""
    model = load_model(APART)
    made = tmp_path_factory.mktemp("apart")
    save_model(model, made, torch.float32)
    shutil.copy(CHECKPOINT / "tokenizer.json", made)
    return made


@pytest.fixture(scope="module")
def model(folder: Path) -> CriticModel:
    return load_model(folder)


def document(paragraphs: int = 40, identity: str = "a") -> Document:
    text, blocks = "", []
    for number in range(paragraphs):
        start = len(text)
        text += f"Berth {number} of the harbour costs {number + 12} crowns. Its keeper is Ada. "
        blocks.append(Block("paragraph", start, len(text), 0))
    return Document(identity, "harbour.txt", text, (), tuple(blocks))


def examples(count: int) -> list[Example]:
    text = "The keeper is Ada Holm. She came in May. "
    return [
        Example((Instruction(), "Who is it? " * (n + 1)), "Harbour" * n, text * (n + 1), ((0, 23),))
        for n in range(count)
    ]


def batch(count: int = 3) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return encode(tokenizer, examples(count), 0.0, Random(1))


def test_a_row_without_its_prompt_has_the_same_text_and_labels() -> None:
    whole = batch()
    text, (prompt, mask) = whole.text(), whole.prompt()
    for row in range(len(whole.ids)):
        size = int(whole.prompts[row])
        own = whole.ids[row][whole.mask[row] == 1].tolist()
        assert prompt[row][mask[row] == 1].tolist() == own[:size]
        assert text.ids[row][text.mask[row] == 1].tolist() == [own[0], *own[size:]]
        for name in ("keep", "boundary"):
            before = getattr(whole, name)[row][whole.keep[row] >= 0].tolist()
            assert getattr(text, name)[row][text.keep[row] >= 0].tolist() == before
        assert text.ids[row][text.types[row] == 1].tolist() == own[-int(text.types[row].sum()) :]
        assert not text.ids[row][text.mask[row] == 0].any()
    again = whole.shifted(whole.keep.float(), -1)
    assert again.tolist() == text.keep.float().tolist()


def test_a_teacher_that_reads_together_is_learnt_from(model: CriticModel) -> None:
    """By hand: the soft labels are half the labels and half what the teacher says."""
    whole, teacher = batch(), load_model(CHECKPOINT)
    with torch.inference_mode():
        keep, _ = model(whole.text().ids, whole.text().types, whole.text().mask, whole.prompt())
        said = torch.sigmoid(teacher(whole.ids, whole.types, whole.mask)[0])
        losses = {share: loss_of(model, whole, False, teacher, share)[0] for share in (0.0, 0.5)}
        alone = loss_of(model, whole, False)[0]
    logits, labels = keep[whole.text().keep >= 0], whole.keep[whole.keep >= 0].float()
    soft = (labels + said[whole.keep >= 0]) / 2
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, soft)
    assert torch.allclose(losses[0.5], expected, atol=1e-5)
    assert torch.allclose(losses[0.0], alone, atol=1e-5)


def test_below_the_text_knows_nothing_of_the_question_and_above_it_does(
    model: CriticModel,
) -> None:
    text, prompt = batch().text(), batch().prompt()
    with torch.inference_mode():
        states = [layer.clone() for layer in model.lower(text.ids, text.types, text.mask)]
        keep, _ = model(text.ids, text.types, text.mask, prompt)
        other = prompt[0].clone()
        other[:, 3] = 2000
        changed, _ = model(text.ids, text.types, text.mask, (other, prompt[1]))
        again = model.lower(text.ids, text.types, text.mask)
    assert all(torch.equal(one, two) for one, two in zip(states, again, strict=True))
    assert not torch.allclose(keep, changed)


def test_padding_of_prompt_and_text_changes_nothing(model: CriticModel) -> None:
    many, one = batch(3), batch(1)
    with torch.inference_mode():
        together, _ = model(many.text().ids, many.text().types, many.text().mask, many.prompt())
        alone, _ = model(one.text().ids, one.text().types, one.text().mask, one.prompt())
    length = alone.shape[1]
    assert torch.allclose(together[0, :length], alone[0], atol=1e-4)


def test_the_network_read_together_is_that_of_transformers(model: CriticModel) -> None:
    whole = batch()
    together = load_model(CHECKPOINT)
    with torch.inference_mode():
        keep, _ = together(whole.ids, whole.types, whole.mask)
        hidden = together.encoder(
            input_ids=whole.ids, token_type_ids=whole.types, attention_mask=whole.mask
        ).last_hidden_state
        expected = together.keep(hidden).squeeze(-1)
    assert torch.allclose(keep[whole.mask == 1], expected[whole.mask == 1], atol=1e-5)


def test_the_critic_says_what_its_network_says_in_training(folder: Path) -> None:
    critic = load_critic(CompressorConfig(critic=folder, similarity=False))
    assert isinstance(critic, ApartCritic)
    prepared = critic.prepare(document(3), never_cancelled)
    (window,) = critic.windows(*ASKED, prepared)
    (said,) = critic.score(*ASKED, [window])
    whole = load_model(folder)
    tokenizer = critic._tokenizer  # the one that training reads with
    made = encode(
        tokenizer, [Example(ASKED, "harbour", prepared.document.text, ())], 0.0, Random(1)
    )
    with torch.inference_mode():
        keep, _ = whole(made.text().ids, made.text().types, made.text().mask, made.prompt())
    expected = torch.sigmoid(keep[made.text().keep >= 0]).numpy()
    assert np.allclose(said.keep, expected, atol=2e-2)  # the states in half precision


@pytest.mark.parametrize("rows", [apart.MAPPED_ROWS, 1])
def test_a_later_question_reads_the_lower_layers_from_disk_and_finds_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(apart, "MAPPED_ROWS", rows)
    config = CompressorConfig(critic=folder, similarity=False)
    first = Compressor(config, cache=tmp_path / "one").compress(*OTHER, [document()])
    asked = Compressor(config, cache=tmp_path / "two")
    asked.compress(*ASKED, [document()])
    (kept,) = (tmp_path / "two").glob("*.npy")
    again = Compressor(config, cache=tmp_path / "two")  # as after a restart
    with patch.object(CriticModel, "lower", side_effect=CriticModel.lower, autospec=True) as lower:
        found = again.compress(*OTHER, [document()])
    assert lower.call_count == 1  # the prompt alone
    assert [each.span for each in found.units] == [each.span for each in first.units]
    assert [e.score for e in found.units] == pytest.approx([e.score for e in first.units], abs=1e-4)
    again.forget("a")
    assert not kept.exists()


def test_what_was_made_ready_costs_the_first_question_nothing(folder: Path, tmp_path: Path) -> None:
    config = CompressorConfig(critic=folder, similarity=False)
    fresh = Compressor(config).compress(*ASKED, [document()])
    compressor = Compressor(config, cache=tmp_path)
    compressor.ready(document())
    with patch.object(CriticModel, "lower", side_effect=CriticModel.lower, autospec=True) as lower:
        found = compressor.compress(*ASKED, [document()])
    assert lower.call_count == 1  # the prompt alone
    assert found.units == fresh.units


def test_what_was_stopped_half_way_is_not_kept(folder: Path, tmp_path: Path) -> None:
    critic = ApartCritic(
        CompressorConfig(critic=folder, similarity=False), VectorCache(tmp_path, 1 << 30)
    )
    windows = list(critic.windows(*ASKED, critic.prepare(document(), never_cancelled)))
    assert len(windows) > 1
    critic.score(*ASKED, windows[:1])
    assert not list(tmp_path.glob("*.npy"))
    del windows, critic
    assert not list(tmp_path.iterdir())


def test_what_is_over_the_limit_is_made_again(folder: Path, tmp_path: Path) -> None:
    config = CompressorConfig(critic=folder, similarity=False)
    small = ApartCritic(config, VectorCache(tmp_path, 1000))
    found = Compressor(config, small).compress(*ASKED, [document()])
    assert not list(tmp_path.glob("*"))
    kept = Compressor(config, ApartCritic(config, VectorCache(tmp_path, 1 << 30)))
    assert kept.compress(*ASKED, [document()]).units == found.units


def test_windows_are_the_same_for_every_question(folder: Path) -> None:
    critic = ApartCritic(CompressorConfig(critic=folder, similarity=False))
    prepared = critic.prepare(document(), never_cancelled)
    one, two = (list(critic.windows(*asked, prepared)) for asked in (ASKED, OTHER))
    assert one == two
    assert max(map(row_length, one)) <= CompressorConfig().window_tokens


def test_its_checkpoint_says_so(folder: Path) -> None:
    assert json.loads((folder / "config.json").read_text())["apart_layers"] == LAYERS
    assert isinstance(load_critic(CompressorConfig(critic=folder, similarity=False)), ApartCritic)
    assert not isinstance(load_critic(CompressorConfig(similarity=False)), ApartCritic)


@pytest.mark.parametrize("torn", [b"", b"PK\x03\x04torn", b"\x93NUMPY\x01"])
def test_broken_states_are_made_again(folder: Path, tmp_path: Path, torn: bytes) -> None:
    config = CompressorConfig(critic=folder, similarity=False)
    found = Compressor(config, cache=tmp_path).compress(*ASKED, [document(3)])
    (kept,) = tmp_path.glob("*.npy")
    kept.write_bytes(torn)
    again = Compressor(config, cache=tmp_path).compress(*ASKED, [document(3)])
    assert again.units == found.units
    assert kept.stat().st_size > len(torn)
