"""Figures in a text, with sign, unit, scale and the rounding they show; and when two are equal.

"$81.8 billion" and "81,797 million" are one figure, as the shorter shows no more than tenths of
a billion; "$81 billion" and "81 percent" are not. Years, dates, numbering ("Note 6", "10-Q",
"[3]") and list marks are no figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

_SCALES = {
    "thousand": 3, "thousands": 3, "k": 3, "million": 6, "millions": 6, "mn": 6, "mm": 6, "m": 6,
    "billion": 9, "billions": 9, "bn": 9, "b": 9, "trillion": 12, "trillions": 12, "tn": 12,
    "千": 3, "万": 4, "百万": 6, "亿": 8, "万亿": 12,
}  # fmt: skip
_SYMBOLS = {
    "$": "usd", "us$": "usd", "usd": "usd", "dollar": "usd", "dollars": "usd",
    "€": "eur", "eur": "eur", "euro": "eur", "euros": "eur",
    "£": "gbp", "gbp": "gbp", "pounds": "gbp", "¥": "cny/jpy", "￥": "cny/jpy", "元": "cny/jpy",
    "rmb": "cny/jpy", "cny": "cny/jpy", "yuan": "cny/jpy", "yen": "cny/jpy", "jpy": "cny/jpy",
}  # fmt: skip
_BEFORE = r"(?:US\$|USD|EUR|GBP|RMB|CNY|JPY|[$€£¥￥])"
_WORD_SCALES = r"thousands?|millions?|billions?|trillions?|mn|bn|tn|mm"
_FIGURE = re.compile(
    rf"(?P<open>\()?(?P<c1>{_BEFORE})?\s?(?P<sign>[-−–+])?(?P<open2>\()?(?P<c2>{_BEFORE})?\s?"
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
    rf"(?:[\s-]?(?P<scale>(?i:{_WORD_SCALES})\b|[kKmMbB](?![\w-])|万亿|百万|亿|万|千))?"
    r"(?P<close>\))?"
    rf"(?:(?:\sin)?[\s-]?(?P<scale2>(?i:{_WORD_SCALES})\b))?"
    r"(?P<unit>\s?(?:%|％)|\s(?i:percent(?:age)?(?:\spoints?)?|per\scent)\b"
    r"|\s?(?i:dollars?|euros?|pounds|yuan|yen|USD|EUR|GBP|RMB)\b|\s?元)?",
)
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_NO_FIGURE = re.compile(
    rf"\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?(?:\s?,?\s+(?:19|20)\d\d)?\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)?\s+{_MONTH}(?:,?\s+(?:19|20)\d\d)?\b"
    r"|\b(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}\b|\b\d{1,2}/\d{1,2}/(?:19|20)?\d\d\b"
    r"|(?:19|20)\d\d年(?:\d{1,2}月)?(?:\d{1,2}日)?|\d{1,2}月\d{1,2}日"
    r"|[\[【][\d\s,;–-]+[\]】]"
    r"|\b(?i:FY|Q|H)\s?'?\d{1,4}\b|\b[1-4]Q\d{2}\b|\b(?:10|8|20|6)-[KQF]\b"
    r"|\b(?i:notes?|items?|sections?|tables?|pages?|figures?|parts?|steps?|chapters?|no\.|nos\.|"
    r"form|version|level|phase|type|class|series|appendix|article)\s\d+(?:\.\d+)*\b"
    r"|(?m:^\s*\d{1,2}[.)][^\S\n])|\b\d+(?:st|nd|rd|th)\b|\b(?!(?:USD?|EUR|GBP|RMB|CNY|JPY)\d)[A-Za-zα-ωΑ-Ω]+[-_]?\d[\w.-]*|\b\d+(?![KMB])[A-Z]\b"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_DOWN = re.compile(
    r"(?i)decreas|declin|\bloss|lower|\bfell\b|\bdrop|negative|outflow|used (?:in|for)|deficit"
    r"|减少|下降|亏损|负|流出"
)
_NEAR = 40
_CLOSE_ENOUGH = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` with its scale, no sign; ``step``: what one of its last digit is worth;
    ``sign``: -1, 1, or 0 where words ("decreased by") leave it open; ``unit``: "%", a currency,
    or ""; ``scaled``: a word such as million stands by it."""

    value: Decimal
    step: Decimal
    sign: int
    unit: str
    scaled: bool
    digits: int
    marked: bool

    @property
    def year(self) -> bool:
        """A bare 1900 to 2099: a year, as far as can be told."""
        return not self.marked and self.step == 1 and 1900 <= self.value < 2100


def figures(text: str) -> tuple[Figure, ...]:
    """The figures of a text in order, without years."""
    plain = _NO_FIGURE.sub(lambda match: " " * len(match[0]), text)
    found = []
    for match in _FIGURE.finditer(plain):
        figure = _figure(match, plain)
        if not figure.year:
            found.append(figure)
    return tuple(found)


