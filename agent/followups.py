"""What in a question leans on the one before it, and rules that rewrite the simple cases."""

from __future__ import annotations

import re

from agent import periods

_LEAD = re.compile(
    r"^\s*(?:(?:and|but|so|also|ok(?:ay)?|then)\b[\s,]*)*(?:(?:what|how)\s+about\b)?[\s,]*",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|am|do|does|did|has|have|had"
    r"|can|could|will|would|should|list|compare|find|give|tell|show|explain|describe|name|compute"
    r"|calculate|summari[sz]e|add|count)\b",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"^\s*(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would|should)\s+"
    r"(?:this|that|these|those|it|they|he|she|there)\b"
    r"|\b(?:of|in|for|to|from|by|than|with|about|at|on|why|how|like|behind)\s+"
    r"(?:this|that|these|those|it|them|him)\s*(?:[?.,]|$|(?:and|or|than|compared?)\b)"
    r"|\b(?:this|that|these|those)\s*(?:\?|$)"
    r"|\b(?:that|those|the same|the former|the latter)\s+(?:(?:fiscal|financial)\s+)?"
    r"(?:year|quarter|period|figure|number|amount|compan(?:y|ies)|segment|line|item|one|ones)s?\b"
    r"|\b(?:the (?:former|latter|others?)|the same)\s*(?:[?.,]|$)",
    re.IGNORECASE,
)
_IT = re.compile(
    r"^(?:what|how (?:much|many|high|large|big))\s+(?:was|were|is|are)\s+"
    r"(?:it|that|this|they|these|those)\s+(?=\w)",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:it|its|they|them|their|theirs|he|his|him|she|her|hers)\b", re.I)
_ANTECEDENT = re.compile(
    r"\b(?:the|each|any|all|every|which|an?|no|some)\s+(?!was\b|were\b|is\b|are\b|of\b|did\b)\w{3,}",
    re.IGNORECASE,
)
_CAPITAL = re.compile(
    r"\b[A-Z][\w&.-]*(?<!\.)(?:\s+(?:(?:of|&|de|van|von)\s+)?(?!Q[1-4]\b|FY)[A-Z][\w&.-]*(?<!\.))*"
)
_WORD = re.compile(r"[^\W\d_][\w&'’-]*")
_ITEM = re.compile(
    r"\b(?:income|revenues?|sales|margins?|costs?|expenses?|profits?|loss(?:es)?|dividends?|debts?"
    r"|assets?|liabilit(?:y|ies)|equity|cash|earnings|tax(?:es)?|shares?|employees|head ?count"
    r"|interest|inventor(?:y|ies)|goodwill|depreciation|amorti[sz]ation|EPS|EBITDA|EBIT|R&D|SG&A"
    r"|COGS|FCF|GAAP|ROE|ROA|ROI|CEO|CFO|US|USD|EUR|GBP|FY|Q[1-4])\b",
    re.IGNORECASE,
)
_PLAIN = frozenset(
    "a an the and or but so also then ok okay what which who whom whose when where why how about "
    "is are was were am be been do does did has have had can could will would should of in for to "
    "from by than with at on as it its they them their he his him she her this that these those "
    "there one ones same too again please me us i we you much many not no any all each if "
    "year years quarter quarters fiscal financial period ended before earlier prior previous next "
    "previously preceding last following subsequent ago after later compared compare during tell "
    "give show between within over under until since same report document".split()
)
_SUBJECT = re.compile(
    r"^(?P<verb>(?:[Ww]hat|[Hh]ow (?:much|high|large|big))\s+(?:was|were|is|are))\s+"
    r"(?P<owner>(?:[Tt]he\s+)?(?:[\w&.-]+\s+){0,3}[\w&.-]+(?:['’]s|s['’])\s+|the\s+)?"
    r"(?P<subject>\S.*?)"
    r"(?P<tail>\s+(?:(?:in|for|during|at|as of|on|by)\b|of (?=[A-Z]|the (?:company|group|firm)\b))"
    r".+)?\?$"
)
_QUARTERS = re.compile(r"\b(?:Q[1-4]|[1-4]Q|FY)(?=\d\d|\b)", re.IGNORECASE)


