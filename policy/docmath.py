"""QwenLong-L1's rule for DocMath's numbers (arXiv 2505.17667): read one, compare leniently.

A number counts as the gold one where the two differ by an exact power of ten, where the smaller
times 100, 1,000 or 100,000 comes within 0.15% of the larger, where both are equal once rounded up
at two decimals, or where they are within 0.15%.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation

CLOSE = 0.0015
_MOST_DIGITS = 1_000
"""No document has such a number; one with an exponent like 1e999999 could not be divided."""
_FACTORS = (100, 1_000, 100_000)
_FINAL = re.compile(
    r"the answer is\s*(?:[=≈`$%°£€¥:]\s*)*(-?\s*[$£€¥]?\s*[\d,]*\.?\d+(?:[eE]-?\d+)?)",
    re.IGNORECASE,
)
_GOLD = re.compile(r"-?[\d,]*\.?\d+(?:[eE]-?\d+)?")


def final_number(answer: str) -> Decimal | None:
    """The number after the last "the answer is"; None where none follows. Parentheses and
    asterisks count for nothing, as published."""
    found = _FINAL.findall(re.sub(r"[()*\\]", "", answer))
    return _decimal(found[-1]) if found else None


def gold_number(gold: str) -> Decimal | None:
    """A gold answer's number, without currency, unit and what stands before "="."""
    found = _GOLD.search(gold.rpartition("=")[2])
    return _decimal(found[0]) if found else None


def correct(answer: str, gold: str) -> float:
    """1 where the answer's final number counts as the gold one."""
    said, wanted = final_number(answer), gold_number(gold)
    return float(said is not None and wanted is not None and same_number(said, wanted))


def same_number(said: Decimal, gold: Decimal) -> bool:
    """The rule itself. Zero is equal to zero alone."""
    if said == gold:
        return True
    if not said or not gold or (said < 0) != (gold < 0):
        return False
    small, large = sorted((abs(said), abs(gold)))
    if (large / small).normalize().as_tuple().digits == (1,):
        return True
    if any(_near(small * factor, large) for factor in _FACTORS):
        return True
    return _rounded_up(said) == _rounded_up(gold) or _near(said, gold)


def _near(value: Decimal, reference: Decimal) -> bool:
    return abs(value - reference) <= Decimal(str(CLOSE)) * abs(reference)


def _rounded_up(value: Decimal) -> int:
    return math.ceil(value * 100)


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(re.sub(r"[\s,$£€¥]", "", text))
    except InvalidOperation:
        return None
    return number if abs(number.adjusted()) < _MOST_DIGITS else None
