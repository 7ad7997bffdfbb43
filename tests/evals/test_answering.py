"""Benchmarks answer by longdoc's own graphs: straight, whole, or read in turns."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import Context
from agent.context import render
from agent.strategies.cprs import Cprs
from app.settings import load_settings
from compressor import Compressor, CompressorConfig
from documents import Evidence
from documents.errors import SettingsError
from evals.answering import Agent, Mode
from evals.samples import Gold, Sample, text_document
from policy import Reasoner, ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, says_text

TEXT = (
    "Harbour dues were 320 million in 2021.\n\nHarbour dues were 420 million in 2022.\n\n"
    "The quay was painted green."
)
SAMPLE = Sample(
    "s", "made", "By how many per cent did harbour dues grow from 2021 to 2022?",
    (text_document("report", TEXT),), Gold(("31.25%",)),
)  # fmt: skip


def go_on() -> bool:
    return False


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as listening:
        listening.models = [{"id": "m", "max_model_len": 4_000}]
        yield listening


@pytest.fixture
def agent(server: ChatServer, tmp_path: Path) -> Agent:
    config = ReasonerConfig(url=server.url, context_tokens=4_000)
    reasoner = Reasoner(config)
    strategy = Cprs(Compressor(CompressorConfig()), reasoner.count)
    settings = load_settings(home=tmp_path, reasoner=config)
    return Agent(settings, reasoner, {"cprs": strategy})


def _context(sample: Sample) -> Context:
    (document,) = sample.documents
    evidence = (Evidence(document.span(0, len(document.text)), 1.0),)
    return Context(evidence, render(evidence, {document.id: document}), 60, 60)


def test_straight_is_one_call_under_the_agents_own_checks(agent: Agent, server: ChatServer) -> None:
    server.replies += [
        says_text("They grew to 420 million [1]. Before, they were 777 million [1].")
    ]
    ran = agent.answer(SAMPLE, _context(SAMPLE), go_on)
    assert ran.answer is not None
    assert len(server.asked) == 1
    assert "420 million" in ran.answer.text
    assert "777" not in ran.answer.text  # founded on nothing
    assert ran.answer.verdict == "partly"
    assert ran.answer.usage.completion_tokens > 0


def test_the_whole_agent_computes(agent: Agent, server: ChatServer) -> None:
    expression = {"expression": "([1:420] - [1:320]) / [1:320]"}
    server.replies += [
        says_text("They were 320 million [1] and 420 million [1]."),
        says_text(json.dumps(expression)),
    ]
    ran = agent.whole(SAMPLE, 400, "select", True, go_on)
    assert ran.answer is not None
    assert len(server.asked) == 2
    assert [c.value for c in ran.answer.computed] == ["31.25"]
    assert ran.context.source_tokens > 0
    assert 0 < ran.context.tokens <= 400
    assert ran.select_s > 0


def test_memory_reads_everything_in_turns(agent: Agent, server: ChatServer) -> None:
    facts = [{"piece": 1, "fact": "Harbour dues were 320 million in 2021."}]
    server.replies += [
        says_text(json.dumps({"facts": facts, "forget": [], "plan": ""})),
        says_text("They were 320 million [1]."),
        says_text(json.dumps({"expression": ""})),
    ]
    ran = agent.whole(SAMPLE, 400, "memory", True, go_on)
    assert ran.answer is not None
    assert "320 million" in ran.answer.text
    assert "Nothing yet" in server.asked[0][1]["messages"][0]["content"]


@pytest.mark.parametrize("mode", ["select", "memory"])
def test_a_tasks_own_prompt_is_not_the_agents(agent: Agent, mode: Mode) -> None:
    own = Sample("s", "ruler", "What?", SAMPLE.documents, Gold(()), prompt="{context} What?")
    with pytest.raises(SettingsError, match="ruler has a prompt of its own"):
        agent.whole(own, 400, mode, True, go_on)


def test_a_tasks_own_prompt_is_sent_as_it_is(agent: Agent, server: ChatServer) -> None:
    own = Sample("s", "ruler", "What?", SAMPLE.documents, Gold(()), prompt="Read {context} Now?")
    server.replies += [says_text("Nine hundred 999.")]
    ran = agent.answer(own, _context(own), go_on)
    assert ran.answer is not None
    assert ran.answer.text == "Nine hundred 999."
    assert server.asked[0][1]["messages"][0]["content"].startswith("Read Document: report")
