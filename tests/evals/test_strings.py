"""Each measure against values worked out by hand from its published definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.metrics import strings
from policy import rewards


def test_rulers_string_matches() -> None:
    golds = ["8231", "9147"]
    assert strings.string_match_all("They are 8231 and 9147.", golds) == 1.0
    assert strings.string_match_all("It is 8231.", golds) == 0.5
    assert strings.string_match_part("It is 8231.", golds) == 1.0
    assert strings.string_match_part("No idea.", golds) == 0.0
    assert strings.string_match_all("ABCDE", ["abcde"]) == 1.0
    assert strings.string_match_all("anything", []) == 0.0


def test_squads_exact_and_f1() -> None:
    assert rewards.normalised("The  Cat's an Animal, a small one!") == "cats animal small one"
    assert rewards.exact("The Normans.", ["Normans"]) == 1.0
    assert rewards.exact("Normans of France", ["Normans"]) == 0.0
    # said: tall brown dog; gold: brown dog barked loudly; two shared: P 2/3, R 2/4, F 4/7
    assert rewards.f1("the tall brown dog", ["brown dog barked loudly"]) == pytest.approx(4 / 7)
    assert rewards.f1("the tall brown dog", ["cat", "tall brown dog"]) == 1.0
    assert rewards.f1("", ["cat"]) == 0.0


def test_l1s_cover_exact_match() -> None:
    assert rewards.sub_em("It is the Eiffel Tower.", ["Eiffel tower"]) == 1.0
    assert rewards.sub_em("Eiffel", ["Eiffel tower"]) == 1.0
    assert rewards.sub_em("Big Ben", ["Eiffel tower"]) == 0.0
    assert rewards.sub_em("the", ["Eiffel tower"]) == 0.0, "nothing is left of it"


def test_rouge_l_of_both_packages() -> None:
    # subsequence "the cat sat": P 3/4, R 3/5, F 2/3
    said, gold = "the cat sat down", "the big cat sat here"
    assert strings.rouge_l(said, [gold]) == pytest.approx(2 / 3)
    assert strings.rouge(said, [gold]) == pytest.approx(2 / 3, abs=1e-6)
    assert strings.rouge_l("THE CAT", ["the cat"]) == 1.0
    assert strings.rouge("THE CAT", ["the cat"]) == 0.0, "LongBench's keeps case"
    assert strings.rouge("", ["the cat"]) == 0.0


def test_longbenchs_classification() -> None:
    classes = ["Number", "Number of something", "Date", "Person"]
    assert strings.classification("Date", ["Date"], classes) == 1.0
    assert strings.classification("Date or Person", ["Date"], classes) == 0.5
    assert strings.classification("Number of something", ["Number of something"], classes) == 1.0
    assert strings.classification("Person", ["Date"], classes) == 0.0


def test_longbenchs_numbers() -> None:
    assert strings.retrieval("Paragraph 15", ["Paragraph 15"]) == 1.0
    assert strings.retrieval("15, 3 or 7", ["Paragraph 15"]) == pytest.approx(1 / 3)
    assert strings.retrieval_zh("段落7", ["段落7"]) == 1.0
    assert strings.count("There are 12", ["12"]) == 1.0
    assert strings.count("12 or 13", ["12"]) == 0.5
    assert strings.count("many", ["12"]) == 0.0


def test_longbenchs_code_similarity() -> None:
    answer = "```python\n# the sum\nreturn a + b\nprint(a)"
    assert strings.code_sim(answer, ["return a + b"]) == 1.0
    # "abcd" and "bcde" share "bcd": 2 * 3 / 8
    assert strings.code_sim("abcd", ["bcde"]) == 0.75
    assert strings.code_sim("```", ["x = 1"]) == 0.0


def test_chinese() -> None:
    # jieba: 我 / 来到 / 北京 / 清华大学 against 北京 / 清华大学: P 2/4, R 2/2
    assert strings.f1_zh("我来到北京，清华大学", ["北京清华大学。"]) == pytest.approx(2 / 3)
    assert strings.rouge_zh("北京清华大学", ["北京清华大学"]) == pytest.approx(1, abs=1e-6)
    # characters: 来 北 京 against 北 京: P 2/3, R 1
    assert strings.f1_characters_zh("来，北京", ["北京。"]) == pytest.approx(4 / 5)


def test_infinitebenchs_retrieval() -> None:
    assert strings.first_number("The pass key is 71432. Or 5?", ["71432"]) == 1.0
    assert strings.first_number("5, or 71432", ["71432"]) == 0.0
    assert strings.word_match('{"value": "3f2a-11"}', ["3f2a-11"]) == 1.0
    assert strings.word_match("3f2a-110", ["3f2a-11"]) == 0.0


@given(st.text(max_size=60), st.text(max_size=60))
def test_measures_stay_between_0_and_1(answer: str, gold: str) -> None:
    for measure in (rewards.f1, rewards.sub_em, rewards.exact, strings.rouge_l, strings.code_sim):
        assert 0.0 <= measure(answer, [gold]) <= 1.0
    if rewards.normalised(gold):
        assert rewards.f1(gold, [gold]) == rewards.sub_em(gold, [gold]) == 1.0
