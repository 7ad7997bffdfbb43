"""Questions made by a model: what is kept is right, what is dropped is counted, runs go on."""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.synthesis import by_rule, from_reasoner
from app.train import STAGES, run
from compressor.training.data import (
    Corpus,
    Question,
    Sampler,
    held_back,
    load,
    put_aside,
    widened,
)
from compressor.training.joins import Pair, join, joined_text, name_of, names_in, pairs
from compressor.training.passages import Piece, Pool, passage, source_of, unit_at, usable
from compressor.training.replies import (
    GIVEN_AWAY,
    KNOWN,
    MALFORMED,
    NO_QUESTION,
    NOT_IN_EVIDENCE,
    OF_THE_PASSAGE,
    OTHER_ANSWER,
    TOO_LONG,
    parsed,
    place,
    same,
)
from compressor.training.runs import made_corpus
from compressor.training.synthesis import (
    DOCS,
    JOURNAL,
    NOT_DESCRIBED,
    QUESTIONS,
    Journal,
    Maker,
    Outcome,
    Settings,
    synthesise,
)
from documents.errors import DataError, ReasonerError, SettingsError
from policy import Reasoner, ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import chat_server, delta, says, usage

CONFIG = Path(STAGES["critic-synthesis"][2])
SETTINGS = Settings(
    sources={"squad": 1.0},
    sentences=40,
    pairs=12,
    passage_characters=300,
    most_answer_words=6,
    closed_book=True,
    noise_characters=400,
    at_once=1,
    seed=1,
)
TEXT = "Halden lies on a hill. The river of Halden is called Elm Water. Its market is on Mondays."
FACT = "The river of Halden is called Elm Water."
PIECE = Piece("squad:Halden", TEXT.index(FACT), TEXT.index(FACT) + len(FACT))
TABLE = "What was paid.\nItem | 2019 | 2018\nRent of offices | 120 | 110\nWages | 3,400 | 3,150\n"
GOOD = {"question": "What is the river of Halden called?", "answer": "elm water"}


def quiet(line: str) -> None:
    """Say nothing."""


def model(made: Any = GOOD, back: str = "Elm Water.", alone: str = "unknown") -> Any:
    """A ``generate`` with one reply to each kind of prompt."""

    def generate(prompt: str) -> str:
        if "JSON:" in prompt:
            return made if isinstance(made, str) else json.dumps(made)
        return back if prompt.startswith("Passage:") else alone

    return generate


