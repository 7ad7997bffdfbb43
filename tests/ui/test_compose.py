"""The containers' description: whole, closed to other machines, and naming only what there is."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from app.cli import app
from app.settings import load_settings
from app.webpage import _hosts

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_only_the_page_is_published_and_only_on_loopback() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert list(published) == ["ui"]
    assert all(port.startswith("127.0.0.1:") for port in published["ui"])


def test_every_service_has_a_healthcheck_and_pins_its_version() -> None:
    for service in SERVICES.values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    wanted = "".join(f"{line}\n" for line in requires("longdoc") or ())
    chroma = SERVICES["chroma"]["image"].rpartition(":")[2]
    assert f"chromadb=={chroma}\n" in wanted
    assert re.search(rf"vllm=={SERVICES['reasoner']['image'].rpartition(':v')[2]};", wanted)


def test_the_image_is_named_by_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SERVICES["ui"]["image"] == f"longdoc:{project['version']}"


def test_volumes_and_dependencies_are_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in COMPOSE["volumes"]
        assert set(service.get("depends_on", ())) <= set(SERVICES)


@pytest.mark.parametrize(
    "words",
    [
        SERVICES["ui"]["command"],
        re.findall(r'"([^"]+)"', DOCKERFILE.rpartition("\nCMD ")[2]),
        re.findall(r"^RUN (longdoc .*)$", DOCKERFILE, re.MULTILINE)[0].split(),
    ],
)
def test_the_commands_exist(words: list[str]) -> None:
    assert words[0] == "longdoc"
    command: Any = get_command(app)
    rest = words[1:]
    while rest and hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(words[1], rest, resilient_parsing=False)


def test_the_page_is_open_to_the_container_network_only_by_its_address() -> None:
    assert "0.0.0.0" in SERVICES["ui"]["command"]
    assert _hosts("0.0.0.0") == []
    assert _hosts("reports.example.org") == []
    assert "127.0.0.1" in _hosts("127.0.0.1")


def test_the_environment_sets_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["ui"]["environment"].items():
        default = re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
        monkeypatch.setenv(name, default)
    settings = load_settings()
    assert settings.retrieval.chroma_url == "http://chroma:8000"
    assert not settings.reasoner.url
    monkeypatch.setenv("LONGDOC_REASONER__URL", "http://reasoner:8000/v1")
    assert load_settings().reasoner.url == "http://reasoner:8000/v1"


def test_the_image_runs_as_no_root() -> None:
    users = re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)
    assert users == ["longdoc"]
    assert "LONGDOC_HOME=/data" in DOCKERFILE
    assert "VOLUME /data" in DOCKERFILE
    assert re.search(
        r"^  ui:.*?library:/data", (ROOT / "docker-compose.yml").read_text(), re.S | re.M
    )
