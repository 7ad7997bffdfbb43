"""Exact arithmetic over cited figures, without ``eval``.

An expression has figures, ``[n:FIGURE]`` or plain, ``+ - * /``, parentheses and ``sum``, ``avg``,
``min``, ``max``. Python's parser reads it, and only the nodes named here are walked. Amounts of
different scales or currencies are never added, and two scaled amounts never multiplied.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from documents.errors import ExpressionError

MOST_CHARACTERS = 400
MOST_DEPTH = 12
MOST_OPERANDS = 40
MOST_DIGITS = 30
COUNTS = frozenset(range(2, 13))
"""Whole numbers that may divide or multiply without standing anywhere: parts, months."""

Kind = Literal["amount", "percent", "ratio", "constant"]

_DIGITS = r"[$€£¥]?\s?\d+(?:,\d{3})*(?:\.\d+)?(?:\s?%)?"
_TOKEN = re.compile(
    rf"\[\s*(?P<n>\d{{1,4}})\s*:\s*(?P<cited>[^\[\]]{{1,40}})\]"
    rf"|(?<![\w.])(?P<brackets>\(\s*{_DIGITS}\s*\))|(?<![\w.])(?P<plain>{_DIGITS})"
)
_SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/"})
_SLOT = "_{}_"


@dataclass(frozen=True, slots=True)
class Operand:
    """A figure of the expression: ``n`` is None where it names no evidence. ``shown`` is as it
    was written; ``bracketed`` if parentheses of the expression stand around it alone."""

    n: int | None
    shown: str
    bracketed: bool = False


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with what it is. A percentage is in percent: 12.5% has the value 12.5. ``hundred``:
    an amount on its way to one, as in 100 * (a - b) / b."""

    value: Fraction
    kind: Kind = "amount"
    unit: str = ""
    scale: str = ""
    decimals: int = 0
    hundred: bool = False


Find = Callable[[Operand], "Quantity | None"]
"""The quantity that an operand names, or None where it stands nowhere."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An expression with its operands; ``text`` has slots ``_0_``, ``_1_`` … in their place."""

    tree: ast.expr
    text: str
    operands: tuple[Operand, ...]


