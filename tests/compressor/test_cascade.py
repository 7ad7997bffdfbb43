"""Of much text the critic may read the windows nearest to the question alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from compressor import Compressor, CompressorConfig, Instruction
from compressor.critics.base import TokenScores
from compressor.critics.small import SmallCritic
from compressor.windows import Window
from documents.document import Document
from evals.samples import text_document

QUESTION = "When does the lease of the warehouse in Setubal end?"
FACT = "The lease of the warehouse in Setubal ends in March 2031."


def long_document() -> Document:
    days = [
        f"On day {n} the choir of parish {n} sang {n + 3} songs and went home early."
        for n in range(400)
    ]
    days.insert(311, FACT)
    return text_document("chronicle", "\n\n".join(days))


class Watching(SmallCritic):
    """Remembers what it read."""

    def __init__(self, config: CompressorConfig) -> None:
        super().__init__(config)
        self.read: list[Window] = []

    def score(
        self, instruction: Instruction, question: str, windows: Sequence[Window]
    ) -> list[TokenScores]:
        self.read += windows
        return super().score(instruction, question, windows)


def compress(tmp_path: Path, **options: object) -> tuple[Watching, list[str], int]:
    config = CompressorConfig(**options)  # type: ignore[arg-type]
    critic = Watching(config)
    document = long_document()
    found = Compressor(config, critic, tmp_path).compress(Instruction(), QUESTION, [document])
    return critic, [document.slice(unit.span) for unit in found.units], found.stats.unread


def test_only_the_nearest_windows_are_read_and_hold_the_answer(tmp_path: Path) -> None:
    whole, all_ranked, none_unread = compress(tmp_path)
    part, ranked, unread = compress(tmp_path, cascade_tokens=1_000)
    assert none_unread == 0
    assert unread == len(whole.read) - len(part.read) > 0
    assert 0 < sum(w.last - w.first for w in part.read) <= 1_000
    assert ranked[0] == all_ranked[0] == FACT


def test_what_fits_is_read_whole(tmp_path: Path) -> None:
    whole, all_ranked, _ = compress(tmp_path)
    same, ranked, unread = compress(tmp_path, cascade_tokens=100_000)
    assert unread == 0
    assert len(same.read) == len(whole.read)
    assert ranked == all_ranked


def test_one_window_is_read_however_small_the_room(tmp_path: Path) -> None:
    critic, ranked, _ = compress(tmp_path, cascade_tokens=1)
    assert len(critic.read) == 1
    assert ranked[0] == FACT


@pytest.mark.parametrize("cascade_tokens", [0, 1_000])
def test_without_embeddings_everything_is_read(tmp_path: Path, cascade_tokens: int) -> None:
    critic, _, unread = compress(tmp_path, similarity=False, cascade_tokens=cascade_tokens)
    assert unread == 0
    assert len(critic.read) > 10
