"""Figures are read as printed, and expressions over them are computed exactly or refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.arithmetic import Operand, Quantity, evaluate, parse, rounded
from agent.figures import printed
from documents.errors import ExpressionError


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("Total net sales 81,797 82,959", [("81797", "", ""), ("82959", "", "")]),
        ("Other (265 ) (10)", [("-265", "", ""), ("-10", "", "")]),
        ("$ (1,162) $1,234.50", [("-1162", "$", ""), ("1234.50", "$", "")]),
        ("by 12.5 % or (3.1%) or (3)%", [("12.5", "%", ""), ("-3.1", "%", ""), ("-3", "%", "")]),
        ("€4,812 million, 2 billion", [("4812", "€", "million"), ("2", "", "billion")]),
        ("−5.5, 2022-2023", [("-5.5", "", ""), ("2022", "", ""), ("2023", "", "")]),
        ("Q3 of 10x, 1,23 and 1.2.3 (in 2023", [("2023", "", "")]),
    ],
)
def test_figures_are_read_as_printed(text: str, figures: list[tuple[str, str, str]]) -> None:
    assert [(str(f.value), f.unit, f.scale) for f in printed(text)] == figures


def _plain(operand: Operand) -> Quantity:
    return Quantity(Fraction(operand.shown), "ratio")


@st.composite
def _expressions(draw: st.DrawFn, depth: int = 3) -> tuple[str, Fraction]:
    form = draw(st.sampled_from(["figure", "-", "binary", "call"] if depth else ["figure"]))
    if form == "figure":
        value = draw(st.decimals("0", "99999", places=2))
        return f"[{draw(st.integers(1, 99))}:{value}]", Fraction(value)
    below = _expressions(depth=depth - 1)
    if form == "-":
        text, value_of = draw(below)
        return f"-({text})", -value_of
    if form == "call":
        name = draw(st.sampled_from(["sum", "avg", "min", "max"]))
        parts = draw(st.lists(below, min_size=1, max_size=2))
        values = [value for _, value in parts]
        results = {
            "sum": sum(values, Fraction(0)), "avg": sum(values, Fraction(0)) / len(values),
            "min": min(values), "max": max(values),
        }  # fmt: skip
        return f"{name}({', '.join(text for text, _ in parts)})", results[name]
    (left, a), (right, b) = draw(below), draw(below)
    sign = draw(st.sampled_from("+-*/" if b else "+-*"))
    result = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else a}[sign]
    return f"({left}) {sign} ({right})", result


@given(_expressions())
def test_results_are_exact(made: tuple[str, Fraction]) -> None:
    text, value = made
    assert len(text) > 400 or evaluate(parse(text), _plain).value == value


@given(st.text("0123456789.,()[]:+-*/ _abeimngsuvxft'\"\\=<>{}@^%$−\n", max_size=80))
def test_anything_else_is_an_error_and_nothing_more(text: str) -> None:
    try:
        result = evaluate(parse(text), lambda _: Quantity(Fraction(2)))
    except ExpressionError:
        return
    assert isinstance(result.value, Fraction)


@pytest.mark.parametrize(
    "text",
    [
        "", "1 +", "__import__('os')", "[1:2].real + 1", "open([1:2])", "sum(x=[1:2])",
        "sum(*[1:2])", "[1:2] ** [1:9]", "[1:2] if [1:3] else [1:4]", "lambda: [1:2]", "1e999",
        "[1:2] < [1:3]", "[1:2][1:3]", "sum([1:2]).x", "[1:2] // [1:3]", "_0_ + [1:2]",
        "(" * 300 + "[1:2]" + ")" * 300, "-" * 20 + "[1:2]", "+".join(["[1:2]"] * 41),
        "[1:" + "9" * 35 + "] + [1:2]", "[1:2] / ([1:3] - [1:3])", "100 * [1:2]", "2 * 3",
    ],
)  # fmt: skip
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse(text), lambda one: Quantity(Fraction(one.shown.replace(",", ""))))


def _quantity(operand: Operand) -> Quantity:
    """``$5``, ``5%`` or ``5``; evidence 1 is in millions, 2 in thousands, others say nothing."""
    (figure,) = printed(operand.shown)
    kind = "percent" if figure.unit == "%" else "amount"
    scale = {1: "million", 2: "thousand"}.get(operand.n or 0, "") if kind == "amount" else ""
    return Quantity(Fraction(figure.value), kind, figure.unit, scale, figure.decimals)  # type: ignore[arg-type]  # a Literal


@pytest.mark.parametrize(
    "text",
    [
        "[1:5] + [2:5]", "[1:5] / [2:5]", "max([1:5], [2:5])", "[1:5] * [1:5]", "[3:$5] + [3:€5]",
        "[3:5%] + [3:5]", "[1:5] + [3:5]", "[3:$5] * [3:$5]", "[1:5] - 1", "100 * [1:5] + [1:5]",
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_not_mixed(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse(text), _quantity)


@pytest.mark.parametrize(
    ("text", "value", "kind", "unit", "scale"),
    [
        ("[1:$5] + [1:7]", "12", "amount", "$", "million"),
        ("([1:6] - [1:5]) / [1:5]", "0.2", "ratio", "", ""),
        ("[1:6] / [1:5] - 1", "0.2", "ratio", "", ""),
        ("([1:6] - [1:5]) / [1:5] × 100", "20", "percent", "%", ""),
        ("100 * ([1:6] - [1:5]) / [1:5]", "20", "percent", "%", ""),
        ("[1:6] / [1:5] * 100 − 100", "20", "percent", "%", ""),
        ("[3:5%] * [1:$200]", "10", "amount", "$", "million"),
        ("[3:5%] - [3:3.5%]", "1.5", "percent", "%", ""),
        ("([1:6] + [1:5]) / 2", "5.5", "amount", "", "million"),
        ("avg([1:6], [1:5])", "5.5", "amount", "", "million"),
        ("[1:600] / [3:2.5%]", "24000", "amount", "", "million"),
    ],
)
def test_units_and_scales_are_kept(text: str, value: str, kind: str, unit: str, scale: str) -> None:
    result = evaluate(parse(text), _quantity)
    assert result.value == Fraction(value)
    assert (result.kind, result.unit, result.scale) == (kind, unit, scale)


@given(st.fractions(-(10**40), 10**40), st.integers(0, 6))
def test_rounding_is_to_the_nearest(value: Fraction, decimals: int) -> None:
    result = rounded(value, decimals)
    assert abs(Fraction(result) - value) * 2 * 10**decimals <= 1


def test_halves_round_away_from_zero() -> None:
    assert rounded(Fraction("-1.405"), 2) == Decimal("-1.41")
    assert str(rounded(Fraction(1, 1000), 2)) == "0.00"