def parse(expression: str) -> Parsed:
    """Read an expression. Raises `ExpressionError`."""
    text = expression.strip().translate(_SIGNS).rstrip("=. ")
    if not text or len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"The expression has {len(text)} characters.")
    operands: list[Operand] = []

    def slot(match: re.Match[str]) -> str:
        shown = (match["cited"] or match["brackets"] or match["plain"]).strip()
        if sum(c.isdigit() for c in shown) > MOST_DIGITS:
            raise ExpressionError("A figure of the expression is too long.")
        called = bool(re.search(r"(?:sum|avg|min|max)\s*$", text[: match.start()]))
        bracketed = bool(match["brackets"]) and not called
        if match["brackets"]:
            shown = shown[1:-1].strip()
        operands.append(Operand(int(match["n"]) if match["n"] else None, shown, bracketed))
        name = _SLOT.format(len(operands) - 1)
        return f"({name})" if match["brackets"] else name

    if re.search(r"_\d*_", text):
        raise ExpressionError("The expression has a name in it.")
    slotted = _TOKEN.sub(slot, text)
    if not 1 <= len(operands) <= MOST_OPERANDS:
        raise ExpressionError(f"The expression has {len(operands)} figures.")
    if not re.fullmatch(r"[_a-z0-9\s(),+*/-]*", slotted):
        raise ExpressionError("The expression has something other than arithmetic in it.")
    try:
        tree = ast.parse(slotted, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError("The expression is not arithmetic.") from error
    return Parsed(tree, slotted, tuple(operands))


def evaluate(parsed: Parsed, find: Find) -> Quantity:
    """The exact value. Raises `ExpressionError` where an operand is not found, or what is asked
    makes no sense."""
    result = _Walk(parsed, find).of(parsed.tree, 0)
    if result.kind == "constant" or result.hundred:
        raise ExpressionError("The expression does not compute an amount, a ratio or a percentage.")
    return result


@dataclass(frozen=True, slots=True)
class _Walk:
    parsed: Parsed
    find: Find

    def of(self, node: ast.expr, depth: int) -> Quantity:
        if depth > MOST_DEPTH:
            raise ExpressionError("The expression is nested too deeply.")
        match node:
            case ast.Name(id=name):
                return self._found(self._operand(name))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                one = self.of(inner, depth + 1)
                return replace(one, value=-one.value)
            case ast.BinOp(left=left, op=operator, right=right):
                return self._binary(left, operator, right, depth + 1)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if args:
                return _called(name, [self.of(arg, depth + 1) for arg in args])
        raise ExpressionError("The expression has something other than arithmetic in it.")

    def _binary(
        self, left: ast.expr, operator: ast.operator, right: ast.expr, depth: int
    ) -> Quantity:
        a = self._constant(left, operator, True) or self.of(left, depth)
        b = self._constant(right, operator, False)
        if b is None or (isinstance(operator, ast.Sub) and a.kind == "amount"):
            b = self.of(right, depth)
        match operator:
            case ast.Add():
                return _added(a, b)
            case ast.Sub():
                return _added(a, replace(b, value=-b.value))
            case ast.Mult():
                return _multiplied(a, b)
            case ast.Div():
                return _divided(a, b)
        raise ExpressionError("Only + - * / may stand between figures.")

    def _operand(self, name: str) -> Operand:
        match = re.fullmatch(r"_(\d+)_", name)
        if match is None:
            raise ExpressionError(f"The expression has the name {name!r} in it.")
        return self.parsed.operands[int(match[1])]

    def _found(self, operand: Operand) -> Quantity:
        found = self.find(operand)
        if found is None:
            where = "the evidence" if operand.n is None else f"[{operand.n}]"
            raise ExpressionError(f"{operand.shown} does not stand in {where}.")
        return found

    def _constant(self, node: ast.expr, operator: ast.operator, left: bool) -> Quantity | None:
        """A plain 100 or small count beside ``*`` or under ``/``, or the 1 of "a / b - 1".
        After a minus, an amount's 1 or 100 is a figure like any other."""
        if not isinstance(node, ast.Name):
            return None
        operand = self._operand(node.id)
        if operand.n is not None or not re.fullmatch(r"\d{1,3}", operand.shown):
            return None
        value = int(operand.shown)
        times = isinstance(operator, ast.Mult) or (isinstance(operator, ast.Div) and not left)
        minus = isinstance(operator, ast.Sub) and not left
        if (times and (value == 100 or value in COUNTS)) or (minus and value in (1, 100)):
            return Quantity(Fraction(value), "constant")
        return None


def _called(name: str, values: Sequence[Quantity]) -> Quantity:
    for value in values[1:]:
        _alike(values[0], value)
    if name in ("min", "max"):
        best = min if name == "min" else max
        return best(values, key=lambda one: one.value)
    if name not in ("sum", "avg"):
        raise ExpressionError(f"There is no {name!r}: use sum, avg, min or max.")
    total = values[0]
    for value in values[1:]:
        total = _added(total, value)
    if name == "sum":
        return total
    return _divided(total, Quantity(Fraction(len(values)), "constant"))


def _alike(a: Quantity, b: Quantity) -> None:
    """Raise where the two cannot be added or compared."""
    whole = {"ratio": 1, "percent": 100}.get(a.kind)
    if a.kind != b.kind and not (b.kind == "constant" and abs(b.value) == whole):
        raise ExpressionError(f"A {a.kind} and a {b.kind} cannot be added.")
    if b.kind == "constant":
        return
    if a.scale != b.scale:
        scales = " and ".join(one.scale or "none" for one in (a, b))
        raise ExpressionError(f"The figures are in different scales: {scales}.")
    if a.unit and b.unit and a.unit != b.unit:
        raise ExpressionError(f"The figures are in {a.unit} and {b.unit}.")
    if a.hundred != b.hundred:
        raise ExpressionError("A figure times 100 is added to another.")


def _added(a: Quantity, b: Quantity) -> Quantity:
    _alike(a, b)
    decimals = max(a.decimals, b.decimals)
    return replace(a, value=a.value + b.value, unit=a.unit or b.unit, decimals=decimals)


def _multiplied(a: Quantity, b: Quantity) -> Quantity:
    if b.kind == "amount" and a.kind != "amount":
        a, b = b, a
    if a.kind == "constant":
        a, b = b, a
    if b.kind == "constant":
        if a.kind == "ratio" and b.value == 100:  # how a percentage is asked for
            return Quantity(a.value * 100, "percent", "%", "", 2)
        hundred = a.hundred or (a.kind == "amount" and b.value == 100)
        return replace(a, value=a.value * b.value, hundred=hundred)
    if a.hundred or b.hundred or (a.scale and b.scale):
        raise ExpressionError("Two figures with a scale, or one times 100, cannot be multiplied.")
    if a.unit and b.unit and "percent" not in (a.kind, b.kind):
        raise ExpressionError("Two amounts of money cannot be multiplied.")
    x, y = _bare(a), _bare(b)
    if "amount" not in (a.kind, b.kind):
        return Quantity(x * y, "ratio", "", "", 4)
    unit = a.unit if a.kind == "amount" and a.unit else b.unit if b.kind == "amount" else ""
    return Quantity(x * y, "amount", unit, a.scale or b.scale, max(a.decimals, b.decimals, 2))


def _divided(a: Quantity, b: Quantity) -> Quantity:
    if not b.value:
        raise ExpressionError("The expression divides by zero.")
    if b.kind == "constant":
        return replace(a, value=a.value / b.value, decimals=a.decimals + 2)
    if a.kind == "amount" and b.kind != "amount":
        return replace(a, value=_bare(a) / _bare(b), decimals=a.decimals + 2)
    if a.kind != b.kind:
        raise ExpressionError(f"A {a.kind} cannot be divided by a {b.kind}.")
    if a.kind == "amount":
        _alike(replace(a, hundred=False), b)
        if a.hundred:
            return Quantity(a.value / b.value, "percent", "%", "", 2)
    return Quantity(a.value / b.value, "ratio", "", "", 4)


def _bare(one: Quantity) -> Fraction:
    return one.value / 100 if one.kind == "percent" else one.value


def rounded(value: Fraction, decimals: int) -> Decimal:
    """Rounded half away from zero, exactly."""
    units = abs(value) * 10**decimals
    whole = (2 * units.numerator + units.denominator) // (2 * units.denominator)
    digits = tuple(int(digit) for digit in str(whole))
    return Decimal((int(value < 0 < whole), digits, -decimals))
