"""Which models there are: the rows of ``registry.toml``, typed."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from documents.errors import SettingsError, UnknownModelError

Role = Literal["reasoner", "embedder", "critic"]
ROLES = ("reasoner", "embedder", "critic")


@dataclass(frozen=True)
class ModelFile:
    """One file of a model. ``sha256`` is empty and ``size`` 0 where nobody has verified them."""

    path: str
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Package:
    """One package on the package registry, and the member of it that is (a part of) ``file``."""

    name: str
    version: str
    member: str
    file: str

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class Hub:
    """A Hugging Face repository; ``names`` holds the files that are called otherwise there."""

    repo: str
    names: Mapping[str, str] = field(default_factory=dict, hash=False)

    def name_of(self, path: str) -> str:
        return self.names.get(path, path)


@dataclass(frozen=True)
class Model:
    """A row of the registry."""

    name: str
    role: Role
    licence: str
    context: int
    files: tuple[ModelFile, ...]
    about: str = ""
    local: tuple[str, ...] = ()
    hub: Hub | None = None
    packages: tuple[Package, ...] = ()
    serve: str = ""

    @property
    def size(self) -> int:
        """Bytes to fetch, as far as known."""
        return sum(file.size for file in self.files)

    @property
    def gguf(self) -> str | None:
        """The file llama.cpp loads, if this is such a model."""
        return next((file.path for file in self.files if file.path.endswith(".gguf")), None)


def models_dir() -> Path:
    """Where models are kept: ``LONGDOC_MODELS``, or the user's cache folder."""
    if given := os.environ.get("LONGDOC_MODELS"):
        return Path(given).expanduser()
    import platformdirs  # here: a machine rented for a benchmark lacks it

    return platformdirs.user_cache_path("longdoc") / "models"


def load() -> tuple[Model, ...]:
    """Every row, a person's own rows included."""
    own = models_dir() / "registry.toml"
    rows = _rows(Path(__file__).with_name("registry.toml"), 0)
    try:
        changed = own.stat().st_mtime_ns
    except OSError:
        return rows
    merged = {model.name: model for model in (*rows, *_rows(own, changed))}
    return tuple(merged.values())


def find(name: str) -> Model:
    """The row called ``name``, or `UnknownModelError` naming those there are."""
    models = load()
    for model in models:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in models)
    raise UnknownModelError(f"No model is called '{name}'.", f"Use one of: {known}.")


@lru_cache(maxsize=8)
def _rows(path: Path, changed: int) -> tuple[Model, ...]:
    """The rows of one file; ``changed`` is its time, so that an edit is seen."""
    del changed
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        return tuple(_model(row) for row in table["model"])
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(
            f"{path}: not a model registry: {error!r}", "Correct the file, or remove it."
        ) from error


def _model(row: dict[str, Any]) -> Model:
    if row["role"] not in ROLES:
        raise ValueError(f"role must be one of {', '.join(ROLES)}, not {row['role']!r}")
    files = tuple(ModelFile(**file) for file in row.pop("files"))
    hub = Hub(**row.pop("hub")) if "hub" in row else None
    packages = tuple(p for entry in row.pop("packages", ()) for p in _packages(entry))
    local = tuple(row.pop("local", ()))
    return Model(files=files, hub=hub, packages=packages, local=local, **row)


def _packages(entry: dict[str, Any]) -> list[Package]:
    """One table is one package, or with ``parts`` as many as it says."""
    parts = entry.pop("parts", 0)
    if not parts:
        return [Package(**entry)]
    name = entry.pop("name")
    return [Package(name=name.replace("{n}", str(n + 1)), **entry) for n in range(parts)]
