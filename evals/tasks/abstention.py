"""Whether "not in these documents" is said where it is right, and only there.

Hard negatives made from real documents: a figure of a year that its report does not name, a line
item that no such company has and whose word stands nowhere in the report, a clause that the
contract lacks. Beside them as many questions that the same documents answer. Two rates:
``abstained_rightly`` on the former, ``abstained`` (wrongly) on the latter.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from compressor.training.data import Corpus, held_back, load, title_of
from documents import Document, profile_of
from evals.metrics.citations import abstention_scores
from evals.samples import Gold, Outcome, Sample, Scores, Setup, text_document
from evals.tasks.rows import Row, absent, drawn, field, read_rows

YEARS = tuple(range(1988, 2016))
ITEMS = (
    ("orchard", "the depreciation of its orchards"),
    ("trawler", "the charter income from its trawlers"),
    ("casino", "its casino revenue"),
    ("uranium", "the proceeds from sales of uranium"),
    ("airport slot", "the impairment of airport slots"),
    ("poultry", "its revenue from poultry"),
)
"""A word that gives a line item away, and the item."""
_SPELT_OUT = {
    "rofr/rofo/rofn": "a right of first refusal, first offer or first negotiation",
    "ip ownership assignment": "assignment of intellectual property",
    "joint ip ownership": "joint ownership of intellectual property",
}
"""What CUAD's names that are no words stand for."""
_CLAUSE = re.compile(r'related to "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Abstention:
    """``limit`` reports a set, each with a question that it answers, one of another year and one
    after a missing line item; and ``limit`` contracts with a clause and without it. Without
    ``reports`` contracts alone."""

    name: str = "abstention"
    reports: bool = True
    source: str = "made from the PDF sets and from held-back CUAD contracts (CC BY 4.0)"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """Reports, then contracts."""
        if self.reports:
            yield from self._reports(setup)
        yield from self._contracts(setup)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """The two rates."""
        return abstention_scores(outcome, sample.tags["answerable"] == "yes")

    def _reports(self, setup: Setup) -> Iterator[Sample]:
        path = setup.data / "pdfs" / "questions.jsonl"
        sets = ("10q", "annual-reports")
        rows = [r for r in read_rows(path) if r.get("set") in sets and _has_figure(r)]
        for number, row in drawn(rows, lambda row: row.get("set"), setup):
            document = setup.read(path.parent / field(row, "pdfs", path)[0])
            yield from self._report(row, number, document)

    def _report(self, row: Row, number: int, document: Document) -> Iterator[Sample]:
        rng = random.Random(f"{row['set']} {number}")
        profile = profile_of(document)
        who = profile.names[0] if profile.filer else "the company"
        gold = Gold(tuple(map(str, row["answers"])), anywhere=True)
        made = {"answer": (str(row["question"]), gold)}
        text = document.text.casefold()
        if years := [year for year in YEARS if str(year) not in text]:
            asked = f"What were the total net sales of {who} in the year {rng.choice(years)}?"
            made["period"] = (asked, Gold())
        if items := [item for word, item in ITEMS if word not in text]:
            made["line item"] = (f"How much was {rng.choice(items)} of {who}?", Gold())
        for kind, (question, right) in made.items():
            yield self._sample(f"{row['set']}-{number}-{kind}", kind, question, document, right)

    def _contracts(self, setup: Setup) -> Iterator[Sample]:
        folder = setup.data / "train"
        if not folder.is_dir():
            raise absent(folder)
        corpus: Corpus = load(folder)
        rows = [q for q in corpus.questions.get("cuad", []) if held_back(q.doc)]
        for number, row in drawn(rows, lambda row: bool(row.spans), setup):
            document = text_document(title_of(row.doc) or "contract", corpus.texts[row.doc])
            clause = _CLAUSE.search(row.text)
            about = clause[1].lower() if clause else ""
            question = (
                f"Which clause of this contract is about {_SPELT_OUT.get(about, about)}? Quote it."
                if about
                else row.text
            )
            kind = "clause" if row.spans else "no clause"
            spans = tuple(document.span(a, b) for a, b in row.spans)
            yield self._sample(f"cuad-{number}", kind, question, document, Gold(row.answers, spans))

    def _sample(self, id_: str, kind: str, question: str, document: Document, gold: Gold) -> Sample:
        answerable = "yes" if kind in ("answer", "clause") else "no"
        tags = {"kind": kind, "answerable": answerable}
        return Sample(id_, self.name, question, (document,), gold, tags)


def _has_figure(row: Row) -> bool:
    """Whether one report answers the row, with a figure."""
    answers = row.get("answers") or [""]
    return len(row.get("pdfs") or ()) == 1 and bool(re.search(r"\d", str(answers[0])))


TASKS = (Abstention(), Abstention("abstention-contracts", reports=False))
