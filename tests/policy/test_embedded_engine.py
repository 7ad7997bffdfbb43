"""The embedded engine with a real, very small model: started, shared, idle, killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import weights
from documents.errors import Cancelled, ContextOverflowError, EngineError, ModelUnavailableError
from policy import Delta, Reasoner, ReasonerConfig, Usage, engine

MODEL = "smollm2-135m"
ASK = [{"role": "user", "content": "Count from one to a hundred, in words."}]
CHILD = Path(__file__).with_name("engine_child.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A models folder of its own, so that the engine of whoever runs the tests is left alone."""
    real = weights.ensure(MODEL)
    folder = tmp_path_factory.mktemp("models")
    (folder / MODEL).symlink_to(real)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGDOC_MODELS", str(folder))
        yield folder


@pytest.fixture
def reasoner(models: Path) -> Iterator[Reasoner]:
    """Whose engine is ended afterwards."""
    config = ReasonerConfig(model=MODEL, context_tokens=1024, idle_s=60, threads=1)
    yield Reasoner(config)
    engine.stop(config)


def process(client: Reasoner) -> psutil.Process:
    """The engine's process, found by the port it listens on."""
    port = int(client.start().url.split(":")[2].removesuffix("/v1"))
    (found,) = (c for c in psutil.net_connections("tcp4") if _listens(c, port))
    assert found.laddr.ip == "127.0.0.1"
    return psutil.Process(found.pid)


def _listens(connection: psutil._ntuples.sconn, port: int) -> bool:
    return connection.status == "LISTEN" and connection.laddr.port == port


def children(config: ReasonerConfig, count: int) -> list[str]:
    """The addresses that processes started at the same time are given."""
    settings = {
        "model": config.model,
        "context_tokens": config.context_tokens,
        "idle_s": config.idle_s,
        "threads": config.threads,
    }
    command = [sys.executable, str(CHILD), json.dumps(settings)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(count)
    ]
    ended = [(child.communicate(timeout=60), child.returncode) for child in started]
    assert all(code == 0 for _, code in ended), ended
    assert all(err == "" for (_, err), _ in ended), "nothing on the terminal"
    return [out.strip() for (out, _), _ in ended]


def engines(models: Path) -> list[int]:
    """The numbers of all engines whose state lies in the folder."""
    return [
        p.pid
        for p in psutil.process_iter(["cmdline"])
        if "policy.engine_server" in (line := p.info["cmdline"] or [])
        and any(str(models) in word for word in line)
        and p.status() != psutil.STATUS_ZOMBIE
    ]


