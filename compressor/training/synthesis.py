"""Questions made by a model: ``longdoc train critic-synthesis --config
compressor/training/synthesis.toml`` (the stage itself is in ``app/synthesis.py``, as it needs the
reasoner).

Forward synthesis (QwenLong-CPRS, arXiv 2505.18092, section 2.3): sentences and table rows are
drawn from the training documents, and the model writes a question that each answers, with its
answer. Kept is what the model answers alike when it is given question and passage, and, with
``closed_book``, not without the passage. Then questions that have labels, and those just made,
are joined in pairs to questions of two hops (`compressor.training.joins`) and filtered likewise.

Against the paper: it draws one to three fragments of 256 tokens and has the model name the
supporting facts; here the fact is drawn first, and several are joined by a name that is known to
stand in both. Its filter shows the facts alone; here, the passage around each.

Each try is appended to ``synthetic.jsonl``, kept or dropped, so a killed run goes on where it
stopped. ``synthetic_docs.jsonl.gz`` and ``synthetic_questions.jsonl.gz`` are written from it
whenever a run ends, however it ends. They can be read alone, or lie beside the other files of a
data folder; ``synthetic`` is then a source as any other.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from compressor.training.data import SYNTHETIC, Corpus, Question, merged_ranges, usable, widened
from compressor.training.joins import (
    BETWEEN,
    Pair,
    describes,
    join,
    joined_text,
    name_of,
    pairs,
    text_of,
)
from compressor.training.passages import Piece, Pool, passage
from compressor.training.replies import ASK, JOIN, MALFORMED, Filter, Generate, parsed, place
from documents.errors import DataError, SettingsError
from documents.storage import drop_cut_line

Say = Callable[[str], None]
T = TypeVar("T")
JOURNAL = "synthetic.jsonl"
DOCS = "synthetic_docs.jsonl.gz"
QUESTIONS = "synthetic_questions.jsonl.gz"
NOT_DESCRIBED = "the joined question does not describe the name"
EVIDENCE_TOO_LONG = "the evidence is too long"
SAID_EVERY = 20


@dataclass(frozen=True)
class Settings:
    """What ``synthesis.toml`` says of the questions; the file explains each."""

    sources: dict[str, float]
    sentences: int
    pairs: int
    passage_characters: int
    most_answer_words: int
    closed_book: bool
    noise_characters: int
    at_once: int
    seed: int

    def __post_init__(self) -> None:
        if self.at_once < 1 or self.passage_characters < 1 or self.noise_characters < 0:
            raise SettingsError(
                "at_once or passage_characters is below 1, or noise_characters below 0.",
                "Raise it.",
            )
        if not self.sources or min(self.sources.values()) <= 0:
            raise SettingsError("A source has no share.", "Name sources with numbers above 0.")

    def told(self) -> dict[str, Any]:
        """What a run that goes on must have in common with the one before."""
        free = {"sentences", "pairs", "at_once"}
        values = asdict(self)
        return {name: values[name] for name in Settings.__annotations__ if name not in free}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try gave: a question, or why it was dropped. ``parts`` are what a document made for
    the question is joined of."""

    kind: str
    key: str
    question: Question | None = None
    dropped: str = ""
    parts: tuple[Piece, ...] = ()


@dataclass
class Journal:
    """``synthetic.jsonl``: the settings, then the outcomes in order."""

    path: Path
    outcomes: list[Outcome] = field(default_factory=list)

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Journal:
        """The journal of a run with these settings, begun or gone on with. A last line cut short
        by a kill goes: its try is made again."""
        path.parent.mkdir(parents=True, exist_ok=True)
        drop_cut_line(path)
        if not path.exists() or not path.stat().st_size:
            path.write_text(json.dumps(settings) + "\n", "utf-8")
        try:
            lines = path.read_text("utf-8").rstrip("\n").split("\n")
            begun, *rows = map(json.loads, lines)
            outcomes = [_outcome(row) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} cannot be read: {error}", "Give another `out`, or delete the file."
            ) from error
        if begun != json.loads(json.dumps(settings)):
            raise SettingsError(
                f"{path} was begun with other settings or other documents.",
                "Give another `out`, or the settings of its first line.",
            )
        return cls(path, outcomes)

    def append(self, outcome: Outcome) -> None:
        """One more line, on the disk before the next is made."""
        row = {name: value for name, value in asdict(outcome).items() if value}
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.outcomes.append(outcome)

    def of(self, kind: str) -> list[Outcome]:
        """The outcomes of one kind."""
        return [outcome for outcome in self.outcomes if outcome.kind == kind]


