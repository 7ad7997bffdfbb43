"""Everything is read in turns: chunks cover the text, memory stays bounded and stands on spans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from agent import Deps, chunks, notebook
from agent.context import render
from agent.graph import reached
from agent.memory import MemoryState, build_memory_graph, lines_of, sizes
from agent.notebook import Line
from agent.reading import parsed
from documents import Document, DocumentStore, Evidence, Span
from documents.errors import Cancelled, QuestionError, ReasonerError
from documents.progress import no_progress
from policy import Delta, ReasonerConfig, Usage

SOLD = "We sold Fjordline Ferries to Nordvik Holding for 84 million pounds."
TUGS = "In October we sold Sable Towage to Atlantic Tugs for 37 million pounds."
FILLER = "The fleet counted {} ships, which were painted and put to sea again after repairs."
QUESTION = "Which businesses were sold in 2023, and for how much?"


def words(text: str) -> int:
    """A tokenizer that can be checked by hand."""
    return len(text.split())


def _report() -> str:
    filler = [" ".join(FILLER.format(100 * part + n) for n in range(5)) for part in range(4)]
    return (
        f"# Halden Marine plc: annual report 2023\n\n## Letter\n\n{SOLD} {filler[0]}\n\n"
        f"## Fleet\n\n{filler[1]}\n\n## Results (million pounds)\n\n| Item | 2023 | 2022 |\n"
        f"|---|---|---|\n| Revenue | 4,812 | 4,511 |\n| Fuel | 611 | 651 |\n\n"
        f"## Ports\n\n{filler[2]} {TUGS}\n\n## Outlook\n\n{filler[3]}\n"
    )


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    folder: Path = tmp_path_factory.mktemp("memory")
    store = DocumentStore(folder / "home")
    long = "word " * 150 + "end"  # a sentence longer than any chunk
    script = "東京の本社は千代田区にある" * 20  # and one without a space in it
    texts = {"report.md": _report(), "other.md": f"# Other\n\n{long}\n\n{script}\n\n- Short.\n"}
    found = {}
    for name, text in texts.items():
        (folder / name).write_text(text)
        document = store.ingest(folder / name)
        found[document.id] = document
    return found


@pytest.fixture(scope="module")
def report(documents: dict[str, Document]) -> dict[str, Document]:
    return dict(list(documents.items())[:1])


@dataclass
class Reader:
    """A reasoner that replies as told; ``asked`` keeps the prompts, None breaks off."""

    replies: list[str | None]
    asked: list[str] = field(default_factory=list)
    config: ReasonerConfig = field(default_factory=ReasonerConfig)

    def count(self, text: str) -> int:
        return words(text)

    def stream(self, messages: Sequence[Any], **options: Any) -> Iterator[Delta | Usage]:
        self.asked.append(messages[0]["content"])
        reply = self.replies.pop(0)
        if reply is None:
            raise ReasonerError("Gone.", "Start it again.")
        yield Delta("answer", reply)
        yield Usage(100, 10, 0.1, "stop")


@dataclass(frozen=True)
class Ranked:
    """A strategy that ranks sentences as told: those that hold ``key``, by its score."""

    scores: dict[str, float]
    calibrated: bool = False

    def rank(self, request: Any, documents: Sequence[Document], *_: Any) -> tuple[Evidence, ...]:
        found = []
        for document in documents:
            for unit in chunks.units(document, "sentence"):
                text = document.text[unit.start : unit.end]
                best = max((v for key, v in self.scores.items() if key in text), default=0.0)
                if best:
                    found.append(Evidence(document.span(unit.start, unit.end), best))
        return tuple(sorted(found, key=lambda e: -e.score))


class Texts(dict[str, str]):
    """Notes in memory."""

    def put(self, text: str) -> str:
        key = f"k{hash(text)}"
        self[key] = text
        return key

    def get(self, key: str) -> str:  # type: ignore[override]  # no default: a missing text is a bug
        return self[key]


@dataclass
class Run:
    """A run of the graph over documents, by a scripted reader."""

    documents: dict[str, Document]
    reader: Reader
    scores: dict[str, float] = field(default_factory=dict)
    chunk_tokens: int = 120
    memory_tokens: int = 120
    budget: int = 400
    notes: Texts = field(default_factory=Texts)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cancelled: bool = False

    def __post_init__(self) -> None:
        self.graph = build_memory_graph(InMemorySaver())
        self.deps = Deps(
            documents=self.documents,
            strategies={"cprs": cast(Any, Ranked(self.scores))},
            reasoner=lambda: cast(Any, self.reader),
            notes=self.notes,
            emit=lambda kind, data: self.events.append((kind, data)),
            progress=no_progress,
            cancelled=lambda: self.cancelled,
        )

    def begin(self) -> MemoryState:
        return {
            "question": self.notes.put(QUESTION),
            "strategy": "cprs",
            "budget": self.budget,
            "documents": list(self.documents),
            "chunk_tokens": self.chunk_tokens,
            "memory_tokens": self.memory_tokens,
        }

    def go(self, begin: MemoryState | None) -> MemoryState:
        config: Any = {"configurable": {"thread_id": "run"}}
        result = self.graph.invoke(begin, config, context=self.deps, durability="sync")
        return cast(MemoryState, result)

    def states(self) -> Iterator[MemoryState]:
        """The state at each checkpoint, the oldest first."""
        history = list(self.graph.get_state_history({"configurable": {"thread_id": "run"}}))
        return (cast(MemoryState, snapshot.values) for snapshot in reversed(history))

    @property
    def at(self) -> str:
        return reached(self.graph, {"configurable": {"thread_id": "run"}})[0]


def says(*facts: tuple[int, str], forget: Sequence[int] = (), plan: str = "") -> str:
    rows = [{"piece": n, "fact": fact} for n, fact in facts]
    return json.dumps({"facts": rows, "forget": list(forget), "plan": plan})


ANSWER = (
    "Halden sold Fjordline Ferries for 84 million pounds [1]. "
    "It sold Sable Towage for 37 million pounds [2]."
)


def _turns(documents: dict[str, Document], limit: int) -> int:
    return len(chunks.cut(documents, limit, words, lambda: False))


def _replies(documents: dict[str, Document], limit: int) -> list[str | None]:
    """What a good reader says of each chunk: what was sold."""
    cut = chunks.cut(documents, limit, words, lambda: False)
    replies: list[str | None] = []
    for chunk in cut:
        texts = [documents[p.document].slice(p) for p in chunk.pieces]
        facts = [(n, f) for n, t in enumerate(texts, 1) for f in (SOLD, TUGS) if f in t]
        replies.append(says(*facts, plan="Look for other businesses that were sold."))
    return replies


def _letters(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=40)
@given(limit=st.integers(40, 400), first=st.booleans())
def test_chunks_cover_the_text_in_order(
    documents: dict[str, Document], limit: int, first: bool
) -> None:
    chosen = dict(list(documents.items())[: 1 if first else 2])
    cut = chunks.cut(chosen, limit, words, lambda: False)
    pieces = [piece for chunk in cut for piece in chunk.pieces]
    for document in chosen.values():
        own = [piece for piece in pieces if piece.document == document.id]
        assert own == sorted(own)
        assert all(a.end <= b.start for a, b in pairwise(own))
        read = "".join(document.slice(piece) for piece in own)
        blocks = [b for b in document.blocks if b.kind != "furniture"]
        assert _letters(read) == _letters("".join(document.text[b.start : b.end] for b in blocks))
    assert [p.document for p in pieces] == sorted(
        (p.document for p in pieces), key=list(chosen).index
    )
    for chunk in cut:
        assert words(render(chunk.evidence, chosen)) <= limit
        assert chunks.unpacked(chunks.packed(chunk)) == chunk


def test_a_long_text_without_spaces_is_cut_by_its_own_length(
    documents: dict[str, Document],
) -> None:
    other = dict(list(documents.items())[1:])
    cut = chunks.cut(other, 80, len, lambda: False)  # a token is a character
    assert len(cut) > 8
    assert all(len(render(chunk.evidence, other)) <= 80 for chunk in cut)


FACTS = [SOLD, TUGS, "Revenue was 4,812 in 2023.", "Revenue was 9,999 in 2023.", "Steve Jobs left."]
REPLIES = st.one_of(
    st.sampled_from(["", "no JSON", "[]", '{"facts": 3}', '{"facts": [{"fact": 1}, 2]}']),
    st.builds(
        lambda facts, forget, plan: says(*facts, forget=forget, plan=plan),
        st.lists(st.tuples(st.integers(-1, 9), st.sampled_from(FACTS)), max_size=8),
        st.lists(st.integers(-1, 9), max_size=3),
        st.sampled_from(["", "Look for Steve Jobs.", "Look for sales."]),
    ),
)


@settings(max_examples=25)
@given(data=st.data(), bound=st.integers(0, 90), limit=st.integers(60, 250))
def test_whatever_is_said_memory_is_bounded_and_stands_on_what_was_read(
    documents: dict[str, Document], data: st.DataObject, bound: int, limit: int
) -> None:
    report = dict(list(documents.items())[:1])
    turns = _turns(report, limit)
    replies: list[str | None] = [data.draw(REPLIES) for _ in range(turns)]
    scores = {"sold": 0.9, "Revenue": 0.6, "ships": 0.1}
    run = Run(report, Reader([*replies, ANSWER]), scores, limit, bound)
    state = run.go(run.begin())
    cut = chunks.cut(report, limit, words, lambda: False)
    for at in run.states():
        if "memory" not in at:
            continue
        lines = lines_of(at, run.notes)
        assert words(notebook.listed(lines, report)) <= bound
        read = [piece for chunk in cut[: at["chunk"]] for piece in chunk.pieces]
        for line in lines:
            assert "9,999" not in line.text
            assert "Jobs" not in line.text
            for span in line.spans:
                assert any(p.start <= span.start and span.end <= p.end for p in read)
        assert "Jobs" not in run.notes.get(at["outlook"])
    assert state["chunk"] == turns
    assert len(run.reader.asked) in (turns, turns + 1)  # an answer only where there is evidence
    spent = len(run.reader.asked)
    assert state["usage"] == (100 * spent, 10 * spent)


def test_what_was_noted_is_answered_from_and_opens_on_its_span(report: dict[str, Document]) -> None:
    run = Run(report, Reader([*_replies(report, 120), ANSWER]))
    state = run.go(run.begin())
    (document,) = report.values()
    quotes = [document.text[start:end] for _, start, end, _ in state["evidence"]]
    assert quotes == [SOLD, TUGS]
    assert state["verdict"] == "answered"
    cited = [(n, document.text[a:b], ok) for n, _, a, b, ok, _ in state["citations"]]
    assert (1, SOLD, True) in cited
    last = run.reader.asked[-1]
    assert f"- {SOLD} [1]\n- {TUGS} [2]" in last
    assert "Plan: Look for other businesses that were sold." in run.reader.asked[1]
    assert f"1. {SOLD}" in run.reader.asked[-2]
    kinds = [kind for kind, _ in run.events]
    turns = _turns(report, 120)
    assert kinds[:turns] == ["read"] * turns
    assert [data["chunk"] for kind, data in run.events if kind == "read"] == list(
        range(1, turns + 1)
    )


@pytest.mark.parametrize("broken", [0, 2, "last"])
def test_a_run_that_breaks_off_goes_on_in_that_chunk(
    report: dict[str, Document], broken: int | str
) -> None:
    good = [*_replies(report, 120), ANSWER]
    whole = Run(report, Reader(list(good)))
    expected = whole.go(whole.begin())
    at = len(good) - 1 if broken == "last" else int(broken)
    run = Run(report, Reader([*good[:at], None, *good[at:]]))
    with pytest.raises(ReasonerError):
        run.go(run.begin())
    assert run.at == ("reason" if broken == "last" else "read")
    state = run.go(None)
    assert len(run.reader.asked) == len(good) + 1  # the call that failed is the only one repeated
    assert run.reader.asked[at + 1] == run.reader.asked[at]
    lasting = ("evidence", "citations", "answer", "memory", "usage", "verdict")
    for key in lasting:  # through JSON: a resumed state has lists for tuples
        assert json.dumps(state[key]) == json.dumps(expected[key])  # type: ignore[literal-required]


def test_a_reply_once_given_is_not_asked_for_again(report: dict[str, Document]) -> None:
    good = [*_replies(report, 120), ANSWER]
    run = Run(report, Reader(list(good)))

    def stop(kind: str, data: dict[str, Any]) -> None:
        run.cancelled = kind == "read" and data["chunk"] == 2  # before the node is finished
        if run.cancelled:
            raise Cancelled("Stopped.")

    object.__setattr__(run.deps, "emit", stop)
    with pytest.raises(Cancelled):
        run.go(run.begin())
    run.cancelled = False
    object.__setattr__(run.deps, "emit", lambda kind, data: None)
    assert run.at == "note"
    run.go(None)
    assert len(run.reader.asked) == len(good)


def test_unusable_replies_leave_the_sentences_that_the_critic_holds_strong(
    report: dict[str, Document],
) -> None:
    turns = _turns(report, 120)
    scores = {"Fjordline": 0.8, "Sable": 0.7, "Fuel": 0.5, "painted": 0.3, "Halden": 0.9}
    run = Run(report, Reader([*["no JSON"] * turns, ANSWER.replace("[2]", "[3]")]), scores)
    state = run.go(run.begin())
    lines = lines_of(state, run.notes)
    assert [line.text for line in lines] == [SOLD, "Item | 2023 | 2022: | Fuel | 611 | 651 |", TUGS]
    assert {line.by for line in lines} == {"longdoc"}
    assert all(not data["usable"] for kind, data in run.events if kind == "read")
    assert "Noted while reading" not in run.reader.asked[-1]  # nothing of its own to repeat
    assert state["verdict"] == "answered"


def test_nothing_read_that_matters_is_said_to_be_not_there(report: dict[str, Document]) -> None:
    turns = _turns(report, 120)
    run = Run(report, Reader([says()] * turns))
    state = run.go(run.begin())
    assert state["verdict"] == "not_in_documents"
    assert state["evidence"] == []
    assert len(run.reader.asked) == turns


@pytest.mark.parametrize(
    ("n", "fact", "kept"),
    [
        (1, SOLD, 1),
        (4, SOLD, 1),  # the wrong number: figure, names and words tell where it stands
        (1, SOLD.replace("84", "48"), 0),
        (1, SOLD.replace("Nordvik Holding", "Vinterdal Group"), 0),
        (1, "The text does not mention for how much businesses were sold.", 0),
        (1, f"{SOLD} The price was 99 million pounds.", 1),  # only the sentence that holds
        (1, "The crew was given a medal in the annual report 2023.", 0),  # the title has the year
        (0, "", 0),
    ],
)
def test_a_fact_is_kept_where_it_stands_in_the_chunk(
    report: dict[str, Document], n: int, fact: str, kept: int
) -> None:
    (chunk, *_) = chunks.cut(report, 400, words, lambda: False)
    lines = notebook.held([(n, fact)], chunk, 0, report, QUESTION)
    assert [line.text for line in lines] == [SOLD] * kept
    (document,) = report.values()
    assert all(document.slice(span) == SOLD for line in lines for span in line.spans)


def test_what_memory_holds_is_not_noted_twice(report: dict[str, Document]) -> None:
    good = _replies(report, 120)
    turns = [says((1, SOLD), forget=[1]) for _ in good]  # a small model repeats its memory
    run = Run(report, Reader([*turns, ANSWER]))
    (line,) = lines_of(run.go(run.begin()), run.notes)
    assert (line.text, line.chunk, line.needed) == (SOLD, 0, True)


def test_what_goes_first_when_there_is_no_room(report: dict[str, Document]) -> None:
    (document,) = report.values()

    def line(text: str, score: float, chunk: int, by: Any, needed: bool = True) -> Line:
        return Line(text, (document.span(chunk, chunk + 1),), chunk, score, by, needed)

    lines = [
        line("a one two", 0.9, 0, "longdoc"),
        line("b one two", 0.2, 1, "longdoc"),
        line("c one two", 0.2, 2, "longdoc"),
        line("d one two", 0.0, 3, "reasoner"),
        line("e one two", 0.8, 4, "reasoner", needed=False),
    ]

    def stays(limit: int) -> str:
        return "".join(k.text[0] for k in notebook.bounded(lines, report, limit, words))

    assert [stays(limit) for limit in (20, 19, 15, 11, 7, 3)] == [
        "abcde",
        "abcd",
        "acd",
        "ad",
        "d",
        "",
    ]
    repeated = [(1, "B one  Two [3]")]
    assert [k.needed for k in notebook.without(lines, [1, 2, 9, 0, -1], repeated)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert notebook.unpacked(notebook.packed(lines)) == tuple(lines)


def test_a_stop_is_heeded_between_chunks(report: dict[str, Document]) -> None:
    run = Run(report, Reader([says()] * 9))
    run.cancelled = True
    with pytest.raises(Cancelled):
        run.go(run.begin())
    assert run.reader.asked == []
    with pytest.raises(Cancelled):
        chunks.cut(report, 100, words, lambda: True)


def test_sizes_leave_room_for_both(report: dict[str, Document]) -> None:
    assert sizes(15_000, 2_000, 4_000, 1_024) == (4_000, 1_000)
    assert sizes(15_000, 6_000, 4_000, 1_024) == (4_000, 1_024)
    assert sizes(900, 2_000, 4_000, 1_024) == (600, 300)
    with pytest.raises(QuestionError, match="198 tokens") as caught:
        sizes(297, 2_000, 4_000, 1_024)
    assert "context_tokens" in caught.value.hint


def test_replies_are_read_leniently() -> None:
    assert parsed("{}") is None
    reply = parsed(
        '{"facts": [{"piece": true, "fact": "A."}, {"fact": "B."}, 3], "forget": [1, "2"]}'
    )
    assert reply is not None
    assert reply.facts == ((0, "A."), (0, "B."))
    assert reply.forget == (1,)
    assert reply.plan == ""


def test_the_critics_sentences_go_to_the_chunk_that_they_begin_in(
    report: dict[str, Document],
) -> None:
    (document,) = report.values()
    cut = chunks.cut(report, 120, words, lambda: False)
    edge = cut[0].pieces[-1]
    ranked = [Evidence(Span(document.id, edge.end - 5, edge.end + 40), 0.9)]
    ranked += [Evidence(Span("elsewhere", 0, 5), 0.8)]
    found = chunks.with_best(cut, ranked)
    assert [len(chunk.best) for chunk in found] == [1] + [0] * (len(cut) - 1)
    assert found[0].best[0].span == document.span(edge.end - 5, edge.end)
    assert found[0].score([document.span(edge.end - 1, edge.end)]) == 0.9
    assert found[0].score([document.span(0, 1)]) == 0.0
