"""A computed answer: which questions ask for one, the expression that the reasoner writes for it,
and the sentence of longdoc's own that says what comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

from agent.arithmetic import Operand, Parsed, Quantity, evaluate, parse, rounded
from agent.cells import row_at
from agent.citations import quote_at
from agent.context import render
from agent.dates import period, relative
from agent.figures import EXCEPTIONS, Figure, numbers, printed, scale_over
from agent.series import CHANGE, PERCENT
from agent.values import Citation, CitedBy, Computed, ComputedOperand
from documents import Document, Evidence, IsCancelled, Span
from documents.errors import ExpressionError, ReasonerError
from policy import Delta, Message, Reasoner, Usage

MOST_TOKENS = 128
_PERCENT = re.compile(rf"{PERCENT}|\bmargin\b", re.IGNORECASE)
_ASKS = re.compile(
    rf"{_PERCENT.pattern}|\bdifference\b|\bratio\b|\baverage\b"
    rf"|(?<!what )\bchanges? (?:in|from|of|between)\b(?! control)"
    rf"|\b(?:in|de)crease\b.* from\b"
    rf"|\bhow (?:much|many) (?:more|less|fewer|higher|lower|larger|smaller)\b"
    rf"|\bhow (?:much|many|far)\b.*{CHANGE}|\bby (?:how much|what)\b"
    rf"|\b(?:sum|combined|altogether|in total)\b|\btotal\b[^?.]*\b(?:of|for|over)\b[^?.]*\band\b",
    re.IGNORECASE | re.DOTALL,
)
_ASKS_NO_FIGURE = re.compile(r"\s*(?:who|whom|whose|when|where|why)\b", re.IGNORECASE)
_CHANGE_OF = re.compile(r"\(*\s*_(\d+)_\s*\)?\s*-\s*\(?\s*_(\d+)_\s*\)")
"""An expression that begins with a difference in parentheses: what a change is written as."""
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"expression": {"type": "string", "maxLength": 300}},
    "required": ["expression"],
    "additionalProperties": False,
}
_ORDER = (
    "Read the numbered evidence below. Write the arithmetic expression whose result answers the "
    "question. Do not work it out. Write each figure as [n:FIGURE], where n is the number of its "
    "evidence and FIGURE is copied exactly as it is printed there, with its parentheses if it is "
    "printed in parentheses. Use only + - * / ( ) and sum, avg, min, max. A change in percent is "
    "([n:NEW] - [n:OLD]) / [n:OLD]. If a figure that is needed is not in the evidence, the "
    "expression is empty. Answer in JSON."
)


@dataclass(frozen=True, slots=True)
class _Found:
    figure: Figure
    n: int
    text: str


def asks_for_computation(question: str) -> bool:
    """Whether a question's words ask for a figure that is computed from others."""
    return bool(_ASKS.search(question)) and not _ASKS_NO_FIGURE.match(question)


def ask(
    question: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    reasoner: Reasoner,
    cancelled: IsCancelled,
) -> tuple[str, Usage]:
    """The reasoner's expression. Raises `ReasonerError` where it gives none."""
    text = render(evidence, documents)
    content = f"{_ORDER}\n\n<text>\n{text}\n</text>\n\n{question.strip()}"
    messages: list[Message] = [{"role": "user", "content": content}]
    parts: list[str] = []
    usage = Usage()
    for piece in reasoner.stream(
        messages, max_tokens=MOST_TOKENS, temperature=0.0, json_schema=_SCHEMA, cancelled=cancelled
    ):
        if not isinstance(piece, Delta):
            usage = piece
        elif piece.kind == "answer":
            parts.append(piece.text)
    try:
        expression = json.loads("".join(parts))["expression"]
    except (ValueError, KeyError, TypeError) as error:
        raise ReasonerError("The model sent no expression.", "Ask again.") from error
    return str(expression), usage