_BOUND = re.compile(
    r"^(?:after|before|since|until|till|from|through|compared?|versus|vs|against|relative|than)\b",
    re.IGNORECASE,
)
"""What opens no period of its own: one side of a comparison, or an open end."""


def leans(text: str) -> bool:
    """Whether a question cannot be understood without what was asked before it."""
    core = _core(text)
    words, led = content(core), len(core) < len(text.strip())
    fragment = not _ASKS.search(core) and (len(words) <= 2 or led)
    distance = periods.moved_from(core) is not None and not periods.periods(core)
    bare = bool(_BARE.search(core)) or _unresolved(core)
    return fragment or not words or distance or bare


def by_rule(text: str, before: str) -> str | None:
    """A follow-up to the question ``before``, rewritten; None where no rule fits.

    Rules: a period at a distance, another period, another name, another line item."""
    core = _IT.sub("", _core(text)).rstrip("?.!").strip()
    if _BARE.search(core) or _unresolved(core):
        return None
    if (move := periods.moved_from(core)) is not None:
        return _at_a_distance(core, before, move)
    if _ASKS.search(core) or len(core.split()) > 8:
        return None
    rest = content(periods.without_periods(core))
    if not rest or periods.periods(core):
        return None if rest else _in_period(core, before)
    named = names(core)
    if len(named) == 1 and set(named[0].casefold().split()) >= set(rest):
        return _with_name(named[0], core, before)
    return _with_item(core, before)


def names(text: str) -> list[str]:
    """Capitalised names, less the sentence's first word where that opens a question."""
    found = []
    for match in _CAPITAL.finditer(text):
        words = match[0].split()
        while words and (words[0].casefold() in _PLAIN or _ASKS.fullmatch(words[0])):
            words = words[1:]
        name = re.sub(r"['’]s?$", "", " ".join(words))
        month = any(name[:3] == full[:3] and full.startswith(name) for full in periods.MONTHS)
        if name and not month and not _ITEM.search(name):
            found.append(name)
    return found


def content(text: str) -> list[str]:
    """The words that carry the matter, folded."""
    words = (re.sub(r"['’]s?$", "", word) for word in _WORD.findall(_QUARTERS.sub(" ", text)))
    return [word.casefold() for word in words if word.casefold() not in _PLAIN]


def _core(text: str) -> str:
    """The question less the words that tie it to the one before."""
    lead = _LEAD.match(text)
    return text[lead.end() :].strip() if lead else text.strip()


def _at_a_distance(core: str, before: str, move: periods.Move) -> str | None:
    """``the year before``, alone or inside a question of its own."""
    rest = core[: move.start] + " " + core[move.end :]
    shifted = periods.moved(before, move)
    if not content(rest) and not _ASKS.search(rest):
        return shifted or (None if periods.periods(before) else _added(core, before))
    if shifted is None or not _ASKS.search(core) or periods.periods(rest):
        return None
    place = _period_of(shifted)
    if place is None:
        return None
    head = re.sub(r"\b(?:in|for|during|of)\s*$", "", core[: move.start].rstrip()).rstrip()
    if re.search(r"\b(?:with|to|than|from|against|over|and|or)$", head):
        return None  # a comparison: it has two periods
    subject = _SUBJECT.match(before)
    if subject and subject["owner"] and not names(core):
        verb = r"^((?:what|how (?:much|high|large|big))\s+(?:was|were|is|are))\s+(?:the\s+)?"
        head = re.sub(verb, rf"\1 {subject['owner']}", head, flags=re.IGNORECASE)
    return f"{head} {place}{core[move.end :].rstrip()}?"


def _period_of(question: str) -> str | None:
    """The question's period with its preposition, where it is said at the end."""
    found = re.search(r"\b(?:in|for|during|as of|at)\s+(?P<rest>[^?]*)\?$", question)
    if found is None or content(periods.without_periods(found["rest"])):
        return None
    return question[found.start() : -1]