def outcome(generate: Callable[[str], str], **changed: Any) -> Outcome:
    pool = Pool({PIECE.doc: TEXT}, {"squad": [PIECE.doc]})
    return Maker(pool, generate, replace(SETTINGS, **changed)).of_sentence(PIECE)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Towns with their rivers, and rivers with their lengths; half the evidence an answer alone."""
    found = load(made_corpus(tmp_path_factory.mktemp("made")))
    for n in range(60):
        text = f"Few boats go there. Elm {n} is {40 + n} km long. It has no bridge at all."
        found.texts[f"squad:Elm {n}"] = text
        at = text.index(f"{40 + n} km")
        spans = ((at, at + 5),)
        asked = Question(
            "squad", f"squad:Elm {n}", f"How long is Elm {n}?", (text[at : at + 5],), spans
        )
        found.questions["squad"].append(asked)
    return found


def test_a_kept_question_has_the_drawn_sentence_for_evidence() -> None:
    made = outcome(model()).question
    assert made is not None
    assert made.source == "synthetic" and made.doc == PIECE.doc
    assert [TEXT[a:b] for a, b in made.spans] == [FACT]
    assert made.answers == ("Elm Water",)  # as it stands in the text, whatever the reply's case
    assert widened(made, TEXT) == list(made.spans)


@pytest.mark.parametrize(
    ("generate", "why"),
    [
        (model("I cannot do that."), MALFORMED),
        (model('{"question": "What'), MALFORMED),
        (model({"question": "What is it called?"}), MALFORMED),
        (model({"question": "What is it called?", "answer": None}), MALFORMED),
        (model({"question": "What is it called?", "answer": " - "}), MALFORMED),
        (model({**GOOD, "answer": "Mondays"}), NOT_IN_EVIDENCE),
        (model({**GOOD, "answer": FACT}), TOO_LONG),
        (model({**GOOD, "question": "Is Elm Water at Halden?"}), GIVEN_AWAY),
        (model({**GOOD, "question": "Which river does the passage name?"}), OF_THE_PASSAGE),
        (model({**GOOD, "question": "The river of Halden is long."}), NO_QUESTION),
        (model(back="Oak Water of the far north"), OTHER_ANSWER),
        (model(back="not stated"), OTHER_ANSWER),
        (model(alone="It is the Elm Water"), KNOWN),
    ],
)
def test_what_is_dropped_says_why(generate: Callable[[str], str], why: str) -> None:
    made = outcome(generate, most_answer_words=5)
    assert (made.question, made.dropped) == (None, why)


def test_what_is_known_without_the_text_may_be_kept() -> None:
    def generate(prompt: str) -> str:
        assert not prompt.startswith("Question:"), "asked without the passage"
        return model()(prompt)

    assert outcome(generate, closed_book=False).question is not None


def test_json_is_found_in_what_stands_around_it() -> None:
    reply = 'Here:\n```json\n{"question": "How\\n many?", "answer": 12}\n```\nDone {x}.'
    assert parsed(reply, "question", "answer") == ("How many?", "12")
    assert parsed('{"question": "x", "answer": true}', "question", "answer") is None


def test_answers_are_the_same_by_their_words() -> None:
    assert same("The 3,400.", ["3400"])
    assert same("It is called Elm Water", ["Elm Water"])
    assert not same("1.5", ["15"])
    assert not same("Oak Water by the sea", ["Elm Water"])
    assert not same("", [""])
    assert place("elm water", "at Elm\nWater.") == (3, 12)
    assert place("Elm", "Elmwood") is None


def test_rows_are_asked_about_whole_and_shown_with_their_head() -> None:
    at = TABLE.index("3,400")
    row = unit_at(TABLE, at)
    assert row is not None and TABLE[slice(*row)] == "Wages | 3,400 | 3,150"
    assert TABLE[slice(*passage(TABLE, row, 30))].startswith("Item | 2019")
    assert unit_at(TABLE, TABLE.index("Item")) is not None  # years are figures
    assert unit_at("A mere heading of five words\nText.", 3) is None


def test_a_passage_is_whole_sentences_around_its_own() -> None:
    text = " ".join(f"Sentence number {n} says little." for n in range(90))
    unit = unit_at(text, 1500)
    assert unit is not None
    start, end = passage(text, unit, 300)
    assert text[start:end].startswith("Sentence") and text[start:end].endswith("little.")
    assert start < unit[0] and unit[1] < end and end - start <= 300


def test_nothing_held_back_gets_in(corpus: Corpus, tmp_path: Path) -> None:
    seen: list[str] = []

    def generate(prompt: str) -> str:
        seen.append(prompt)
        return by_rule(prompt)

    settings = replace(SETTINGS, sentences=150, pairs=60)
    synthesise(corpus, generate, settings, tmp_path, quiet)
    out = load(tmp_path)
    banned = [doc for doc in corpus.texts if not usable(doc)]
    assert len(banned) > 10
    told = "\n".join([*seen, *out.texts.values()])
    for doc in banned:
        own = [each for each in corpus.texts[doc].split(". ") if re.search(r"\d", each)]
        assert own and not any(re.search(rf"\b{re.escape(each)}\b", told) for each in own)
    for doc in out.texts:
        assert not held_back(doc) and not put_aside(doc)
    assert any(doc.startswith("synthetic:") for doc in out.texts)


def test_a_joined_name_is_on_the_side_that_is_trained_on() -> None:
    first = Question("squad", "squad:a", "Which river is at Town 1?", ("Elm 1",), ((0, 5),))
    names = [
        name_of(Pair(first, replace(first, doc=f"squad:{n}", text="How long is Elm 1?"), "Elm 1"))
        for n in range(200)
    ]
    assert all(usable(name) for name in names) and len(set(names)) == 200
    assert any(not name.endswith("-0") for name in names)  # else nothing was shown


def test_two_facts_are_joined_by_a_name(corpus: Corpus, tmp_path: Path) -> None:
    synthesise(corpus, by_rule, replace(SETTINGS, sentences=0, pairs=30), tmp_path, quiet)
    out = load(tmp_path)
    made = out.questions["synthetic"]
    assert len(made) == 30
    between = 0
    for question in made:
        n = int(question.answers[0].split()[0]) - 40
        text = out.texts[question.doc]
        assert question.text == f"How long is the river at Town {n}?"
        facts = [f"Elm {n} is {40 + n} km long.", f"The river of Town {n} is called Elm {n}."]
        assert sorted(text[a:b] for a, b in question.spans) == facts
        for doc in (f"squad:Town {n}", f"squad:Elm {n}"):
            assert corpus.texts[doc] in text
        rest = text.replace(corpus.texts[f"squad:Elm {n}"], "")
        assert f"Elm {n}." not in rest.replace(facts[1], "")  # no distractor names it
        between += len(text) > 200
    assert 5 < between < 30
    assert len({out.texts[question.doc].startswith("Town") for question in made}) == 2


@given(
    before=st.text("ab \n", max_size=40),
    after=st.text("ab \n", max_size=40),
    noise=st.integers(0, 3000),
    seed=st.integers(0, 99),
)
def test_spans_move_with_their_documents(before: str, after: str, noise: int, seed: int) -> None:
    facts = "The river of Town is called Elm Water.", "Elm Water is 9 km long."
    texts = {
        "squad:one": before + facts[0] + after,
        "squad:two": after + facts[1] + before,
        **{f"squad:{n}": f"Here stands little of matter {n}. " * (n + 1) for n in range(5)},
    }
    evidence = tuple(
        [(at, at + len(fact)), (at, at + 3)]
        for doc, fact in zip(("squad:one", "squad:two"), facts, strict=True)
        if (at := texts[doc].index(fact)) >= 0
    )
    first = Question("squad", "squad:one", "Which river is at Town?", ("Elm Water",), ((0, 1),))
    second = Question("squad", "squad:two", "How long is Elm Water?", ("9 km",), ((0, 1),))
    pool = Pool(texts, {"squad": list(texts)})
    found = join(Pair(first, second, "Elm Water"), evidence, pool, noise, seed)  # type: ignore[arg-type]
    text = joined_text(found.parts, texts)
    wanted = Counter([*facts, facts[0][:3], facts[1][:3]])
    assert Counter(text[a:b] for a, b in found.spans) == wanted
    assert {found.parts[0].doc, found.parts[-1].doc} == {"squad:one", "squad:two"}
    drawn = sum(part.end - part.start for part in found.parts[1:-1])
    assert drawn <= noise
    assert all(texts[p.doc][p.start : p.end] in text for p in found.parts)


def test_names_are_whole() -> None:
    assert "Denver" in set(names_in("Who founded Denver in Colorado?"))
    assert "Denver" not in set(names_in("Who owns the Denver Broncos?"))
    assert "Denver" not in set(names_in("Who leads the University of Denver?"))
    assert "Denver" in set(names_in("Where is Denver's zoo?"))
    assert "Town 1" not in set(names_in("Is Town 1.5 here?"))
    assert "Smith" not in set(names_in("Who is Anna Smith-Jones?"))
    assert "Town 12" in set(names_in("Where is Town 12?"))
    assert not {"Town 1", "Town"} & set(names_in("Where is Town 12?"))


def test_only_two_facts_make_a_pair() -> None:
    text = f"{FACT} Elm Water is 9 km long."
    at = text.index("Elm Water is")
    river = Question("squad", "squad:a", "Which river is at Halden?", ("Elm Water",), ((0, 40),))
    long = Question("squad", "squad:a", "How long is Elm Water?", ("9 km",), ((at, len(text)),))
    texts = {"squad:a": text, "covidqa:b": text}
    assert [p.name for p in pairs([river, long], texts, 1)] == ["Elm Water"]
    assert len(list(pairs([river, long, river, long], texts, 1))) == 1
    apart = replace(long, source="covidqa", doc="covidqa:b")
    assert list(pairs([river, apart], texts, 1)) == []  # another source's name may be another's
    other = replace(long, doc="squad:b")
    texts["squad:b"] = text
    assert len(list(pairs([river, other], texts, 1))) == 1
    short = replace(river, answers=("Elm Water", "Water"))
    assert list(pairs([short, replace(other, text="How long is Water?")], texts, 1)) == []
    same_fact = replace(long, text="Where is Elm Water?", answers=("Halden",), spans=((0, 40),))
    assert list(pairs([river, same_fact], texts, 1)) == []
    unfounded = replace(long, answers=("10 km",))
    assert list(pairs([river, unfounded], texts, 1)) == []


def test_joined_in_one_document_both_spans_stay_where_they_are() -> None:
    doc = "squad:Halden"
    text = f"{FACT} Nothing more of it. Elm Water is 9 km long."
    at = text.index("Elm Water is")
    river = Question("squad", doc, "Which river is at Halden?", ("Elm Water",), ((0, 40),))
    long = Question("squad", doc, "How long is Elm Water?", ("9 km",), ((at, len(text)),))
    pool = Pool({doc: text}, {"squad": [doc]})
    pair = Pair(river, long, "Elm Water")
    asked = {"question": "How long is the river at Halden?"}
    made = Maker(pool, model(asked, back="9 km"), SETTINGS).of_pair(pair)
    assert made.question is not None and made.question.doc == doc and not made.parts
    assert made.question.spans == ((0, 40), (at, len(text)))
    assert made.question.answers == ("9 km",)
    for worded, back, why in [
        ("How long is it?", "9 km", NOT_DESCRIBED),
        ("How long is the river Elm Water at Halden?", "9 km", NOT_DESCRIBED),
        ("How is the river at Halden 9 km long?", "9 km", GIVEN_AWAY),
        ("How long is the river at Halden?", "Elm Water", OTHER_ANSWER),
    ]:
        generate = model({"question": worded}, back=back)
        dropped = Maker(pool, generate, SETTINGS).of_pair(pair)
        assert (dropped.question, dropped.dropped) == (None, why)


def rows(out: Path) -> tuple[str, str, list[str]]:
    """What a run wrote."""
    texts = [gzip.decompress((out / name).read_bytes()).decode() for name in (DOCS, QUESTIONS)]
    return texts[0], texts[1], (out / JOURNAL).read_text().splitlines()


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_killed_run_goes_on_to_the_same_rows(
    corpus: Corpus, tmp_path: Path, at_once: int
) -> None:
    settings = replace(SETTINGS, at_once=at_once)
    whole = rows(synthesise(corpus, by_rule, SETTINGS, tmp_path / "whole", quiet))
    assert sum("question" in line for line in whole[2]) > 15
    out, calls = tmp_path / "broken", 0

    def dying(prompt: str) -> str:
        nonlocal calls
        calls += 1
        if calls % 25 == 0:
            raise ReasonerError("The server is gone.")
        return by_rule(prompt)

    kills = 0
    while True:
        try:
            synthesise(corpus, dying, settings, out, quiet)
            break
        except ReasonerError:
            kills += 1
            load(out)  # what there is can be used
            with (out / JOURNAL).open("a") as half:
                half.write('{"kind": "sentence", "ke')
    assert kills >= 2
    assert rows(out) == whole
    calls = 0
    synthesise(corpus, dying, settings, out, quiet)
    assert calls == 0 and rows(out) == whole  # nothing is asked twice


def test_dropped_questions_are_reported_by_reason(corpus: Corpus, tmp_path: Path) -> None:
    said: list[str] = []
    synthesise(corpus, by_rule, replace(SETTINGS, pairs=0), tmp_path, said.append)
    lines = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()[1:]]
    counts = Counter(line["dropped"] for line in lines if "dropped" in line)
    kept = sum("question" in line for line in lines)
    assert kept and counts[MALFORMED] and kept + sum(counts.values()) == 40
    assert f"{kept} questions of 40 sentences" in said
    assert f"dropped, {MALFORMED}: {counts[MALFORMED]}" in said


def test_other_settings_do_not_go_on(corpus: Corpus, tmp_path: Path) -> None:
    synthesise(corpus, by_rule, replace(SETTINGS, sentences=3, pairs=0), tmp_path, quiet)
    with pytest.raises(SettingsError, match="other settings"):
        synthesise(corpus, by_rule, replace(SETTINGS, seed=2), tmp_path, quiet)
    synthesise(corpus, by_rule, replace(SETTINGS, sentences=5, pairs=0), tmp_path, quiet)
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 6
    with pytest.raises(DataError, match="may be trained on"):
        synthesise(corpus, by_rule, replace(SETTINGS, sources={"cuad": 1.0}), tmp_path, quiet)
    with pytest.raises(SettingsError, match="share"):
        replace(SETTINGS, sources={})


def test_a_small_corpus_runs_out(tmp_path: Path) -> None:
    small = Corpus({PIECE.doc: TEXT})
    assert usable(PIECE.doc)
    synthesise(small, model(), SETTINGS, tmp_path, quiet)
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 1 + 3


def test_training_draws_made_questions_as_they_are(corpus: Corpus, tmp_path: Path) -> None:
    synthesise(corpus, by_rule, replace(SETTINGS, sentences=100), tmp_path, quiet)
    sampler = Sampler(load(tmp_path), {"synthetic": 1.0}, 0.6)
    examples = sampler.examples(random.Random(3), 700, 100)
    marked = [example.text[a:b] for example in examples for a, b in example.gold]
    assert len(marked) > 40
    whole = re.compile(r"Elm \d+ is \d+ km long\.|The river of Town \d+ is called Elm \d+\.")
    assert all(whole.fullmatch(text) for text in marked)
    assert {example.asked[0].granularity for example in examples} == {"sentence"}


def test_rows_are_asked_for_as_rows() -> None:
    at = TABLE.index("Wages")
    spans = ((at, at + len("Wages | 3,400 | 3,150")),)
    asked = Question("synthetic", "tatqa:x2", "What were wages in 2019?", ("3,400",), spans)
    assert usable(asked.doc) and source_of(asked.doc) == "tatqa"
    found = Sampler(Corpus({asked.doc: TABLE}, {"synthetic": [asked]}), {"synthetic": 1.0}, 1.0)
    example = found.examples(random.Random(1), 400, 1)[0]
    assert example.asked[0].granularity == "row"
    assert [example.text[a:b] for a, b in example.gold] == ["Wages | 3,400 | 3,150"]


def test_the_stage_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run("critic-synthesis", CONFIG, smoke=True)
    said = capsys.readouterr()
    made = load(Path(said.out.strip()))
    joined = [q for q in made.questions["synthetic"] if q.doc.startswith("synthetic:")]
    assert joined and len(made.questions["synthetic"]) > len(joined)
    assert f"dropped, {MALFORMED}" in said.err
    for question in made.questions["synthetic"]:
        assert all(made.texts[question.doc][a:b].endswith(".") for a, b in question.spans)


def test_the_reasoner_answers_without_its_reasoning() -> None:
    events = delta(reasoning_content="Let me see."), delta(content="Elm "), delta(content="Water")
    with chat_server() as server:
        server.replies = [says(*events, delta("stop"), usage(7, 3))]
        config = ReasonerConfig(url=server.url, tokenizer="smollm2-135m")
        assert from_reasoner(Reasoner(config))("Which river?") == "Elm Water"
        asked = server.asked[0][1]
    assert asked["messages"] == [{"role": "user", "content": "Which river?"}]


def test_a_line_separator_inside_an_answer_ends_no_line(tmp_path: Path) -> None:
    made = Question("synthetic", "squad:a", "Who?", ("Ann\u2028Lee",), ((0, 7),))
    Journal.at(tmp_path / JOURNAL, {}).append(Outcome("sentence", "0 7 squad:a", made))
    (outcome,) = Journal.at(tmp_path / JOURNAL, {}).outcomes
    assert outcome.question == made
