"""What a stage keeps on the disk, each file or folder put in place whole: a kill leaves the old
one or the new one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from documents.errors import SettingsError, StorageError


def learnt(model: Any) -> dict[str, Any]:
    """The model's weights that are trained: all of them, or the adapter's."""
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name in names}


def fingerprint(told: object, rows: Iterable[object]) -> str:
    """The name of a run, by what decides its steps, as JSON has it, and what it learns from."""
    read = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for row in rows:
        read.update(repr(row).encode())
    return read.hexdigest()


def save(path: Path, run: str, state: Mapping[str, Any]) -> None:
    """Write a run's state under the run's name."""
    fresh = path.with_suffix(".new")
    try:
        torch.save({"run": run, **state}, fresh)
        fresh.replace(path)
    except OSError as error:
        raise StorageError(
            f"{fresh} cannot be written: {error.strerror or error}", "Free some space."
        ) from error


def read(path: Path, run: str, device: torch.device) -> dict[str, Any] | None:
    """The state of the run of this name; None where nothing is kept. Another run's is refused."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    if state["run"] != run:
        raise SettingsError(
            f"{path} is of a run with another configuration, another model or other data.",
            "Give another `out`, or remove that folder.",
        )
    return state


def export(model: Any, tokenizer: Any, place: Path) -> Path:
    """The model, or its adapter, with the tokenizer, as Hugging Face has them."""
    fresh = place.with_name(place.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    model.save_pretrained(str(fresh))
    tokenizer.save_pretrained(str(fresh))
    shutil.rmtree(place, ignore_errors=True)
    fresh.replace(place)
    return place