def years(text: str) -> frozenset[str]:
    """The years a text names."""
    return frozenset(_YEAR.findall(text))


def implied_scale(question: str) -> int:
    """The power of ten a question asks for ("in USD millions"); 0 for none."""
    match = re.search(
        r"(?i)\bin (?:\w+\W ?|\w+ ){0,3}?(thousand|million|billion)s?(?![-\w])", question
    )
    return _SCALES[match[1].lower()] if match else 0


def same(one: Figure, other: Figure, implied: int = 0) -> bool:
    """Whether two figures are equal within the rounding that the coarser one shows.

    Units must agree where both have one; a bare fraction equals a percentage (0.12 and 12%), and
    a bare number the same number with a unit. ``implied``: the power of ten that a figure
    without a scale word may stand for."""
    if one.sign * other.sign < 0 or not _units_agree(one, other):
        return False
    pairs = [(one, other)]
    if implied and not one.scaled:
        pairs.append((_times(one, implied), other))
    if implied and not other.scaled:
        pairs.append((one, _times(other, implied)))
    if one.unit == "%" and not other.unit and other.value <= 1:
        pairs.append((one, _times(other, 2)))
    if other.unit == "%" and not one.unit and one.value <= 1:
        pairs.append((_times(one, 2), other))
    return any(_within_rounding(left, right) for left, right in pairs)


def matched(
    said: Sequence[Figure], gold: Sequence[Figure], ignore: Sequence[Figure] = (), implied: int = 0
) -> tuple[float, float]:
    """Precision and recall of the figures said. A figure said twice counts once; one of
    ``ignore`` (the question's own) that is not gold counts neither way."""
    gold, said = _once(gold), _once(said)
    right = [any(same(s, g, implied) for g in gold) for s in said]
    counted = [
        hit
        for hit, s in zip(right, said, strict=True)
        if hit or not any(same(s, i) for i in ignore)
    ]
    recall = sum(any(same(s, g, implied) for s in said) for g in gold) / max(1, len(gold))
    return (sum(counted) / len(counted) if counted else 0.0), recall


def _figure(match: re.Match[str], text: str) -> Figure:
    number = match["number"].replace(",", "")
    scale = match["scale"] or match["scale2"] or ""
    power = _SCALES[scale.lower()] if scale else 0
    decimals = len(number.partition(".")[2])
    currency = match["c1"] or match["c2"] or ""
    unit = (match["unit"] or "").strip().lower()
    unit = "%" if unit[:1] in ("%", "％") or unit.startswith("per") else _SYMBOLS.get(unit, "")
    unit = unit or _SYMBOLS.get(currency.lower(), "")
    ten = Decimal(10)
    return Figure(
        value=Decimal(number) * ten**power,
        step=ten ** (power - decimals),
        sign=_sign(match, text),
        unit=unit,
        scaled=bool(scale),
        digits=len(number.replace(".", "").lstrip("0")),
        marked=bool(unit or scale or decimals or "," in match["number"]),
    )


def _sign(match: re.Match[str], text: str) -> int:
    wrapped = (match["open"] or match["open2"]) and match["close"]
    if match["sign"] in ("-", "−", "–"):
        # "2022-2023", "5-7": a dash between two numbers is a range
        before = text[: match.start("sign")].rstrip(" $€£¥")
        return 1 if before[-1:].isdigit() or before[-1:] == "%" else -1
    if wrapped and not match["scale"] and ("," in match["number"] or "." in match["number"]):
        return -1 if not match["unit"] else 0
    around = text[max(0, match.start() - _NEAR) : match.end() + _NEAR // 2]
    return 0 if wrapped or _DOWN.search(around) else 1


def _units_agree(one: Figure, other: Figure) -> bool:
    return not one.unit or not other.unit or one.unit == other.unit


def _times(figure: Figure, power: int) -> Figure:
    by = Decimal(10) ** power
    return Figure(
        figure.value * by, figure.step * by, figure.sign, figure.unit, True, figure.digits, True
    )


def _within_rounding(one: Figure, other: Figure) -> bool:
    difference = abs(one.value - other.value)
    if difference == 0:
        return True
    coarse = one if one.step >= other.step else other
    if difference > coarse.step / 2:
        return False
    # One digit ("about $1 billion") rounds too much away to stand for any figure near it.
    return coarse.digits > 1 or difference <= _CLOSE_ENOUGH * max(one.value, other.value)


def _once(found: Sequence[Figure]) -> list[Figure]:
    kept: list[Figure] = []
    for figure in found:
        if not any(figure.value == k.value and figure.unit == k.unit for k in kept):
            kept.append(figure)
    return kept