def computed(
    expression: str,
    question: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    *,
    row: Span | None = None,
) -> Computed:
    """What an expression over the evidence's figures comes to. Raises `ExpressionError`. One over
    a ``row`` is longdoc's, of the periods that are asked for: its figures stand in that row, and
    two of them may be alike."""
    by: CitedBy = "longdoc" if row else "reasoner"
    parsed = parse(expression)
    used: dict[Operand, _Found] = {}

    def find(operand: Operand) -> Quantity | None:
        found = _find(operand, evidence, documents, row)
        if found is None:
            return None
        used[operand] = found
        one = found.figure
        kind = "percent" if one.unit == "%" else "amount"
        return Quantity(Fraction(one.value), kind, one.unit, one.scale, one.decimals)  # type: ignore[arg-type]  # a Literal

    result = evaluate(parsed, find)
    if len(used) < 2 and not row:
        raise ExpressionError("The expression computes nothing from two figures or more.")
    if not row:
        _check_periods(parsed, used, question, evidence, documents)
    if result.kind == "ratio" and _PERCENT.search(question):
        result = replace(result, value=result.value * 100, kind="percent", unit="%", decimals=2)
    if result.kind == "percent":
        result = replace(result, decimals=max(2, result.decimals))
    operands = tuple(ComputedOperand(f.n, f.text, f.figure.start) for f in used.values())
    value = rounded(result.value, result.decimals)
    scale = "" if result.scale.endswith(EXCEPTIONS) else result.scale
    return Computed(_written(parsed, used), str(value), result.unit, scale, operands, by)


def sentence(one: Computed) -> str:
    """What is added to the answer; a result that is sure is the answer."""
    told = f"Computed: {claim(one)} {_marks(one)}."
    return f"{told} Therefore, the answer is {_result(one)}." if one.by == "longdoc" else told


def claim(one: Computed) -> str:
    """Expression and result as people write them."""
    return f"{one.expression} = {_result(one)}"


def _result(one: Computed) -> str:
    sign, digits = ("−", one.value[1:]) if one.value.startswith("-") else ("", one.value)
    whole, point, decimals = digits.partition(".")
    amount = f"{int(whole):,}{point}{decimals}"
    amount = f"{amount} %" if one.unit == "%" else f"{one.unit}{amount}"
    return f"{sign}{amount}{' ' + one.scale if one.scale else ''}"


