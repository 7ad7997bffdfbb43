"""The graph as people see it: in README, and in LangGraph's own studio."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent import build_graph
from app.cli import app
from app.service import Service
from app.settings import load_settings

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import chat_server, says_text

ROOT = Path(__file__).parents[2]


def test_readme_shows_the_graph_there_is() -> None:
    """If not: ``make readme``."""
    printed = CliRunner().invoke(app, ["graph"]).stdout
    assert "__start__ --> " in printed
    assert f"```mermaid\n{printed}```\n" in (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def opened() -> Any:
    """The graph, found as ``langgraph dev`` finds it: by the file's path and a name in it."""
    described = json.loads((ROOT / "langgraph.json").read_text())
    assert described["dependencies"] == ["."]
    [(_, where)] = described["graphs"].items()
    path, _, name = where.rpartition(":")
    spec = importlib.util.spec_from_file_location("opened_by_studio", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


def test_the_studio_gets_a_form_and_sees_the_nodes(opened: Any) -> None:
    assert opened.checkpointer is None  # the server brings its own
    form = opened.get_input_jsonschema()
    assert form["required"] == ["question"]
    assert set(form["properties"]) == {"question", "documents", "strategy"}
    assert set(opened.get_context_jsonschema()["properties"]) == {"profile"}
    assert "result" in opened.get_output_jsonschema()["properties"]
    inside = {node.name for node in opened.get_graph(xray=True).nodes.values()}
    assert {node for node in build_graph().nodes if not node.startswith("__")} <= inside


def test_the_studio_answers_over_the_library(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_server() as server:
        for name, value in {
            "LONGDOC_HOME": str(tmp_path / "home"),
            "LONGDOC_REASONER__URL": server.url,
            "LONGDOC_REASONER__TOKENIZER": "smollm2-135m",
            "LONGDOC_REASONER__MAX_ANSWER_TOKENS": "64",
        }.items():
            monkeypatch.setenv(name, value)
        report = tmp_path / "report.md"
        report.write_text("# Halden plc\n\nRevenue was 4,812 million in 2023.\n")
        Service(load_settings()).ingest([report])
        server.replies[:] = [says_text("Revenue was 4,812 million in 2023 [1].")]
        question = {"question": "What was revenue in 2023?", "strategy": "full"}
        parts = list(opened.stream(question, stream_mode=["custom", "values"], subgraphs=True))
    kinds = {data["kind"] for _, mode, data in parts if mode == "custom"}
    assert {"context", "answer", "checked"} <= kinds
    _, _, values = parts[-1]
    record = values["result"]
    assert record["verdict"] == "answered"
    assert record["citations"][0]["quote"] == "Revenue was 4,812 million in 2023."
    assert any(names for names, _, _ in parts)  # the inner graph's own steps
