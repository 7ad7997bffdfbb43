"""LLMLingua's texts aligned back to the document; its environment missing, broken, there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents import Block, Document, Evidence
from documents.errors import Cancelled, ModelError, SettingsError
from documents.progress import never_cancelled
from evals import llmlingua
from evals.llmlingua import LlmLingua, Worker, aligned, located, paragraphs, shortened
from evals.methods import Method, Methods
from evals.runner import Limit, Plan, Runner
from evals.samples import Gold, Outcome, Sample, Scores, Setup, find_all, text_document
from policy import Reasoner, ReasonerConfig

TEXT = "Net sales were $ 36,413 in the quarter.\n\nCosts rose; net sales fell to 9.5 %."
REASONER = Reasoner(ReasonerConfig(model="smollm2-135m"))


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in llmlingua._words(text)]


def locate(text: str, kept: str) -> tuple[list[str], float]:
    """The texts of the spans, in the document's order."""
    document = text_document("d", text)
    places = [document.span(0, len(text))]
    spans, share = located([([0], kept)], len(kept), places, {document.id: document})
    return [document.slice(span) for span in spans], share


@given(st.text(alphabet="ab1.,$ é\n", max_size=80), st.data())
def test_any_subsequence_of_words_is_found(text: str, data: st.DataObject) -> None:
    source = words(text)
    flags = data.draw(st.lists(st.booleans(), min_size=len(source), max_size=len(source)))
    kept = [word for word, flag in zip(source, flags, strict=True) if flag]
    found = aligned(kept, source)
    assert [source[place] for place in found] == kept
    assert found == sorted(set(found))
    slices, share = locate(text, " ".join(kept))
    assert [word for piece in slices for word in words(piece)] == kept
    assert share == (1 if kept else 0)


def test_a_word_cut_in_two_is_not_found_and_costs_no_other() -> None:
    assert locate(TEXT, "sales 36,4 quarter costs net sales 9.5") == (
        ["sales", "quarter", "net sales", "9.5"],
        5 / 7,
    )


def test_pieces_stand_in_their_paragraphs_and_what_was_cut_off_counts_for_nothing() -> None:
    document = text_document("d", TEXT)
    places = [document.span(start, end) for start, end in ((0, 39), (41, len(TEXT)))]
    text = "net sales fell\n\nsales 36,413"
    pieces = [([1], "net sales fell"), ([0], "sales 36,413")]
    spans, share = located(pieces, len(text) - len(" 36,413"), places, {document.id: document})
    assert [document.slice(span) for span in spans] == ["net sales fell", "sales"]
    assert spans[1].start == TEXT.index("sales")
    assert share == 1


def test_paragraphs_hold_every_word_but_furniture() -> None:
    text = "\n".join(["one " * 60, "two " * 30, "Page 7", "three " * 20, "four " * 150, "five"])
    starts = [text.index(name) for name in ("one", "two", "Page", "three", "four", "five")]
    ends = [*(start - 1 for start in starts[1:]), len(text)]
    blocks = tuple(
        Block("furniture" if text[a] == "P" else "paragraph", a, b, 0)
        for a, b in zip(starts, ends, strict=True)
    )
    document = Document("d", "d", text, (), blocks)
    made = [text[a:b].split() for a, b in paragraphs(document)]
    assert made == [
        ["one"] * 60 + ["two"] * 30, ["three"] * 20, ["four"] * 150, ["five"]
    ]  # fmt: skip


def test_a_text_is_cut_to_its_budget_at_a_word() -> None:
    def count(text: str) -> int:
        return len(text.split())

    assert shortened("a bb  ccc", 2, count) == "a bb"
    assert shortened("a bb  ccc", 3, count) == "a bb  ccc"
    assert shortened("a bb", 0, count) == ""


def test_without_its_environment_the_command_that_makes_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(llmlingua.PYTHON_VARIABLE, str(tmp_path / "python"))
    with pytest.raises(SettingsError, match="is not there") as caught:
        Methods.longllmlingua(Methods.__new__(Methods))
    assert "sh scripts/llmlingua.sh" in caught.value.hint


def test_without_the_weights_of_the_second_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(llmlingua.MODEL_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match="weights are not here") as caught:
        Methods.llmlingua2(Methods.__new__(Methods))
    assert llmlingua.MODEL_VARIABLE in caught.value.hint


def test_a_process_that_cannot_work_is_an_error_with_its_last_words() -> None:
    worker = Worker(Path(sys.executable))  # an environment without llmlingua
    with pytest.raises(ModelError, match="No module named"):
        worker.ask({"method": "longllmlingua"}, never_cancelled)


def test_a_stop_ends_the_process() -> None:
    worker = Worker(Path(sys.executable))
    with pytest.raises(Cancelled):
        worker.ask({"paragraphs": ["long " * 100_000]}, lambda: True)
    assert worker._process is None


class Report:
    """A task with one sample: one figure among many lines."""

    name = "report"
    source = "made here"

    def samples(self, setup: Setup) -> list[Sample]:
        text = "\n\n".join(
            f"In week {n} the {name} warehouse at Torvik shipped {n * 317} crates of herring to "
            "customers abroad, and the yard was swept."
            for n in range(1, 12)
            for name in ("northern", "southern")
        )
        document = text_document("log", text)
        gold = Gold(("1585",), find_all(document, "1585"))
        question = "How many crates did the warehouse ship in week 5?"
        return [Sample("s", self.name, question, (document,), gold)]

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        return {}


def test_what_compresses_is_given_the_budget_and_recorded(tmp_path: Path) -> None:
    from app.results import read_records

    def compress(sample: Sample, budget: int, _cancelled: object) -> llmlingua.Compressed:
        (span, *_) = sample.gold.spans
        return llmlingua.Compressed(f"crates {budget}", (Evidence(span, 1.0),), {"aligned": 0.5})

    path = tmp_path / "records.jsonl"
    method = Method("own", lambda _sample, _cancelled: (), compress=compress)
    limits = [Limit(70), Limit(threshold=0.5)]
    setup = Setup(tmp_path, lambda path: text_document(path.name, ""), REASONER.count)
    Runner(path, REASONER, resume=False).run(Report(), setup, Plan([method], limits, answer=False))
    told, refused = read_records(path)
    assert told.scores["aligned"] == 0.5
    assert told.context_tokens == REASONER.count("crates 70")
    assert len(told.evidence) == 1
    assert "knows no thresholds" in refused.error


@pytest.mark.model
def test_the_real_one_compresses() -> None:
    try:
        python = llmlingua.environment()
    except SettingsError as error:
        pytest.skip(error.message)
    method = LlmLingua("longllmlingua", python, llmlingua.causal_model, REASONER.count)
    try:
        (sample,) = Report().samples(Setup(Path(), lambda _: text_document("", ""), len))
        made = method.compress(sample, 250, never_cancelled)
        assert 0 < REASONER.count(made.text) <= 250
        assert made.scores["aligned"] > 0.5
        assert made.evidence
        nothing = Sample("e", "report", "?", (text_document("empty", ""),), Gold())
        assert method.compress(nothing, 250, never_cancelled).text == ""
    finally:
        method.close()