def citations(
    one: Computed, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> list[Citation]:
    """Each operand's row or sentence, once, where its figure must stand; the result follows."""
    found: dict[tuple[int, int], Citation] = {}
    for operand in one.operands:
        span = evidence[operand.n - 1].span
        document = documents[span.document]
        quote = quote_at(document, span, span.start + operand.start)
        verified = numbers(operand.figure) <= numbers(document.slice(quote))
        old = found.get((operand.n, quote.start))
        if old is None or old.verified:
            made = Citation(operand.n, quote, verified, claim(one), "longdoc")
            found[operand.n, quote.start] = made
    return list(found.values())


def shown(one: Computed) -> dict[str, Any]:
    """As JSON for people's programs: places inside the evidence are left out."""
    operands = [{"n": operand.n, "figure": operand.figure} for operand in one.operands]
    return {
        "expression": one.expression,
        "value": one.value,
        "unit": one.unit,
        "scale": one.scale,
        "operands": operands,
    }


def packed(one: Computed) -> str:
    """As text for the notes."""
    return json.dumps(asdict(one), ensure_ascii=False)


def unpacked(text: str) -> Computed:
    """What `packed` wrote."""
    row = json.loads(text)
    row["operands"] = tuple(ComputedOperand(**operand) for operand in row["operands"])
    return Computed(**row)


def _check_periods(
    parsed: Parsed,
    used: Mapping[Operand, _Found],
    question: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
) -> None:
    """Raise where operands are of other years than the question names, leave one of them out, or
    take a change from the later year to the earlier one. What has no year over it passes."""
    asked = period(question).years
    years = {
        operand: period(" ".join(_heads(found, evidence, documents))).years
        for operand, found in used.items()
    }
    told = [found for found in years.values() if found]
    if not asked or not told:
        return
    if len(asked) > 1 or not relative(question):
        for operand, found in years.items():
            if found and not found & asked:
                raise ExpressionError(f"{operand.shown} is of {max(found)}, which is not asked.")
    if len(asked) > 1 and len(told) == len(years) and asked - frozenset[str]().union(*told):
        raise ExpressionError("The expression leaves out a year that is asked.")
    if change := _CHANGE_OF.match(parsed.text):
        new, old = (years.get(parsed.operands[int(n)], frozenset()) for n in change.group(1, 2))
        if new and old and max(new) < max(old):
            raise ExpressionError("The expression takes the later year from the earlier one.")


def _heads(
    found: _Found, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> tuple[str, ...]:
    """The heads over an operand in its table; none in running text."""
    span = evidence[found.n - 1].span
    offset = span.start + found.figure.start
    row = row_at(documents[span.document], offset)
    cells = row.cells if row else ()
    return next((cell.heads for cell in cells if cell.start == offset), ())


def _find(
    operand: Operand,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    row: Span | None,
) -> _Found | None:
    """Where an operand stands, as printed: in the evidence it names, or in the first that has it;
    in ``row`` alone if there is one. Raises where its sign cannot be told."""
    wanted = list(printed(operand.shown))
    if len(wanted) != 1:
        return None
    numbers = range(1, len(evidence) + 1)
    if operand.n is not None:
        numbers = range(operand.n, operand.n + 1) if operand.n in numbers else range(0)
    as_is = _standing(wanted[0], numbers, evidence, documents, row)
    if not operand.bracketed:
        return as_is
    negative = replace(wanted[0], value=-wanted[0].value)
    bracketed = _standing(negative, numbers, evidence, documents, row)
    if as_is and bracketed:
        raise ExpressionError(f"({operand.shown}) stands there with and without parentheses.")
    return as_is or bracketed


def _standing(
    wanted: Figure,
    numbers: Sequence[int],
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    row: Span | None,
) -> _Found | None:
    for n in numbers:
        span = evidence[n - 1].span
        document = documents[span.document]
        text = document.slice(span)
        for one in printed(text):
            if one.value != wanted.value or not _fits(wanted, one):
                continue
            if row and not row.start <= span.start + one.start < row.end:
                continue
            scale = one.scale
            if not scale and one.unit != "%":
                scale = scale_over(document, span, span.start + one.start)
            return _Found(replace(one, scale=scale), n, text[one.start : one.end])
    return None


def _fits(wanted: Figure, one: Figure) -> bool:
    """Whether sign and scale that the expression wrote with a figure are those printed with it."""
    unit = wanted.unit in ("", one.unit) or (wanted.unit != "%" and not one.unit)
    return unit and wanted.scale in ("", one.scale)


def _written(parsed: Parsed, used: Mapping[Operand, _Found]) -> str:
    """The expression for people: figures as printed, signs spaced."""

    def shown(match: re.Match[str]) -> str:
        operand = parsed.operands[int(match[1])]
        found = used.get(operand)
        if found is None:
            return operand.shown
        percent = "%" if found.figure.unit == "%" else ""
        return f"({found.text}{percent})" if found.figure.value < 0 else f"{found.text}{percent}"

    text = re.sub(r"\s+", "", parsed.text)
    text = re.sub(r"(?<![a-z])\((_\d+_)\)", r"\1", text)
    text = re.sub(r"(?<=[\w)])([-+*/])", r" \1 ", text)
    text = re.sub(r",", ", ", text).replace("-", "−").replace("*", "×")
    return re.sub(r"_(\d+)_", shown, text)


def _marks(one: Computed) -> str:
    return "".join(f"[{n}]" for n in dict.fromkeys(operand.n for operand in one.operands))
