"""Settings as people write them, and what is said where they cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import load_settings
from documents.errors import SettingsError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LONGDOC_HOME", str(tmp_path))
    return tmp_path


def test_a_data_folder_that_no_shell_expanded_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LONGDOC_HOME", "~/kept")
    assert load_settings().home == tmp_path / "kept"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGDOC_HOME", "kept")
    assert load_settings().home == tmp_path / "kept"


@pytest.mark.parametrize("text", ["budgt = 5\n", "[reasoner]\nbudgt = 5\n"])
def test_a_setting_that_there_is_not_is_named(home: Path, text: str) -> None:
    (home / "settings.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"no setting '(reasoner\.)?budgt'"):
        load_settings()


def test_a_file_in_another_encoding_is_said_to_be_unreadable(home: Path) -> None:
    (home / "settings.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(SettingsError, match=r"settings\.toml cannot be read"):
        load_settings()


def test_a_variable_for_all_of_a_part_is_said_to_be_wrong(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGDOC_REASONER", "http://127.0.0.1:8000/v1")
    with pytest.raises(SettingsError, match="reasoner"):
        load_settings()
