"""Sentence embeddings beside the critic: vectors, their cache, and how they are weighed in."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModel

import weights
from compressor import Compressor, CompressorConfig, Instruction
from compressor.critics.small import CHECKPOINT, FUSION, SmallCritic
from compressor.instruction import Granularity
from compressor.similarity import CHUNK_TOKENS, MOST_TOKENS, Fusion, SentenceEncoder, chunks
from compressor.training.fusion import platt
from compressor.units import ranges, units
from compressor.vectors import VectorCache
from compressor.windows import Prepared
from documents.document import Block, Document
from documents.errors import Cancelled
from documents.progress import never_cancelled, no_progress

WATCH = (no_progress, never_cancelled)
LINES = [
    "The lease of the warehouse ends in 2031.",
    "Cats sleep for most of the day.",
    "Rent for the storage building is due each quarter.",
    "The choir sang three songs.",
]


def document(lines: list[str]) -> Document:
    text = "\n".join(lines)
    starts = np.cumsum([0, *(len(line) + 1 for line in lines)])[:-1].tolist()
    blocks = [Block("paragraph", a, a + len(x), 0) for a, x in zip(starts, lines, strict=True)]
    return Document("id", "notes.txt", text, (), tuple(blocks))


@pytest.fixture(scope="module")
def critic() -> SmallCritic:
    found = SmallCritic(CompressorConfig(similarity=False))
    found.use(Fusion("all-minilm-l6-v2", 10.0, 1.0, 0.0))
    return found


def cosines(critic: SmallCritic, question: str, read: Document) -> list[float]:
    prepared = critic.prepare(read, never_cancelled)
    places = ranges(units(read, "sentence"), prepared.starts)
    return list(critic.cosines((Instruction(), question), prepared, places, WATCH))


@given(st.lists(st.integers(1, 700), min_size=1, max_size=40))
def test_chunks_cover_all_pieces_in_order(sizes: list[int]) -> None:
    bounds = np.cumsum([0, *sizes]).astype(np.int32)
    found = list(chunks(bounds))
    assert [first for first, _ in found] == [0, *(last for _, last in found[:-1])]
    assert found[-1][1] == sum(sizes)
    assert all(0 < last - first <= MOST_TOKENS for first, last in found)
    whole = set(bounds.tolist())
    for first, last in found:
        assert last - first <= CHUNK_TOKENS or not {*range(first + 1, last)} & whole


def test_what_means_the_same_is_nearer(critic: SmallCritic) -> None:
    found = cosines(critic, "When must rent for the depot be paid?", document(LINES))
    assert int(np.argmax(found)) == 2
    assert found[1] < found[0] and found[3] < found[0]


def test_a_lone_sentence_has_the_published_embedding() -> None:
    folder = Path(weights.ensure("all-minilm-l6-v2"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    ids = tokenizer.encode(LINES[0]).ids
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        mean = model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0).numpy()
    ours = SentenceEncoder(folder, (ids[0], ids[-1]), CompressorConfig(dtype="fp32")).question(
        ids[1:-1]
    )
    assert ours == pytest.approx(mean / np.linalg.norm(mean), abs=1e-4)


def test_what_was_made_ready_is_not_made_for_a_question(tmp_path: Path) -> None:
    config = CompressorConfig(critic=fused_critic(tmp_path / "critic"))
    fresh = Compressor(config).compress(Instruction(), "lease?", [document(LINES)])
    Compressor(config, cache=tmp_path / "kept").ready(document(LINES))
    with patch.object(SentenceEncoder, "pieces", side_effect=AssertionError("made again")):
        later = Compressor(config, cache=tmp_path / "kept")
        found = later.compress(Instruction(), "lease?", [document(LINES)])
    assert found.units == fresh.units


def test_a_question_waits_for_vectors_that_are_being_made(tmp_path: Path) -> None:
    """And is stopped while it waits; else they would be made twice at once."""
    config = CompressorConfig(critic=fused_critic(tmp_path / "critic"))
    compressor = Compressor(config, cache=tmp_path / "kept")
    compressor.ready(document(["Another one."]))
    made, going_on = threading.Event(), threading.Event()

    def slowly(stage: str, done: int, total: int) -> None:
        del stage, done, total
        made.set()
        assert going_on.wait(60)

    asked = Instruction(), "lease?"
    maker = threading.Thread(target=compressor.ready, args=(other(),), kwargs={"progress": slowly})
    maker.start()
    try:
        assert made.wait(60)
        with pytest.raises(Cancelled):
            compressor.compress(*asked, [other()], cancelled=Stop(after_s=1))
    finally:
        going_on.set()
        maker.join(60)
    with patch.object(SentenceEncoder, "pieces", side_effect=AssertionError("made again")):
        assert compressor.compress(*asked, [other()]).units


def other() -> Document:
    return replace(document(LINES), id="other")


class Stop:
    """Asks to stop some time after the first look."""

    def __init__(self, after_s: float) -> None:
        self._after, self._first = after_s, 0.0

    def __call__(self) -> bool:
        self._first = self._first or time.monotonic()
        return time.monotonic() - self._first > self._after


def test_vectors_are_made_once(critic: SmallCritic, tmp_path: Path) -> None:
    config = CompressorConfig(critic=fused_critic(tmp_path / "critic"))
    kept = tmp_path / "kept"
    first = Compressor(config, cache=kept).compress(Instruction(), "lease?", [document(LINES)])
    files = list(kept.iterdir())
    assert len(files) == 1 and np.load(files[0]).shape == (4, 384)
    np.save(files[0], np.flipud(np.load(files[0])))  # so that a reading of it shows
    again = Compressor(config, cache=kept).compress(Instruction(), "lease?", [document(LINES)])
    assert [u.span for u in first.units] != [u.span for u in again.units]
    changed = document([*LINES[:3], "The choir sang four songs."])
    Compressor(config, cache=kept).compress(Instruction(), "lease?", [changed])
    assert len(list(kept.iterdir())) == 2
    Compressor(config, cache=kept).forget("id")
    assert not list(kept.iterdir())


def fused_critic(folder: Path) -> Path:
    shutil.copytree(CHECKPOINT, folder)
    told = {"encoder": "all-minilm-l6-v2", "weight": 30.0, "scale": 1.0, "bias": 0.0}
    (folder / FUSION).write_text(json.dumps(told))
    return folder


def test_the_least_lately_used_go_first(tmp_path: Path) -> None:
    vectors = np.ones((10, 50), np.float16)
    cache = VectorCache(tmp_path, 3 * 1200)
    for document_id in ("a", "b", "c"):
        cache.put(document_id, "x", vectors)
    for number, path in enumerate(sorted(tmp_path.iterdir(), key=lambda p: p.stat().st_mtime_ns)):
        os.utime(path, (number, number))
    assert cache.get("a", "x") is not None  # and now it is the last used
    cache.put("d", "x", vectors)
    assert [cache.get(each, "x") is not None for each in "abcd"] == [True, False, True, True]


@pytest.mark.parametrize("left", [b"", b"\x93NUMPY", b"PK\x03\x04torn", b"\0" * 200])
def test_a_broken_file_is_made_again(tmp_path: Path, left: bytes) -> None:
    cache = VectorCache(tmp_path, 1 << 20)
    cache.put("a", "x", np.ones((2, 3), np.float16))
    next(tmp_path.iterdir()).write_bytes(left)
    assert cache.get("a", "x") is None
    assert VectorCache(tmp_path / "file" / "under", 1).get("a", "x") is None


def test_what_is_over_the_limit_by_itself_drops_nothing_else(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, 3_000)
    cache.put("a", "x", np.ones((10, 50), np.float16))
    cache.put("b", "x", np.ones((100, 50), np.float16))
    assert cache.get("a", "x") is not None
    assert cache.get("b", "x") is None


def test_what_can_be_read_and_not_touched_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = VectorCache(tmp_path, 1 << 20)
    cache.put("a", "x", np.ones((2, 3), np.float16))

    def denied(path: object) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(os, "utime", denied)
    assert cache.get("a", "x") is not None


def test_a_cascade_embeds_once_without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    pieces = SentenceEncoder.pieces

    def counted(self: SentenceEncoder, prepared: Prepared, *watch: Any) -> Any:
        made.append(prepared.document.name)
        return pieces(self, prepared, *watch)

    monkeypatch.setattr(SentenceEncoder, "pieces", counted)
    other = replace(document(LINES[::-1]), id="other", name="other.txt")
    config = CompressorConfig(cascade_tokens=1)
    found = Compressor(config).compress(Instruction(), "lease?", [document(LINES), other])
    assert made == ["notes.txt", "other.txt"]
    assert found.stats.unread == 1


@pytest.mark.parametrize("size", ["sentence", "row", "paragraph", "word"])
def test_a_text_without_tokens_keeps_nothing_from_the_others(size: Granularity) -> None:
    unreadable = Document("u", "u.txt", "\ufffd \ufffd", (), (Block("paragraph", 0, 3, 0),))
    found = Compressor(CompressorConfig()).compress(
        Instruction(size),
        "When does the lease of the warehouse end?",
        [unreadable, document(LINES)],
    )
    assert {unit.span.document for unit in found.units} == {"id"}


def test_platt_finds_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 40_000)
    true = rng.random(40_000) < 1 / (1 + np.exp(-(0.5 * logits - 2.0)))
    assert platt(logits, true) == pytest.approx((0.5, -2.0), abs=0.06)


@given(
    st.lists(
        st.tuples(*(st.floats(low, 1, width=32) for low in (0, -1, 0))),
        min_size=2,
    ),
    st.floats(0.1, 2),
)
def test_more_of_each_is_more(units_: list[tuple[float, ...]], scale: float) -> None:
    keep, cosine, around = (np.array(each, np.float32) for each in zip(*units_, strict=True))
    fusion = Fusion("", 10.0, scale, -1.0, 5.0)
    score = fusion.fused(keep, cosine, around)
    assert ((score >= 0) & (score <= 1)).all()
    assert (fusion.fused(np.minimum(keep + 0.1, 1), cosine, around) >= score).all()
    assert (fusion.fused(keep, cosine + 0.1, around) >= score).all()
    assert (fusion.fused(keep, cosine, around + 0.1) >= score).all()