def _in_period(core: str, before: str) -> str | None:
    """Another year, quarter or date in the place of the one before."""
    year = {one.value for one in periods.years(core)}
    quarter = {one.value for one in periods.quarters(core)}
    days = periods.dates(core)
    several = max(len(year), len(quarter), len(days)) > 1
    if several or not (year or quarter) or _BOUND.match(core):
        return None
    if days:
        return _on_day(core[days[0][1] : days[0][2]], before)
    if not periods.periods(before):
        return _added(core, before)
    place = _period_of(before)
    whole = (year and quarter) or re.search(r"\bfiscal|\bfull\b|\bFY", core, re.IGNORECASE)
    if whole and place and (periods.dates(before) or periods.quarters(before)):
        return _added(core, f"{before[: -len(place) - 1].rstrip()}?")
    if quarter:
        return _in_quarter(quarter.pop(), year.pop() if year else None, before)
    named = {one.value for one in periods.years(before)}
    return periods.by_years(before, year.pop() - named.pop()) if len(named) == 1 else None


def _on_day(day: str, before: str) -> str | None:
    there = periods.dates(before)
    return before[: there[0][1]] + day + before[there[0][2] :] if len(there) == 1 else None


def _added(period: str, before: str) -> str:
    """The question with a period at its end."""
    led = re.match(r"(?:in|for|during|at|as of|the|an?|one|two)\b", period, re.IGNORECASE)
    return f"{before[:-1]} {period if led else f'in {period}'}?"


def _in_quarter(quarter: int, year: int | None, before: str) -> str | None:
    named = {one.value for one in periods.years(before)}
    if periods.dates(before) or len(named) > 1 or len(periods.quarters(before)) > 1:
        return None
    if periods.quarters(before):
        text = periods.with_quarter(before, quarter)
    elif (start := periods.year_with_prefix(before)) is not None:
        text = f"{before[:start]}Q{quarter} of {before[start:]}"
    else:
        return None
    if year is None:
        return text
    return periods.by_years(text, year - named.pop()) if named else f"{text[:-1]} of {year}?"


def _with_name(name: str, core: str, before: str) -> str | None:
    """Another name in the place of the only one, or added where there is none, or where it is a
    place."""
    there = names(before)
    owned = re.search(r"\b[A-Z][\w&.-]*['’]s?\s", before)
    if owned and re.match(r"in\b", core, re.IGNORECASE):
        return f"{before[:-1]} in {name}?"
    owners = [one for one in there if re.search(rf"{re.escape(one)}['’]", before)]
    one = owners if len(set(owners)) == 1 else there
    if not there:
        preposition = re.match(r"(?:for|at|in|of|by)\b", core, re.IGNORECASE)
        return f"{before[:-1]} {preposition[0].lower() if preposition else 'for'} {name}?"
    if len(set(one)) != 1 or name == one[0]:
        return None
    return re.sub(rf"\b{re.escape(one[0])}\b", lambda _: name, before)


def _with_item(core: str, before: str) -> str | None:
    """Another line item in the place of the one that was asked for."""
    match = _SUBJECT.match(before)
    if match is None or re.match(r"(?:in|for|at|by|of|with|per|from|as|to)\b", core, re.IGNORECASE):
        return None
    item = re.sub(r"^the\s+", "", core, flags=re.IGNORECASE) if match["owner"] else core
    if re.search(r"['’]s\b", item) or not re.fullmatch(r"[\w&'’ ,/-]+", item):
        return None
    verb = match["verb"]
    plural = item.endswith("s") and not item.endswith("ss")
    verb = re.sub(r"was$", "were", verb) if plural else re.sub(r"were$", "was", verb)
    verb = re.sub(r"is$", "are", verb) if plural else re.sub(r"are$", "is", verb)
    return f"{verb} {match['owner'] or ''}{item}{match['tail'] or ''}?"


def _unresolved(text: str) -> bool:
    """Whether a pronoun comes before anything that it may stand for."""
    found = _PRONOUN.search(text)
    if found is None:
        return False
    before = text[: found.start()]
    return not names(before) and not _ANTECEDENT.search(before)