def _outcome(row: dict[str, Any]) -> Outcome:
    asked = row.get("question")
    if asked:
        asked["answers"] = tuple(asked["answers"])
        asked["spans"] = tuple((a, b) for a, b in asked["spans"])
    return Outcome(
        row["kind"],
        row["key"],
        Question(**asked) if asked else None,
        row.get("dropped", ""),
        tuple(Piece(**part) for part in row.get("parts", ())),
    )


@dataclass(frozen=True)
class Maker:
    """Makes one question of a sentence, or of a pair of questions."""

    pool: Pool
    generate: Generate
    settings: Settings

    def of_sentence(self, piece: Piece) -> Outcome:
        """A question that the sentence answers."""
        made = self._asked(piece)
        if isinstance(made, str):
            return Outcome("sentence", piece.key, dropped=made)
        return Outcome("sentence", piece.key, made)

    def of_pair(self, pair: Pair) -> Outcome:
        """The two questions as one, over their document or a joined one."""
        text = self._worded(pair)
        if isinstance(text, Outcome):
            return text
        texts = self.pool.texts
        evidence = _evidence(pair, texts)
        answers = pair.second.answers
        if pair.first.doc == pair.second.doc:
            spans = tuple(merged_ranges([*evidence[0], *evidence[1]]))
            asked = Question(SYNTHETIC, pair.first.doc, text, answers, spans)
            return Outcome("pair", pair.key, asked)
        made = join(pair, evidence, self.pool, self.settings.noise_characters, self.settings.seed)
        asked = Question(SYNTHETIC, name_of(pair), text, answers, made.spans)
        return Outcome("pair", pair.key, asked, parts=made.parts)

    def _asked(self, piece: Piece) -> Question | str:
        text = self.pool.texts[piece.doc]
        evidence = text[piece.start : piece.end]
        around = self._around(piece)
        found = parsed(
            self.generate(ASK.format(passage=around, evidence=evidence)), "question", "answer"
        )
        if found is None:
            return MALFORMED
        asked, answer = found
        if at := place(answer, evidence):
            answer = evidence[at[0] : at[1]]
        refused = self._filter.refusal(asked, [answer], evidence, around)
        spans = ((piece.start, piece.end),)
        return refused or Question(SYNTHETIC, piece.doc, asked, (answer,), spans)

    def _worded(self, pair: Pair) -> str | Outcome:
        """The joined question's words, or that the pair is dropped."""
        texts, (first, second) = self.pool.texts, _evidence(pair, self.pool.texts)
        ranges = [(pair.first.doc, r) for r in first] + [(pair.second.doc, r) for r in second]
        if sum(b - a for _, (a, b) in ranges) > 2 * self.settings.passage_characters:
            return Outcome("pair", pair.key, dropped=EVIDENCE_TOO_LONG)
        prompt = JOIN.format(first=pair.first.text, name=pair.name, second=pair.second.text)
        found = parsed(self.generate(prompt), "question")
        if found is None:
            return Outcome("pair", pair.key, dropped=MALFORMED)
        if not describes(found[0], pair):
            return Outcome("pair", pair.key, dropped=NOT_DESCRIBED)
        around = BETWEEN.join(self._around(Piece(doc, a, b)) for doc, (a, b) in ranges)
        held = text_of(second, texts[pair.second.doc])
        refused = self._filter.refusal(found[0], pair.second.answers, held, around)
        return Outcome("pair", pair.key, dropped=refused) if refused else found[0]

    def _around(self, piece: Piece) -> str:
        text = self.pool.texts[piece.doc]
        a, b = passage(text, (piece.start, piece.end), self.settings.passage_characters)
        return text[a:b]

    @property
    def _filter(self) -> Filter:
        return Filter(self.generate, self.settings.closed_book, self.settings.most_answer_words)