def test_a_proxy_for_the_network_is_not_asked_for_the_engine(
    reasoner: Reasoner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container to which Docker has handed its proxy settings."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(engine, "START_S", 20)
    *_, told = reasoner.stream(ASK, max_tokens=4)
    assert isinstance(told, Usage)
    assert told.completion_tokens == 4


def test_answers_and_counts(reasoner: Reasoner, capfd: pytest.CaptureFixture[str]) -> None:
    *deltas, told = reasoner.stream(ASK, max_tokens=24)
    text = "".join(piece.text for piece in deltas if isinstance(piece, Delta))
    assert text
    assert isinstance(told, Usage)
    assert told.prompt_tokens == reasoner.count_messages(ASK)
    assert told.completion_tokens == 24 and told.finish_reason == "length"
    log = engine.log_path(reasoner.config)
    assert "llama" in log.read_text("utf-8")
    assert capfd.readouterr() == ("", "")
    assert process(reasoner).pid != os.getpid()


def test_json_by_schema(reasoner: Reasoner) -> None:
    schema = {
        "type": "object",
        "properties": {"pages": {"type": "integer", "maximum": 99}},
        "required": ["pages"],
        "additionalProperties": False,
    }
    said = reasoner.complete(
        [{"role": "user", "content": "How many pages?"}], schema, max_tokens=32
    )
    assert list(said) == ["pages"] and isinstance(said["pages"], int)


def test_the_longest_prompt_fits_and_one_more_is_refused(reasoner: Reasoner) -> None:
    def prompt(words: int) -> list[dict[str, str]]:
        return [{"role": "user", "content": " five" * words}]

    words = 900
    words += 1024 - 64 - reasoner.count_messages(prompt(words))
    *_, told = reasoner.stream(prompt(words))
    assert isinstance(told, Usage)
    assert told.prompt_tokens == 1024 - 64
    with pytest.raises(ContextOverflowError, match="has 961 tokens: 1 too many"):
        reasoner.stream(prompt(words + 1))


def test_processes_that_start_at_once_share_one_engine(reasoner: Reasoner, models: Path) -> None:
    first, second = children(reasoner.config, 2)
    assert first == second == reasoner.start().url
    assert engines(models) == [process(reasoner).pid]


def test_ends_when_idle_but_not_while_answering(models: Path) -> None:
    reasoner = Reasoner(ReasonerConfig(model=MODEL, context_tokens=8192, idle_s=0.5, threads=1))
    pieces = reasoner.stream(ASK, max_tokens=8000)
    begin = time.monotonic()
    while time.monotonic() - begin < 5:  # longer than the idle time and the engine's watch
        next(pieces)
    (number,) = engines(models)
    pieces.close()
    deadline = time.monotonic() + 20
    while number in engines(models) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not engines(models)
    assert not engine.stop(reasoner.config)


def test_killed_in_mid_answer(reasoner: Reasoner) -> None:
    pieces = reasoner.stream(ASK, max_tokens=800)
    assert isinstance(next(pieces), Delta)
    first = process(reasoner)
    first.kill()
    with pytest.raises(EngineError, match="died in mid-answer") as error:
        list(pieces)
    assert "started anew" in error.value.hint
    *_, told = reasoner.stream(ASK, max_tokens=4)
    assert isinstance(told, Usage) and told.completion_tokens == 4
    assert process(reasoner).pid != first.pid


def test_killed_between_questions(reasoner: Reasoner) -> None:
    reasoner.start()
    process(reasoner).kill()
    assert list(reasoner.stream(ASK, max_tokens=4))


def test_a_stop_ends_the_answer_at_once(reasoner: Reasoner) -> None:
    stop = threading.Event()
    pieces = reasoner.stream(ASK, max_tokens=800, cancelled=stop.is_set)
    next(pieces)
    stop.set()
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        list(pieces)
    assert time.monotonic() - begin < 1


def test_a_broken_model_file(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = """[[model]]
name = "broken"
about = "no model at all"
role = "reasoner"
licence = "none"
context = 1024
files = [{ path = "model.gguf", size = 5, sha256 = "" }]
"""
    (tmp_path / "registry.toml").write_text(row)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.gguf").write_text("hello")
    monkeypatch.setenv("LONGDOC_MODELS", str(tmp_path))
    with pytest.raises(EngineError, match="did not start") as error:
        engine.start(ReasonerConfig(model="broken"))
    assert str(tmp_path) in error.value.hint and "\n" not in str(error.value)
    assert not engines(tmp_path)


def test_no_model_and_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGDOC_MODELS", str(tmp_path))
    with pytest.raises(ModelUnavailableError, match=f"{MODEL} is not in the cache") as error:
        Reasoner(ReasonerConfig(model=MODEL, offline=True)).start()
    assert f"longdoc models pull {MODEL}" in error.value.hint and "\n" not in str(error.value)


def test_a_model_that_is_only_served(models: Path) -> None:
    assert weights.find("qwenlong-l1-32b").serve
    with pytest.raises(ModelUnavailableError, match="qwenlong") as error:
        Reasoner(ReasonerConfig(model="qwenlong-l1-32b", offline=True)).start()
    assert "vllm serve" in error.value.hint
