"""The client at a server's URL: what it sends, what it makes of streams, and its errors."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import (
    CONTEXT,
    ChatServer,
    chat_server,
    delta,
    fails,
    is_silent,
    says,
    says_text,
    usage,
)

from documents.errors import (
    Cancelled,
    ContextOverflowError,
    LongdocError,
    ReasonerError,
    SettingsError,
)
from policy import Delta, Reasoner, ReasonerConfig, Usage
from policy import endpoint as endpoints
from policy.faults import (
    BrokenAnswerError,
    NoConnectionError,
    NoSuchModelError,
    NotAllowedError,
    ThoughtCutError,
)

KEY = "sk-very-secret-123"
ASK = [{"role": "user", "content": "What were total net sales?"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setattr(endpoints, "RETRY_S", 0.01)
    with chat_server() as running:
        yield running


def reasoner(server: ChatServer, **settings: Any) -> Reasoner:
    return Reasoner(ReasonerConfig(url=server.url, api_key=KEY, **settings))


def heard(server: ChatServer, **settings: Any) -> tuple[str, str, Usage]:
    """Reasoning, answer and usage of one question."""
    pieces = list(reasoner(server, **settings).stream(ASK))
    told = pieces.pop()
    assert isinstance(told, Usage)
    deltas = [piece for piece in pieces if isinstance(piece, Delta)]
    texts = {k: "".join(d.text for d in deltas if d.kind == k) for k in ("reasoning", "answer")}
    return texts["reasoning"], texts["answer"], told


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_in_a_field_of_its_own(server: ChatServer, field: str) -> None:
    thought = [delta(**{field: text}) for text in ("It is ", "5.")]
    server.replies = [says(*thought, delta(content="Five [1]."), delta("stop"), usage(7, 3))]
    reasoning, answer, told = heard(server, thinks=True)
    assert (reasoning, answer) == ("It is 5.", "Five [1].")
    assert (told.prompt_tokens, told.completion_tokens, told.finish_reason) == (7, 3, "stop")
    assert told.first_token_s is not None


def test_reasoning_in_the_text(server: ChatServer) -> None:
    server.replies = [says_text("<th", "ink>It is 5.</thi", "nk>\n\nFive [1].")]
    assert heard(server)[:2] == ("It is 5.", "Five [1].")


def test_reasoning_that_the_template_opened(server: ChatServer) -> None:
    server.replies = [says_text("It is 5.</think>", "Five [1].")] * 2
    assert heard(server, thinks=True)[:2] == ("It is 5.", "Five [1].")
    server.models = [{"id": "QwenLong-L1-32B", "max_model_len": CONTEXT}]
    assert heard(server)[:2] == ("It is 5.", "Five [1].")


THINKER = {"id": "reasoner", "root": "Tongyi-Zhiwen/QwenLong-L1-32B"}


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        (THINKER, {}, 512 + 10_000),
        (THINKER, {"max_thinking_tokens": 99}, 512 + 99),
        (THINKER, {"thinks": False}, 512),
        ({"id": "m"}, {}, 512),
        ({"id": "m"}, {"thinks": True}, 512 + 10_000),
    ],
)
def test_a_model_that_thinks_has_tokens_for_it_beside_its_answer(
    server: ChatServer, model: dict[str, Any], asked: dict[str, Any], sent: int
) -> None:
    server.models = [{**model, "max_model_len": 131_072}]
    server.replies = [says_text("It is 5.</think>", "Five [1].")]
    heard(server, **asked)
    assert server.asked[0][1]["max_tokens"] == sent


def test_thinking_has_at_most_half_of_the_context(server: ChatServer) -> None:
    server.models = [{**THINKER, "max_model_len": CONTEXT}]
    assert reasoner(server).thinking_tokens == CONTEXT // 2


@pytest.mark.parametrize(
    "thought", [delta(content="It is either 5 or"), delta(reasoning="It is either 5 or")]
)
def test_a_thought_cut_short_is_no_answer(server: ChatServer, thought: dict[str, Any]) -> None:
    server.models = [{**THINKER, "max_model_len": 131_072}]
    server.replies = [says(thought, delta("length"), usage(7, 8_704))]
    with pytest.raises(ThoughtCutError, match="still thinking after 8704 tokens") as error:
        heard(server)
    assert "reasoner.max_thinking_tokens" in error.value.hint


def test_what_is_sent(server: ChatServer) -> None:
    server.replies = [says_text("5")]
    heard(server, temperature=0.7, top_p=0.95, max_answer_tokens=99)
    headers, body = server.asked[0]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["messages"] == ASK
    assert (body["model"], body["stream"], body["max_tokens"]) == ("m", True, 99)
    assert (body["temperature"], body["top_p"]) == (0.7, 0.95)


def test_json_keeps_to_the_schema(server: ChatServer) -> None:
    server.replies = [
        says_text('{"a"', ": 5}"),
        says_text('{"a"', finish="length"),
        says_text("5!"),
    ]
    client = reasoner(server)
    assert client.complete(ASK, SCHEMA) == {"a": 5}
    assert server.asked[0][1]["response_format"]["json_schema"]["schema"] == SCHEMA
    with pytest.raises(ReasonerError, match="cut short"):
        client.complete(ASK, SCHEMA)
    with pytest.raises(ReasonerError, match="no valid JSON"):
        client.complete(ASK, SCHEMA)


@pytest.mark.parametrize("words", [CONTEXT - 100, CONTEXT - 64])
def test_a_long_prompt_leaves_less_for_the_answer(server: ChatServer, words: int) -> None:
    server.replies = [says_text("5")]
    list(reasoner(server).stream([{"role": "user", "content": "w " * words}]))
    assert server.asked[0][1]["max_tokens"] == CONTEXT - words


def test_too_long_a_prompt_is_not_sent(server: ChatServer) -> None:
    with pytest.raises(
        ContextOverflowError, match=r"has 950 tokens: 14 too many .* of 1000"
    ) as error:
        reasoner(server).stream([{"role": "user", "content": "w " * 950}])
    assert "budget" in error.value.hint
    assert not server.asked


def test_a_busy_server_is_asked_again(server: ChatServer) -> None:
    server.list_replies = [fails(503, "loading")]
    server.replies = [fails(503, "busy"), says_text("5")]
    assert heard(server)[1] == "5"
    assert (server.listed, len(server.asked)) == (2, 2)


def test_a_server_that_stays_busy(server: ChatServer) -> None:
    server.replies = [fails(503, "busy")] * 2
    with pytest.raises(ReasonerError, match="answered 503: busy"):
        heard(server, retries=1)


def test_a_server_still_starting_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "RETRY_S", 0.2)
    with chat_server() as server:
        url = server.url
    started = threading.Event()

    def start_late() -> None:
        started.wait()
        with socket.create_server(("127.0.0.1", int(url.split(":")[2][:-3]))) as late:
            connection, _ = late.accept()
            with connection:
                connection.recv(10_000)
                reply = b'{"data": [{"id": "m"}]}'
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(reply), reply)
                )

    thread = threading.Thread(target=start_late)
    thread.start()
    threading.Timer(0.1, started.set).start()
    assert Reasoner(ReasonerConfig(url=url, retries=3)).model == "m"
    thread.join()


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(NoConnectionError, match=url) as error:
        Reasoner(ReasonerConfig(url=url, retries=0)).stream(ASK)
    assert "reasoner.url" in error.value.hint


def test_no_openai_server(server: ChatServer) -> None:
    server.list_replies = [lambda handler: handler.send_json("hello")]
    with pytest.raises(ReasonerError, match="not an OpenAI-compatible server"):
        heard(server)


def test_the_key_is_refused(server: ChatServer) -> None:
    server.list_replies = [fails(401, f"no {KEY}")]
    with pytest.raises(NotAllowedError, match="refuses the key") as error:
        heard(server)
    assert "reasoner.api_key" in error.value.hint
    server.replies = [fails(401, f"Incorrect API key provided: {KEY}")]
    with pytest.raises(NotAllowedError):
        heard(server)


def test_an_unknown_model_names_those_there_are(server: ChatServer) -> None:
    with pytest.raises(NoSuchModelError, match="no model 'x'") as error:
        heard(server, served_model="x")
    assert error.value.hint.endswith("one it serves: m.")
    server.models = [{"id": "a"}, {"id": "b"}]
    with pytest.raises(NoSuchModelError) as error:
        heard(server)
    assert error.value.hint.endswith("one of: a, b.")


def test_a_server_that_changes_its_model_is_asked_anew(server: ChatServer) -> None:
    client = reasoner(server)
    assert client.model == "m"
    server.models = [{"id": "n", "max_model_len": 2000}]
    server.replies = [fails(404, "no model m"), says_text("5")]
    with pytest.raises(NoSuchModelError):
        list(client.stream(ASK))
    list(client.stream(ASK))
    assert (server.asked[1][1]["model"], client.context_tokens) == ("n", 2000)


def test_the_server_says_that_the_prompt_is_too_long(server: ChatServer) -> None:
    words = "This model's maximum context length is 1000 tokens."
    for reply in (fails(400, words), says({"error": {"message": words}})):
        server.replies = [reply]
        with pytest.raises(ContextOverflowError, match="maximum context length"):
            heard(server)


def test_an_error_within_the_stream(server: ChatServer) -> None:
    server.replies = [says(delta(content="Fi"), {"error": {"message": "CUDA out of memory"}})]
    with pytest.raises(ReasonerError, match="broke off: CUDA out of memory"):
        heard(server)


@pytest.mark.parametrize("begun", [(), (delta(content="Fi"),)])
def test_a_server_that_is_too_slow(server: ChatServer, begun: tuple[dict[str, Any], ...]) -> None:
    server.replies = [is_silent(*begun)]
    with pytest.raises(ReasonerError, match="did not answer in time") as error:
        heard(server, read_timeout_s=0.2, retries=0)
    assert "reasoner.read_timeout_s" in error.value.hint


def test_a_server_that_dies_in_mid_answer(server: ChatServer) -> None:
    server.replies = [says(delta(content="Fi"), end=False)]
    with pytest.raises(BrokenAnswerError, match="broke in mid-answer"):
        heard(server)


@pytest.mark.parametrize("when", ["list", "prefill", "answer"])
def test_a_stop_is_heeded_while_the_server_is_silent(server: ChatServer, when: str) -> None:
    silent = is_silent(delta(content="Fi")) if when == "answer" else is_silent()
    (server.list_replies if when == "list" else server.replies).append(silent)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        list(reasoner(server).stream(ASK, cancelled=stop.is_set))
    assert time.monotonic() - begin < 2
    if when != "list":
        assert server.hung_up.wait(10), "the server is told, so that it stops working"


def test_a_stream_that_is_given_up_ends_the_request(server: ChatServer) -> None:
    server.replies = [is_silent(delta(content="Fi"))]
    pieces = reasoner(server).stream(ASK)
    assert next(pieces) == Delta("answer", "Fi")
    pieces.close()
    assert server.hung_up.wait(10)


def test_keys_are_never_shown(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.replies = [fails(500, f"I know {KEY}")]
    client = reasoner(server, retries=0)
    with pytest.raises(LongdocError) as error:
        list(client.stream(ASK))
    shown = [str(error.value), error.value.hint, repr(client.config), repr(client.start())]
    assert not any(KEY in text for text in [*shown, caplog.text])
    with pytest.raises(SettingsError) as refused:
        ReasonerConfig(url="http://me:hunter2@127.0.0.1:8000/v1")
    assert "hunter2" not in str(refused.value)
