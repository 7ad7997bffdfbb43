"""Indexing, searching, deleting, and being killed."""

from __future__ import annotations

import multiprocessing
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from documents.document import Block, Document, Span
from documents.errors import Cancelled, SettingsError, StorageError
from documents.progress import IsCancelled, Progress, check, never_cancelled, no_progress
from retrieval import RetrievalConfig, Retriever
from retrieval.bm25 import fuse, word_scores
from retrieval.index import Index


class BagOfWords:
    """An embedder without a model: hashed words."""

    def __init__(self) -> None:
        self.embedded = 0

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        return [
            np.array([found.start() for found in re.finditer(r"\S+", text)], np.int64)
            for text in texts
        ]

    def embed(
        self,
        texts: Sequence[str],
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> NDArray[np.float32]:
        check(cancelled)
        rows = np.zeros((len(texts), 128), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[zlib.crc32(word.encode()) % 128] += 1
        self.embedded += len(texts)
        progress("embedding", len(texts), len(texts))
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(lengths, 1e-9), np.float32)


def make(name: str, *paragraphs: str) -> Document:
    text, blocks = "", []
    for part in paragraphs:
        blocks.append(Block("paragraph", len(text), len(text) + len(part), 0))
        text += part + "\n\n"
    return Document(name, f"{name}.txt", text, (), tuple(blocks))


FRUIT = make("fruit", "The apple is red.", "The banana is yellow.", "A cherry has a stone.")
CARS = make("cars", "The car has four wheels.", "The banana boat sails.")
CONFIG = RetrievalConfig(chunk_tokens=5)


def test_search_ranks_the_chunks_of_the_documents_asked(tmp_path: Path) -> None:
    retriever = Retriever(CONFIG, tmp_path, BagOfWords())
    found = retriever.search("Which banana is yellow?", [FRUIT, CARS])
    assert FRUIT.slice(found[0].span) == "The banana is yellow."
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    assert len(found) == 5
    assert {item.span.document for item in retriever.search("car", [FRUIT])} == {"fruit"}
    assert len(retriever.search("car", [FRUIT, CARS], limit=2)) == 2
    assert retriever.search("car", []) == []


def test_a_document_is_indexed_once_per_settings(tmp_path: Path) -> None:
    model = BagOfWords()
    Retriever(CONFIG, tmp_path, model).index(FRUIT)
    done = model.embedded
    Retriever(CONFIG, tmp_path, model).index(FRUIT)
    Retriever(replace(CONFIG, ranking="hybrid"), tmp_path, model).index(FRUIT)
    assert model.embedded == done
    Retriever(replace(CONFIG, chunk_tokens=100), tmp_path, model).index(FRUIT)
    assert model.embedded == done + 1


def test_the_same_bytes_read_otherwise_are_indexed_again(tmp_path: Path) -> None:
    retriever = Retriever(CONFIG, tmp_path, BagOfWords())
    retriever.index(FRUIT)
    again = replace(FRUIT, text=FRUIT.text.replace("red", "mad"))
    assert again.slice(retriever.search("mad apple", [again])[0].span) == "The apple is mad."


def test_hybrid_finds_by_rare_word(tmp_path: Path) -> None:
    retriever = Retriever(replace(CONFIG, ranking="hybrid"), tmp_path, BagOfWords())
    found = retriever.search("cherry", [FRUIT, CARS])
    assert FRUIT.slice(found[0].span) == "A cherry has a stone."
    assert len(found) == 5


def test_delete_removes_vectors_of_all_settings(tmp_path: Path) -> None:
    for size in (5, 100):
        retriever = Retriever(replace(CONFIG, chunk_tokens=size), tmp_path, BagOfWords())
        retriever.index(FRUIT)
        retriever.index(CARS)
    retriever.delete("fruit")
    for size in (5, 100):
        config = replace(CONFIG, chunk_tokens=size)
        index = Index(tmp_path, config.collection())
        assert not index.holds(FRUIT)
        assert index.read(["fruit"]).spans == ()
        assert index.holds(CARS)


def test_delete_where_nothing_was_indexed_makes_nothing(tmp_path: Path) -> None:
    Retriever(CONFIG, tmp_path, BagOfWords()).delete("fruit")
    assert not list(tmp_path.iterdir())


def test_an_empty_document_is_complete_and_found_empty(tmp_path: Path) -> None:
    model = BagOfWords()
    empty = make("empty")
    assert Retriever(CONFIG, tmp_path, model).search("x", [empty]) == []
    assert Index(tmp_path, CONFIG.collection()).holds(empty)


def test_a_stop_leaves_no_index(tmp_path: Path) -> None:
    retriever = Retriever(CONFIG, tmp_path, BagOfWords())
    with pytest.raises(Cancelled):
        retriever.index(FRUIT, cancelled=lambda: True)
    assert not Index(tmp_path, CONFIG.collection()).holds(FRUIT)


def _die_midway(home: Path) -> None:
    """Write the first chunk of a document, then end as a killed process does."""
    import chromadb

    real = chromadb.Collection.add
    calls = 0

    def add(self: object, **values: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            os._exit(9)
        real(self, **values)

    chromadb.Collection.add = add
    index = Index(home, CONFIG.collection())
    index.write(FRUIT, [Span("fruit", 0, 3)], np.ones((1, 128), np.float32))


def _write_cars(home: Path) -> None:
    Retriever(CONFIG, home, BagOfWords()).index(CARS)


def test_an_index_killed_midway_is_made_again(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_midway, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 9
    index = Index(tmp_path, CONFIG.collection())
    assert index.read(["fruit"]).spans == (Span("fruit", 0, 3),)
    assert not index.holds(FRUIT)
    found = Retriever(CONFIG, tmp_path, BagOfWords()).search("apple", [FRUIT])
    assert sorted(FRUIT.slice(item.span) for item in found) == [
        "A cherry has a stone.",
        "The apple is red.",
        "The banana is yellow.",
    ]


def test_a_reader_sees_what_another_process_wrote(tmp_path: Path) -> None:
    retriever = Retriever(CONFIG, tmp_path, BagOfWords())
    assert retriever.search("banana", [FRUIT])
    process = multiprocessing.get_context("spawn").Process(target=_write_cars, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert Index(tmp_path, CONFIG.collection()).holds(CARS)
    assert len(retriever.search("banana", [FRUIT, CARS])) == 5


def test_a_server_that_does_not_answer_is_named() -> None:
    config = replace(CONFIG, chroma_url="http://127.0.0.1:9")
    with pytest.raises(StorageError, match=r"127\.0\.0\.1:9"):
        Retriever(config, Path("unused"), BagOfWords()).index(FRUIT)


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    (tmp_path / "chroma" / "chroma.sqlite3").mkdir(parents=True)  # where the database would be
    with pytest.raises(StorageError, match="chroma"):
        Index(tmp_path, CONFIG.collection()).read(["d"])


def test_settings_that_cannot_work() -> None:
    with pytest.raises(SettingsError, match="chunk_tokens"):
        RetrievalConfig(chunk_tokens=0)


def test_word_scores() -> None:
    scores = word_scores("cherry stone", ["an apple", "a cherry", "cherry stone"])
    assert scores[0] == 0
    assert scores[2] > scores[1] > 0
    assert word_scores("zebra", ["an apple"]).tolist() == [0]
    assert word_scores("the", ["", "of the"]).tolist() == [0, 0]


def test_fuse() -> None:
    assert fuse([[1, 0], [1]], 3, 60).tolist() == [1 / 62, 2 / 61, 0]