def _evidence(
    pair: Pair, texts: Mapping[str, str]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    first, second = pair.first, pair.second
    return widened(first, texts[first.doc]), widened(second, texts[second.doc])


def questions(maker: Maker, done: Iterable[Outcome] = ()) -> Iterator[Outcome]:
    """One outcome a drawn sentence, after those ``done`` before."""
    settings = maker.settings
    taken = {outcome.key for outcome in done}

    def drawn() -> Iterator[Piece]:
        while len(taken) < settings.sentences:
            rng = random.Random(f"{settings.seed} {len(taken)}")
            piece = maker.pool.draw(settings.sources, rng, taken)
            if piece is None:
                return  # nearly all sentences are taken
            taken.add(piece.key)
            yield piece

    yield from _at_once(maker.of_sentence, drawn(), settings.at_once)


def joined_questions(
    maker: Maker, labelled: list[Question], done: Iterable[Outcome] = ()
) -> Iterator[Outcome]:
    """One outcome a pair of the labelled questions, after those ``done`` before."""
    settings = maker.settings
    had = {outcome.key for outcome in done}
    fresh = (
        pair for pair in pairs(labelled, maker.pool.texts, settings.seed) if pair.key not in had
    )
    rest = islice(fresh, max(0, settings.pairs - len(had)))
    yield from _at_once(maker.of_pair, rest, settings.at_once)


def _at_once(make: Callable[[T], Outcome], items: Iterator[T], most: int) -> Iterator[Outcome]:
    """The outcomes in the order of the items, ``most`` being made at a time: for endpoints."""
    with ThreadPoolExecutor(most) as workers:
        while batch := list(islice(items, most)):
            yield from workers.map(make, batch)


def synthesise(corpus: Corpus, generate: Generate, settings: Settings, out: Path, say: Say) -> Path:
    """The run; goes on with what ``out`` has. The folder written."""
    pool = Pool.of(corpus, settings.sources)
    docs = [f"{doc} {len(pool.texts[doc])}" for each in pool.docs.values() for doc in each]
    told = {**settings.told(), "documents": zlib.crc32("\n".join(docs).encode())}
    journal = Journal.at(out / JOURNAL, told)
    if journal.outcomes:
        say(f"{journal.path}: {len(journal.outcomes)} tries are there already")
    maker = Maker(pool, generate, settings)
    try:
        _noted(questions(maker, journal.of("sentence")), journal, "sentences", say)
        labelled = labelled_questions(corpus, settings)
        labelled += [each.question for each in journal.of("sentence") if each.question]
        made = joined_questions(maker, labelled, journal.of("pair"))
        _noted(made, journal, "pairs", say)
    finally:
        write_files(journal.outcomes, pool.texts, out)
    report(journal, say)
    return out


def labelled_questions(corpus: Corpus, settings: Settings) -> list[Question]:
    """The corpus's own questions that can be joined: of documents that may be trained on, with an
    answer short enough to be told by its words."""
    return [
        question
        for source in settings.sources
        for question in corpus.questions.get(source, [])
        if usable(question.doc)
        and question.doc in corpus.texts
        and question.spans
        and any(0 < len(each.split()) <= settings.most_answer_words for each in question.answers)
    ]


def _noted(made: Iterator[Outcome], journal: Journal, what: str, say: Say) -> None:
    kept = 0
    for number, outcome in enumerate(made, 1):
        journal.append(outcome)
        kept += outcome.question is not None
        if number % SAID_EVERY == 0:
            say(f"{number} {what}: {kept} questions")


def report(journal: Journal, say: Say) -> None:
    """What was kept, and how many were dropped and why, in all runs together."""
    for kind in ("sentence", "pair"):
        found = journal.of(kind)
        kept = sum(outcome.question is not None for outcome in found)
        say(f"{kept} questions of {len(found)} {kind}s")
        counts = Counter(outcome.dropped for outcome in found if outcome.dropped)
        for why, number in counts.most_common():
            say(f"dropped, {why}: {number}")


def write_files(outcomes: Iterable[Outcome], texts: Mapping[str, str], out: Path) -> None:
    """The questions kept and their documents, in the form that `compressor.training.data.load`
    reads, each file put in place whole."""
    kept = [(each.question, each.parts) for each in outcomes if each.question]
    documents = {
        question.doc: joined_text(parts, texts) if parts else texts[question.doc]
        for question, parts in kept
    }
    rows = [
        {
            "source": question.source,
            "doc": question.doc,
            "question": question.text,
            "answers": question.answers,
            "spans": question.spans,
        }
        for question, _ in kept
    ]
    _write(out / DOCS, [{"doc": doc, "text": text} for doc, text in documents.items()])
    _write(out / QUESTIONS, rows)


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    fresh = path.with_name(path.name + ".new")
    with gzip.open(fresh, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    fresh.replace(path)
