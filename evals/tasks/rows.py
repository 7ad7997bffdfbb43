"""What loaders share: rows of JSON files, and drawing some of them."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from documents.errors import DataError
from evals.samples import Setup

Row = dict[str, Any]
Item = TypeVar("Item")


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSON Lines file, or of a JSON file that is a list. Raises `DataError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise absent(path) from error
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text)
        else:
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: is not JSON: {error}.", "Download it again.") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: has rows that are no objects.", "Is it the file as published?")
    return list(rows)


def field(row: Row, name: str, path: Path) -> Any:
    """A field that the published format has. Raises `DataError` where the row lacks it."""
    if name not in row:
        raise DataError(f"{path}: a row has no {name!r}.", "Is it the file as published?")
    return row[name]


def first_there(places: Iterable[Path]) -> Path:
    """The first path that is there. Raises `DataError` naming where it was looked for."""
    looked = list(places)
    for place in looked:
        if place.exists():
            return place
    raise absent(looked[0])


def absent(path: Path) -> DataError:
    """The error for data that is not there."""
    return DataError(f"{path} is not there.", "Set LONGDOC_TEST_DATA to the data folder.")


def drawn(
    items: Sequence[Item], group: Callable[[Item], object], setup: Setup
) -> list[tuple[int, Item]]:
    """At most ``setup.limit`` items of each group, drawn by its seed, in their order, each with
    its number. The draw of one group does not depend on the others."""
    groups: dict[object, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        groups[group(item)].append(number)
    chosen: list[int] = []
    for name, numbers in groups.items():
        if setup.limit is not None and len(numbers) > setup.limit:
            numbers = random.Random(f"{setup.seed}|{name}").sample(numbers, setup.limit)  # noqa: PLW2901
        chosen += numbers
    return [(number, items[number]) for number in sorted(chosen)]
