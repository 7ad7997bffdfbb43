"""LongBench v1 (arXiv 2308.14508, MIT): 21 tasks in English, Chinese and code.

A task's rows are ``longbench/<task>.jsonl`` (or in ``data/``): input, context, answers, length,
dataset, language, all_classes, _id. Metrics and answer lengths are as published, for every
answer the best; the wording of the prompts is longdoc's own. Truncating the middle of what is too
long, as published, is what the method ``full`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.metrics import strings
from evals.samples import Gold, Outcome, Sample, Scores, Setup, text_document
from evals.tasks.rows import Row, drawn, field, first_there, read_rows
from policy import parse_answer, rewards

Metric = Callable[[str, Sequence[str]], float]

_QA = """Answer the question from the passages below. Give the answer alone, nothing else.

{context}

Question: {input}
Answer:"""
_SUMMARY = """Write a summary of about one page of the following {what}.

{context}

Summary:"""
_SHOTS = """{what} The text below begins with examples; go on from its end in the same form.

{context}
{input}"""
_CODE = """Complete the code below: write its next line alone.
{context}{input}Next line of code:
"""


@dataclass(frozen=True, slots=True)
class Spec:
    """How one task is asked and marked. ``first_line``: only the answer's first line counts, as
    published for tasks with examples in the prompt."""

    metric: Metric | None
    max_tokens: int
    prompt: str
    kind: str
    first_line: bool = False


def _qa(metric: Metric, max_tokens: int, kind: str, prompt: str = _QA) -> Spec:
    return Spec(metric, max_tokens, prompt, kind)


def _summary(what: str) -> Spec:
    return Spec(strings.rouge, 512, _SUMMARY.replace("{what}", what), "summary")


def _shots(metric: Metric | None, max_tokens: int, what: str) -> Spec:
    return Spec(metric, max_tokens, _SHOTS.replace("{what}", what), "examples", True)


_STORY = _QA.replace("passages", "story").replace(
    "Give the answer alone, nothing else.", "Be as short as you can: a phrase where that will do."
)
_ARTICLE = _QA.replace("passages", "scientific article").replace(
    "Give the answer alone, nothing else.",
    'Be as short as you can. Where the article does not tell, answer "unanswerable"; to a yes/no '
    'question answer "yes", "no" or "unanswerable".',
)
_ZH = "根据下面的文字回答问题，只写答案，不要写别的。\n\n{context}\n\n问题：{input}\n回答："
_MEETING = _QA.replace("passages", "meeting transcript").replace(
    "Give the answer alone, nothing else.", "Answer in one or more sentences."
)
_COUNT = """Some of the paragraphs below occur more than once. Count the different paragraphs, \
duplicates left out, and give the number alone.

{context}

Number of different paragraphs:"""
_RETRIEVAL = """Which of the numbered paragraphs below is the abstract that follows them taken \
from? Answer in the form "Paragraph 1".

{context}

Abstract:
{input}

Answer:"""
_RETRIEVAL_ZH = """下面是若干编号的段落，最后是其中一段的摘要。\
摘要出自哪一段？请按“段落1”的格式回答。

{context}

摘要：
{input}

答案："""
_MINUTES_ZH = "下面是一份会议记录，请写一段总结，概括会议的内容。\n\n{context}\n\n总结："

SPECS: dict[str, Spec] = {
    "narrativeqa": _qa(rewards.f1, 128, "single document", _STORY),
    "qasper": _qa(rewards.f1, 128, "single document", _ARTICLE),
    "multifieldqa_en": _qa(rewards.f1, 64, "single document"),
    "multifieldqa_zh": _qa(strings.f1_zh, 64, "single document", _ZH),
    "hotpotqa": _qa(rewards.f1, 32, "several documents"),
    "2wikimqa": _qa(rewards.f1, 32, "several documents"),
    "musique": _qa(rewards.f1, 32, "several documents"),
    "dureader": _qa(strings.rouge_zh, 128, "several documents", _ZH),
    "gov_report": _summary("report by a government agency"),
    "qmsum": _qa(strings.rouge, 512, "summary", _MEETING),
    "multi_news": _summary("news"),
    "vcsum": Spec(strings.rouge_zh, 512, _MINUTES_ZH, "summary"),
    "trec": _shots(None, 64, "Name the type of the last question."),
    "triviaqa": _shots(rewards.f1, 32, "Answer the last question with the answer alone."),
    "samsum": _shots(strings.rouge, 128, "Summarize the last dialogue in a few short sentences."),
    "lsht": _shots(None, 64, "判断最后一则新闻的类别。"),
    "passage_count": Spec(strings.count, 32, _COUNT, "synthetic"),
    "passage_retrieval_en": Spec(strings.retrieval, 32, _RETRIEVAL, "synthetic"),
    "passage_retrieval_zh": Spec(strings.retrieval_zh, 32, _RETRIEVAL_ZH, "synthetic"),
    "lcc": Spec(strings.code_sim, 64, _CODE, "code"),
    "repobench-p": Spec(strings.code_sim, 64, _CODE, "code"),
}


@dataclass(frozen=True, slots=True)
class LongBench:
    """One task of v1."""

    task: str
    folder: str = "longbench"
    source: str = "LongBench, arXiv 2308.14508, MIT"

    @property
    def name(self) -> str:
        """longbench-narrativeqa, …"""
        return f"longbench-{self.task}"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """``limit`` rows of the task."""
        path = rows_path(setup.data / self.folder, self.task)
        for number, row in drawn(read_rows(path), lambda _: self.task, setup):
            yield self._sample(row, number, path)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """``correct``: the task's published metric, best over the answers."""
        if outcome.answer is None:
            return {}
        said = parse_answer(outcome.answer).text
        spec, golds = SPECS[self.task], sample.gold.answers
        if spec.first_line:
            said = said.lstrip("\n").split("\n")[0]
        if spec.metric is None:
            classes = sample.gold.extra["classes"]
            return {"correct": strings.classification(said, golds, classes)}
        return {"correct": spec.metric(said, golds)}

    def _sample(self, row: Row, number: int, path: Path) -> Sample:
        spec = SPECS[self.task]
        asked = str(field(row, "input", path))
        # A summary's input is empty; the compressor is asked what the prompt asks.
        question = asked or spec.prompt.split("{context}")[0].strip()
        return Sample(
            id=str(row.get("_id", number)),
            task=self.name,
            question=question,
            documents=(text_document(self.task, str(field(row, "context", path))),),
            gold=Gold(
                tuple(map(str, field(row, "answers", path))),
                extra={"classes": list(row.get("all_classes") or ())},
            ),
            tags={
                "source": self.task,
                "kind": spec.kind,
                "language": str(row.get("language", "")),
                "length": int(row.get("length", 0)),
                "band": _band(int(row.get("length", 0))),
            },
            prompt=spec.prompt.replace("{input}", asked),
            granularity="paragraph" if spec.kind in ("summary", "examples", "code") else "sentence",
            max_answer_tokens=spec.max_tokens,
        )


def rows_path(root: Path, name: str) -> Path:
    """The file of a LongBench task, in the folder or its ``data``."""
    return first_there([root / f"{name}.jsonl", root / "data" / f"{name}.jsonl"])


def _band(words: int) -> str:
    """LongBench-E's bands, in words."""
    return "0-4k" if words < 4_000 else "4-8k" if words < 8_000 else "8k+"


TASKS = tuple(LongBench(task) for task in SPECS)
