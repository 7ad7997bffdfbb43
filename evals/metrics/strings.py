"""Measures that compare an answer's letters with gold ones, each as published.

All take the answer and the gold answers and return 0 to 1. Where several golds are given the
best counts, but for `string_match_all`, which is the share found. LongBench's code for one gold
at a time keeps its published oddities, so that figures can be compared; they are named below.
SQuAD's and QwenLong-L1's measures are the policy's rewards: `policy.rewards`.
`rouge_l`, `rouge` and the ``_zh`` measures need the extra ``eval``.
"""

from __future__ import annotations

import difflib
import logging
import re
import string
import warnings
from collections.abc import Callable, Sequence
from functools import cache

from documents.errors import SettingsError
from policy.rewards import overlap

_NUMBER = re.compile(r"\d+")
_ZH_PUNCTUATION = (
    "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】"
    "〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
)
_ALL_PUNCTUATION = str.maketrans("", "", string.punctuation + _ZH_PUNCTUATION)


# RULER (arXiv 2404.06654, Apache-2.0)


def string_match_all(answer: str, golds: Sequence[str]) -> float:
    """The share of the golds that stand in the answer, case aside."""
    if not golds:
        return 0.0
    lower = answer.lower()
    return sum(gold.lower() in lower for gold in golds) / len(golds)


def string_match_part(answer: str, golds: Sequence[str]) -> float:
    """1 if any of the golds stands in the answer, case aside."""
    lower = answer.lower()
    return float(any(gold.lower() in lower for gold in golds))


# ROUGE (Lin 2004)


def rouge_l(answer: str, golds: Sequence[str]) -> float:
    """ROUGE-L F-measure over lower-case letters and digits, as the ``rouge-score`` package has
    it: the longest common subsequence of words, no stemming."""
    scorer = _rouge_scorer()
    return max((scorer(gold, answer) for gold in golds), default=0.0)


@cache
def _rouge_scorer() -> Callable[[str, str], float]:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise _missing("rouge-score") from error
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    return lambda gold, answer: float(scorer.score(gold, answer)["rougeL"].fmeasure)


# LongBench v1 (arXiv 2308.14508, MIT). `qa_f1` is `policy.rewards.f1`.


def rouge(answer: str, golds: Sequence[str]) -> float:
    """ROUGE-L F by the ``rouge`` package, the one LongBench reports: over the *set* of words of
    each sentence (cut at full stops), case kept. What it cannot score is 0, as published."""
    try:
        from rouge import Rouge
    except ImportError as error:
        raise _missing("rouge") from error
    best = 0.0
    for gold in golds:
        try:
            scores = Rouge(metrics=["rouge-l"]).get_scores([answer], [gold], avg=True)
        except (ValueError, RecursionError):
            continue
        best = max(best, float(scores["rouge-l"]["f"]))
    return best


def classification(answer: str, golds: Sequence[str], classes: Sequence[str]) -> float:
    """1 / the number of class names in the answer if the gold is among them, names that are
    part of the gold's own left out. As published, a name that follows one left out stays."""
    return max((_classification(answer, gold, classes) for gold in golds), default=0.0)


def _classification(answer: str, gold: str, classes: Sequence[str]) -> float:
    found = [name for name in classes if name in answer]
    at = 0
    while at < len(found):
        if found[at] in gold and found[at] != gold:
            del found[at]  # and the next moves into its place unlooked at: published so
        at += 1
    return 1 / len(found) if gold in found else 0.0


def retrieval(answer: str, golds: Sequence[str]) -> float:
    """The share of the answer's numbers that are the gold paragraph's ("Paragraph 5")."""
    return max((_numbers_equal(answer, _after("Paragraph ", gold)) for gold in golds), default=0.0)


def retrieval_zh(answer: str, golds: Sequence[str]) -> float:
    """The same for "段落5"."""
    return max((_numbers_equal(answer, _after("段落", gold)) for gold in golds), default=0.0)


def count(answer: str, golds: Sequence[str]) -> float:
    """The share of the answer's numbers that are the gold number."""
    return max((_numbers_equal(answer, gold) for gold in golds), default=0.0)


def _after(label: str, gold: str) -> str:
    found = re.search(re.escape(label) + r"(\d+)", gold)
    return found.group(1) if found else ""


def _numbers_equal(answer: str, gold: str) -> float:
    numbers = _NUMBER.findall(answer)
    return numbers.count(gold) / len(numbers) if numbers else 0.0


def code_sim(answer: str, golds: Sequence[str]) -> float:
    """Likeness of the answer's first line that is neither a fence nor a comment to the gold, in
    whole percents: ``fuzzywuzzy``'s ratio without its C extension, which is difflib's."""
    lines = answer.lstrip("\n").split("\n")
    line = next((x for x in lines if not any(mark in x for mark in ("`", "#", "//"))), "")
    return max((_ratio(line, gold) for gold in golds), default=0.0)


def _ratio(line: str, gold: str) -> float:
    return round(100 * difflib.SequenceMatcher(None, line, gold).ratio()) / 100


def f1_zh(answer: str, golds: Sequence[str]) -> float:
    """LongBench's ``qa_f1_zh``: F1 of jieba's words without punctuation and white space."""
    words = _words_zh(answer)
    return max((overlap(words, _words_zh(gold)) for gold in golds), default=0.0)


def f1_characters_zh(answer: str, golds: Sequence[str]) -> float:
    """InfiniteBench's F1 for Chinese: of characters without punctuation and white space."""
    said = _bare_zh(answer)
    return max((overlap(said, _bare_zh(gold)) for gold in golds), default=0.0)


def rouge_zh(answer: str, golds: Sequence[str]) -> float:
    """`rouge` of jieba's words."""
    return rouge(" ".join(_cut(answer)), [" ".join(_cut(gold)) for gold in golds])


def _words_zh(text: str) -> list[str]:
    return [bare for word in _cut(text) if (bare := _bare_zh(word))]


def _bare_zh(text: str) -> str:
    return "".join(text.lower().translate(_ALL_PUNCTUATION).split())


def _cut(text: str) -> list[str]:
    return _jieba()(text)


@cache
def _jieba() -> Callable[[str], list[str]]:
    with warnings.catch_warnings():
        # It imports pkg_resources, which warns, and has escapes that newer Pythons warn about.
        warnings.simplefilter("ignore")
        try:
            import jieba
        except ImportError as error:
            raise _missing("jieba") from error
    jieba.setLogLevel(logging.WARNING)
    return lambda text: list(jieba.cut(text, cut_all=False))


# InfiniteBench (arXiv 2402.13718, MIT)


def first_number(answer: str, golds: Sequence[str]) -> float:
    """1 if the answer's first run of digits is a gold: passkeys and number strings."""
    found = re.search(r"[0-9]+", answer)
    return float(found is not None and found.group() in golds)


def word_match(answer: str, golds: Sequence[str]) -> float:
    """1 if a gold is one of the answer's words, cut at white space and punctuation: values of
    a key-value store."""
    words = re.split(r"[\s:\"'.,?!{}]+", answer)
    return float(any(gold in words for gold in golds))


def _missing(package: str) -> SettingsError:
    return SettingsError(
        f"this measure needs the package {package}, which is not installed.",
        "Install the extra that has it: pip install 'longdoc[eval]'.",
    )
