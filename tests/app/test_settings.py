"""Settings as people write them, and what is said where they cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.service import Question, Service
from app.settings import load_settings
from documents.errors import QuestionError, SettingsError
from policy import ReasonerConfig


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


def test_what_the_caller_gives_goes_before_the_environment(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGDOC_BUDGET", "500")
    monkeypatch.setenv("LONGDOC_REASONER__RETRIES", "7")
    given = load_settings(home=tmp_path / "other", reasoner={"retries": 1})
    assert (given.home, given.budget) == (tmp_path / "other", 500)
    assert given.reasoner.retries == 1


@pytest.mark.parametrize("text", ["budgt = 5\n", "[reasoner]\nbudgt = 5\n"])
def test_a_setting_that_there_is_not_is_named(home: Path, text: str) -> None:
    (home / "settings.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"no setting '(reasoner\.)?budgt'"):
        load_settings()


def test_a_file_in_another_encoding_is_said_to_be_unreadable(home: Path) -> None:
    (home / "settings.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(SettingsError, match=r"settings\.toml cannot be read"):
        load_settings()


@pytest.mark.parametrize(
    ("context", "budget", "named"), [(512, None, "context of 512"), (4096, -5, "budget of -5")]
)
def test_no_room_for_evidence_is_an_error_and_not_an_answer(
    home: Path, context: int, budget: int | None, named: str
) -> None:
    reasoner = ReasonerConfig(model="smollm2-135m", context_tokens=context)
    service = Service(load_settings(home=home, reasoner=reasoner))
    (home / "report.txt").write_text("Sales were 5 million.\n")
    document = service.ingest([home / "report.txt"])[0].id
    with pytest.raises(QuestionError, match=named):
        service.run(Question("What were sales?", (document,), "full", budget), answer=False)


def test_a_variable_for_all_of_a_part_is_said_to_be_wrong(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGDOC_REASONER", "http://127.0.0.1:8000/v1")
    with pytest.raises(SettingsError, match="reasoner"):
        load_settings()
