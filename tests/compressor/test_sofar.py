"""What is best so far is told while the rest is still being read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from compressor import Compressor, CompressorConfig, Instruction, sofar
from compressor.critics.base import TokenScores
from compressor.sofar import BEST, SoFar
from compressor.windows import Prepared, Window
from documents.document import Document, Evidence
from evals.samples import text_document

FACT = "The lease of the warehouse in Setubal ends in March 2031."


@pytest.fixture
def document() -> Document:
    days = [f"On day {n} the choir of parish {n} sang {n + 3} songs." for n in range(200)]
    days.insert(60, FACT)
    return text_document("chronicle", "\n\n".join(days))


def test_the_best_is_told_before_all_is_read(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sofar, "SHOW_S", 0.0)
    told: list[tuple[int, list[str]]] = []
    done = 0

    def progress(stage: str, at: int, total: int) -> None:
        nonlocal done
        done = at if stage == "compressing" and at < total else done

    def best(found: Sequence[Evidence]) -> None:
        told.append((done, [document.slice(item.span) for item in found]))

    config = CompressorConfig(similarity=False, batch_tokens=1_000)
    question = "When does the lease of the warehouse in Setubal end?"
    Compressor(config).compress(Instruction(), question, [document], progress=progress, best=best)
    assert told[-1][1][0] == FACT
    assert all(1 <= len(texts) <= BEST for _, texts in told)
    assert told[0][0] < told[-1][0] or len(told) == 1
    assert all(text in document.text for _, texts in told for text in texts)


def _window(keep: Sequence[float]) -> tuple[Window, TokenScores]:
    """Pieces of two tokens each."""
    text = " ".join("ab" for _ in keep)
    starts = np.arange(len(keep), dtype=np.int32) * 3
    pieces = np.arange(0, len(keep) + 1, 2, dtype=np.int32)
    made = text_document("d", text)
    prepared = Prepared(made, np.zeros(len(keep), np.int32), starts, starts + 2, pieces)
    scores = TokenScores(np.array(keep, np.float32), np.zeros((len(keep), 4), np.float32))
    return Window(prepared, 0, len(keep)), scores


def test_it_is_told_once_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[float]] = []
    now = 0.0
    monkeypatch.setattr(sofar.time, "monotonic", lambda: now)
    looking = SoFar(lambda found: told.append([round(item.score, 2) for item in found]))
    looking.add(*_window([0.1, 0.3, 0.9, 0.7]))
    assert told == []
    now = 2.5
    looking.add(*_window([0.1, 0.3, 0.9, 0.7]))
    assert told == [[0.8, 0.2]]
    now = 9.0
    looking.add(*_window([0.1, 0.3, 0.9, 0.7]))  # nothing new
    assert len(told) == 1
