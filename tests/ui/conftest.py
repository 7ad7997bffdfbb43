"""The page in this process, over an empty library, with a model that says what a test gave it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from talking_server import TalkingServer

from app.service import Service
from ui.parts.rooms import open_service


@pytest.fixture
def talker() -> Iterator[TalkingServer]:
    server = TalkingServer("Sales were $5 million [1].")
    yield server
    server.close()


@pytest.fixture
def settings(
    tmp_path: Path, talker: TalkingServer, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment that settings are read from."""
    values = {
        "LONGDOC_HOME": str(tmp_path / "home"),
        "LONGDOC_REASONER__URL": talker.url,
        "LONGDOC_REASONER__TOKENIZER": "smollm2-135m",
        "LONGDOC_REASONER__RETRIES": "0",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def service(settings: dict[str, str]) -> Iterator[Service]:
    """The very service that the page uses."""
    open_service.clear()
    yield open_service()[0]
    open_service.clear()


@pytest.fixture
def add(service: Service, tmp_path: Path) -> Callable[[str, str], str]:
    """Put a text file into the library; its id."""

    def put(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return service.ingest([path])[0].id

    return put
