"""A trained model made ready to serve: ``longdoc train policy-export``.

``format`` says as what. ``"hf"``: a whole model in Hugging Face's layout, an adapter merged into
its base. ``"adapter"``: the LoRA adapter as PEFT keeps it. Both are for vLLM. ``"gguf"``: a whole
model for the embedded engine. ``"gguf-adapter"``: the adapter for it, some tens of MB, which the
engine adds to a model it has already, whatever that is quantised to. Beside it stands a model card,
``README.md``: data with hashes and licences, the settings and the command, the figures as the
training measured them, and how to serve it.

    longdoc train policy-export --config policy/training/export.toml
    longdoc train policy-export --config policy/training/export.toml --smoke   # a random model
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from documents.errors import DataError, ModelError, SettingsError
from policy.training import checkpoints
from policy.training.config import read_config
from policy.training.logs import read_log
from policy.training.models import (
    ADAPTER,
    GGUF,
    base_of,
    config_of,
    folder_of,
    load_model,
    load_tokenizer,
)
from policy.training.to_gguf import KINDS, write_adapter, write_model
from weights import models_dir

Say = Callable[[str], None]
FORMATS = ("hf", "adapter", "gguf", "gguf-adapter")


@dataclass(frozen=True)
class Config:
    """What ``export.toml`` says; the file explains each."""

    model: str
    out: str
    name: str
    base: str
    licence: str
    format: str = "hf"
    kind: str = "q8_0"
    like: str = ""
    data: tuple[str, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    run: str = ""

    def __post_init__(self) -> None:
        for name, known in (("format", FORMATS), ("kind", tuple(KINDS))):
            if getattr(self, name) not in known:
                raise SettingsError(
                    f"{name} is {getattr(self, name)!r}.", f"Give one of: {', '.join(known)}."
                )
        if not self.name or Path(self.name).name != self.name:
            raise SettingsError(f"name is {self.name!r}.", "Give a plain name, without a slash.")


def export(config: Config, say: Say) -> Path:
    """The run. Returns the folder written."""
    folder, out = folder_of(config.model), Path(config.out)
    adapter = (folder / ADAPTER).is_file()
    if config.format.endswith("adapter") and not adapter:
        raise ModelError(
            f"{folder} is a whole model, not an adapter.",
            "Give format hf or gguf, or train with lora_rank above 0.",
        )
    out.mkdir(parents=True, exist_ok=True)
    if config.format == "hf":
        checkpoints.export(load_model(folder), load_tokenizer(folder), out / "model")
    elif config.format == "adapter":
        fresh = out / "adapter.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(folder, fresh)
        shutil.rmtree(out / "adapter", ignore_errors=True)
        fresh.replace(out / "adapter")
    else:
        _gguf(config, folder, out)
    made = out / _product(config)
    size = sum(f.stat().st_size for f in (made.rglob("*") if made.is_dir() else [made]))
    say(f"{made}: {size / 1e6:.1f} MB")
    (out / "README.md").write_text(card(config, size), "utf-8")
    return out


def _gguf(config: Config, folder: Path, out: Path) -> None:
    like = Path(config.like) if config.like else _found_like(folder)
    like = like if like.is_file() else folder_of(config.like) / GGUF
    if config.format == "gguf":
        write_model(load_model(folder), like, out / GGUF, config.kind, config.name)
    else:
        sizes = config_of(base_of(folder))
        write_adapter(folder, like, sizes, out / _product(config), config.name)


def _found_like(folder: Path) -> Path:
    """The GGUF that training started from, where it did."""
    base = base_of(folder) if (folder / ADAPTER).is_file() else folder
    if (base / GGUF).is_file():
        return base / GGUF
    raise SettingsError(
        "like is not set, and the model was not trained from a GGUF file.",
        "Name a registry row or a GGUF file with the same tokenizer.",
    )


def _product(config: Config) -> str:
    names = {"hf": "model", "adapter": "adapter", "gguf": GGUF, "gguf-adapter": "adapter.gguf"}
    return names[config.format]


# the card


def card(config: Config, size: int) -> str:
    """The model card, in Markdown with the header that Hugging Face reads."""
    parts = [
        f"---\nlicense: {config.licence}\nbase_model: {config.base}\ntags: [longdoc]\n---",
        f"# {config.name}",
        f"Trained with longdoc from {config.base} for answers over numbered evidence with "
        f"citations. Licence: {config.licence}. Form: {_product(config)}, {size / 1e6:.1f} MB"
        + (f", weights as {config.kind}." if config.format == "gguf" else "."),
        "## How to serve it\n\n" + serving(config),
        "## Data\n\n" + "\n".join(_data(config)),
        "## How it was made\n\n" + "\n".join(_made(config)),
        "## Figures\n\n" + "\n".join(_figures(config)),
    ]
    return "\n\n".join(parts) + "\n"


def serving(config: Config) -> str:
    """What to run and to set."""
    place = (Path(config.out) / _product(config)).absolute()
    at_url = (
        f"    export LONGDOC_REASONER__URL=http://127.0.0.1:8000/v1\n"
        f"    export LONGDOC_REASONER__SERVED_MODEL={config.name}"
    )
    if config.format == "hf":
        return f"    vllm serve {place} --served-model-name {config.name}\n{at_url}"
    if config.format == "adapter":
        rank = json.loads((place / ADAPTER).read_text("utf-8"))["r"]
        return (
            f"    vllm serve {config.base} --enable-lora --max-lora-rank {_rank_of(rank)} "
            f"--lora-modules {config.name}={place}\n{at_url}"
        )
    if config.format == "gguf-adapter":
        return (
            f"The embedded engine adds it to the model it was trained on, `{config.base}`:\n\n"
            f"    export LONGDOC_REASONER__MODEL={config.base}\n"
            f"    export LONGDOC_REASONER__ADAPTER={place}"
        )
    row = (
        f'    [[model]]\n    name = "{config.name}"\n    role = "reasoner"\n'
        f'    licence = "{config.licence}"\n    context = {_context(config)}\n'
        f'    files = [{{ path = "{GGUF}" }}]\n    local = ["{place.parent}"]'
    )
    return (
        f"The embedded engine loads it once `{models_dir() / 'registry.toml'}` has this row:\n\n"
        f"{row}\n\n    export LONGDOC_REASONER__MODEL={config.name}"
    )


def _rank_of(rank: int) -> int:
    """The least of the ranks that vLLM takes."""
    return next((known for known in (8, 16, 32, 64, 128, 256, 320, 512) if known >= rank), rank)


def _context(config: Config) -> int:
    folder = folder_of(config.model)
    base = base_of(folder) if (folder / ADAPTER).is_file() else folder
    return int(config_of(base).max_position_embeddings)


def _data(config: Config) -> Iterator[str]:
    if not config.data:
        yield "Not stated."
    sources: Counter[str] = Counter()
    for file in config.data:
        try:
            told = Path(file).read_bytes()
            rows = [json.loads(line) for line in told.decode().split("\n") if line.strip()]
            found = [str(row.get("data_source") or row["source"]) for row in rows]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise DataError(
                f"{file} is no file of prompts or pairs: {error}", "Correct `data`."
            ) from error
        sources.update(source.removeprefix("longdoc/") for source in found)
        digest = hashlib.sha256(told).hexdigest()
        yield f"- `{Path(file).name}`: {len(rows)} rows, sha256 {digest}"
    if sources:
        yield "\n| source | rows | licence |\n|---|---|---|"
    for source, count in sources.most_common():
        yield f"| {source} | {count} | {config.licences.get(source, 'not stated')} |"


def _made(config: Config) -> Iterator[str]:
    yield from (f"    {line}" for line in config.command or ("(command not stated)",))
    for file in config.settings:
        try:
            text = Path(file).read_text("utf-8").strip()
        except OSError as error:
            raise DataError(
                f"{file} cannot be read: {error.strerror}", "Correct `settings`."
            ) from error
        yield f"\n`{Path(file).name}`:\n\n```toml\n{text}\n```"


def _figures(config: Config) -> Iterator[str]:
    """From the run's ``result.json`` where it has one, and the ends of its log."""
    if not config.run:
        yield "None were given."
        return
    result, log = Path(config.run) / "result.json", read_log(Path(config.run) / "log.jsonl")
    if not log:
        raise DataError(f"{config.run} has no log of a training.", "Correct `run`.")
    if result.exists():
        told = json.loads(result.read_text("utf-8"))
        yield from _accuracies(told)
    names = [name for name in log[0] if name != "step" and name in log[-1]]
    yield f"\n| of the log | step {log[0]['step']:.0f} | step {log[-1]['step']:.0f} |"
    yield "|---|---|---|"
    yield from (f"| {name} | {log[0][name]:.4g} | {log[-1][name]:.4g} |" for name in names)


def _accuracies(told: Mapping[str, Any]) -> Iterator[str]:
    yield "| held-back prompts | rows | sub-EM | EM | F1 | words |\n|---|---|---|---|---|---|"
    for when in ("before", "after"):
        for side, a in told.get(when, {}).items():
            rates = " | ".join(f"{a[name]:.3f}" for name in ("sub_em", "exact", "f1"))
            yield f"| {side}, {when} | {a['rows']} | {rates} | {a['words']:.1f} |"


def run(path: Path, smoke: bool, say: Say) -> Path:
    """The stage as ``longdoc train policy-export`` runs it."""
    config = read_config(Config, path, smoke)
    if smoke:
        from policy.training.tiny import tiny_model

        folder = Path(tempfile.mkdtemp(prefix="longdoc-smoke-"))
        made = str(tiny_model(folder / "model"))
        config = replace(config, model=made, out=str(folder / "export"), data=(), settings=())
        config = replace(config, run="", base="a random model")
    return export(config, say)
