"""What the scripts of this folder share: their files, labels, rate, log, and a made-up corpus."""

from __future__ import annotations

import gzip
import json
import math
import tomllib
from pathlib import Path
from typing import Any, Protocol, TypeVar

from documents.errors import SettingsError

T = TypeVar("T")
IGNORED = -100
B, I, O, E = range(4)  # noqa: E741 - the published names of the classes


class Schedule(Protocol):
    """The learning rate's part of a configuration."""

    @property
    def learning_rate(self) -> float:
        """The highest."""
        ...

    @property
    def warmup_steps(self) -> int:
        """Steps until it is reached."""
        ...

    @property
    def max_steps(self) -> int:
        """Steps after which the run ends."""
        ...

    @property
    def max_minutes(self) -> float:
        """Minutes after which it ends."""
        ...


def read_toml(kind: type[T], path: Path, smoke: bool) -> T:
    """The configuration file as a ``kind``, with its ``[smoke]`` values on top where asked."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}", "Begin with a copy of the committed file."
        ) from error
    small = values.pop("smoke", {})
    try:
        return kind(**(values | small if smoke else values))
    except TypeError as error:
        raise SettingsError(f"{path}: {error}.", "The committed file has every value.") from error


def label(
    offsets: list[tuple[int, int]], gold: tuple[tuple[int, int], ...]
) -> tuple[list[int], list[int]]:
    """Keep (0 or 1) and boundary class of every token."""
    keep = [0] * len(offsets)
    boundary = [O] * len(offsets)
    for start, end in gold:
        inside = [i for i, (a, b) in enumerate(offsets) if a < end and start < b]
        for i in inside:
            keep[i], boundary[i] = 1, I
        if inside:
            boundary[inside[-1]] = E
            boundary[inside[0]] = B
    return keep, boundary


def rate_at(config: Schedule, step: int, gone_s: float) -> float:
    """Linear warm-up by steps, then down to 2% by the share of time (or steps) gone."""
    gone = max(gone_s / 60 / config.max_minutes, step / config.max_steps)
    decay = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, gone)))
    return config.learning_rate * decay * min(1.0, (step + 1) / config.warmup_steps)


class Log:
    """``log.jsonl`` and a TensorBoard file beside it, from step ``first`` on: what was logged
    after the checkpoint is taken again, and goes."""

    def __init__(self, out: Path, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        out.mkdir(parents=True, exist_ok=True)
        path = out / "log.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= first]
        path.write_text("".join(line + "\n" for line in kept))
        self._lines = path.open("a")
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=first + 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line, and one point a curve."""
        rounded = {name: float(f"{value:.5g}") for name, value in values.items()}
        self._lines.write(json.dumps({"step": step, **rounded}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish both files."""
        self._lines.close()
        self._board.close()


def base_folder(name: str) -> Path:
    """Where the encoder's files are: a folder, or a model fetched if need be."""
    from weights import ensure

    return Path(name) if Path(name).is_dir() else Path(ensure(name))


def made_corpus(folder: Path) -> Path:
    """A folder of documents that name one river a place, with a question about each."""
    places = [f"Town {n}" for n in range(60)]
    docs, questions = [], []
    for n, place in enumerate(places):
        fact = f"The river of {place} is called Elm {n}."
        text = f"{place} is old. {fact} Its market is on Mondays. Few people live there now."
        at = text.index(fact)
        docs.append({"doc": f"squad:{place}", "text": text})
        asked = {"question": f"Which river is at {place}?", "answers": [f"Elm {n}"]}
        spans = [[at, at + len(fact)]]
        questions.append({"source": "squad", "doc": f"squad:{place}", "spans": spans, **asked})
    for name, rows in (("docs", docs), ("questions", questions)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in rows)
    return folder
