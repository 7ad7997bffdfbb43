"""However a stream is cut, the same reasoning and the same answer come out."""

from hypothesis import given
from hypothesis import strategies as st

from policy import Delta
from policy.thinking import ThinkSplitter, opens_thinking

PIECES = st.sampled_from(
    ["<think>", "</think>", "<thi", "nk>", "</", "<", ">", " ", "\n", "a", "2 < 3", "<b>", "é"]
)


def parts(chunks: list[str], opened: bool) -> dict[str, str]:
    """All reasoning and all answer, each joined."""
    splitter = ThinkSplitter(opened)
    deltas: list[Delta] = []
    for chunk in chunks:
        deltas += splitter.feed(chunk)
    deltas += splitter.close()
    assert all(delta.text for delta in deltas)
    return {
        kind: "".join(d.text for d in deltas if d.kind == kind) for kind in ("reasoning", "answer")
    }


@given(st.lists(PIECES, max_size=12), st.booleans(), st.data())
def test_any_chunking_gives_the_same_parts(
    pieces: list[str], opened: bool, data: st.DataObject
) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parts(chunks, opened) == parts([text], opened) == parts(list(text), opened)


def test_tags_part_the_text() -> None:
    text = "<think>\nIt is 5.\n</think>\n\nFive [1]."
    assert parts([text], False) == {"reasoning": "It is 5.\n", "answer": "Five [1]."}


def test_the_template_may_have_opened_the_reasoning() -> None:
    assert parts(["It is 5.</th", "ink>Five"], True) == {"reasoning": "It is 5.", "answer": "Five"}


def test_text_that_only_looks_like_a_tag_is_kept() -> None:
    assert parts(["1 <", " 2 </t"], False) == {"reasoning": "", "answer": "1 < 2 </t"}


def test_nothing_certain_is_held_back() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("Sales <") == [Delta("answer", "Sales ")]
    assert splitter.feed("b>") == [Delta("answer", "<b>")]


def test_names_of_models_that_think() -> None:
    thinkers = ["Tongyi-Zhiwen/QwenLong-L1-32B-AWQ", "deepseek-r1:14b", "Qwen3-4B-Thinking-2507"]
    assert all(map(opens_thinking, [*thinkers, "qwq-32b", "DeepSeek-R1-Distill-Qwen-32B"]))
    assert not any(map(opens_thinking, ["qwen2.5-coder-1.5b", "smollm2-135m", "gpt-4.1", "r100"]))
