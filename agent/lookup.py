"""A line item asked for by its name: its figure, or how it went from report to report.

"What is the basic earnings per share of Alpha?" asks for one row and one column, "What is the trend
in Alpha's revenue from 2022 to 2024?" for one row of each of its reports. Where just one row is
called that, the answer is what it says; a small model takes a neighbour's figure too often.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise

from agent.absence import asked_names
from agent.dates import period
from agent.line_items import Chosen, Told, choose_each, names_all, names_of, worded
from agent.periods import dates, quarters, without_periods, years
from agent.planning import is_named
from documents import Document, Evidence, profile_of, without_name
from documents.rows import tokens

_LOOKUP = re.compile(
    r"^(?:what|how much)\s+(?:is|are|was|were)\s+(?P<the>the\s+)?(?P<item>[^?]+)\?", re.IGNORECASE
)
_TREND = re.compile(
    r"\btrends?\b[^?]*?\b(?:in|of)\s+(?P<in>[^?]+)\?"
    r"|^how\s+(?:did|do|does|has|have|had)\s+(?P<how>[^?]+?)\s+"
    r"(?:chang|develop|evolv|mov|trend|fluctuat|vari|progress)\w*\b[^?]*\?"
    r"|^what\s+(?:is|was|were)\s+the\s+changes?\s+in\s+(?P<change>[^?]+)\?",
    re.IGNORECASE,
)
_MORE = re.compile(r"[?,]?\s+(?:and|if so,?)\s+(?:what|how|why|which|who|where)\b", re.IGNORECASE)
"""Asks for something besides, for which no row is an answer."""
_OTHER = re.compile(
    r"\bchang\w+|\bdifferen\w+|\bincreas\w+|\bdecreas\w+|\bgrowth\b|\bpercent\w*|%|\baverage\b"
    r"|\bratio\b|\bproportion\b|(?<!per )\bshare of\b|\bsum\b|\bwhy\b|\bwhich\b|\bwho\b|\bhow\b"
    r"|\brange\b|\breasons?\b|\bfactors?\b|\bmain\b|\beach\b|\brespective(?:ly)?\b"
    r"|\bcompar\w+|\bimpact\w*|\beffects?\b|\btrends?\b|\bbased on\b|\bexceed\w*"
    r"|\b(?:more|less|higher|lower) than\b",
    re.IGNORECASE,
)
"""What is no figure of one row, or may be a figure of another."""
_OPENING = re.compile(
    r"^(?:according to|based on|in|from|for|as of|at)\b[^,?]*,\s+(?=what|how)", re.I
)
_ASIDE = re.compile(r"\([^()]*\)")
_SPOKEN = re.compile(
    r"\byear[\s-]over[\s-]year\b|\bchanges?(?=\W*$)|\b(?:the\s+)?(?:company|group|firm)['’]s\b"
    r"|\b(?:annual|quarterly|interim|financial)\s+reports?\b"
    r"|\b(?:total\s+)?(?:values?|amounts?|levels?|figures?)\s+of\b"
    r"|\b(?:over|across|during|in)\s+(?:the\s+|these\s+)?(?:(?:reported|reporting|recent|last)\s+)?"
    r"(?:periods|quarters|years|time)\b"
    r"|\b(?:based on|according to|in (?:the|its) (?:latest|most recent|last))\b[^?]*$"
    r"|\b(?:as\s+)?(?:reported|recorded|revealed|stated|disclosed|listed|shown)\s+(?:in|by)\b[^?]*$"
    r"|\b(?:for|in|at|as of|during|from|by|of)\s+(?:the\s+)?(?:end\s+of\s+(?:the\s+)?)?"
    r"(?:(?:full|entire|same|reporting|current)\s+)?"
    r"(?:years?|quarters?|(?:three|six|nine|twelve|\d+)\s+months?|period)(?:\s+end(?:ed|ing)?)?"
    r"(?=\W*$)"
    r"|\b(?:year|month|quarter)s?\s+end(?:ed|ing)?\b",
    re.IGNORECASE,
)
"""Words around an item that are none of its name."""

_TAIL = re.compile(r"(?:\W|\b(?:of|for|in|at|from|to|by|and|the|as|a|an)\b)+$", re.IGNORECASE)


def looked_up(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> Told | None:
    """What the rows say of the item that is asked for; None where the question asks for something
    else, or it cannot be told for sure which row and figure is meant."""
    asked = _OPENING.sub("", question.strip())
    trend, match = _TREND.search(asked), _LOOKUP.search(asked)
    if _MORE.search(asked) or not (trend or match):
        return None
    meant = _meant(question, documents)
    if trend and len(meant) > 1:
        item = _item(next(filter(None, trend.groups())), meant)
        return _trend(item, evidence, meant) if item else None
    if match is None or len(meant) != 1:
        return None
    if _OTHER.search(_ASIDE.sub(" ", match["item"])) or not _dated(match, question, meant):
        return None
    item = _item(match["item"], meant)
    return _one(item, question, evidence, meant) if item else None


def _dated(match: re.Match[str], question: str, meant: Mapping[str, Document]) -> bool:
    """Whether one period is meant: that of the question, or the document's own. "What are trade
    receivables?" asks for no figure at all. A quarter by its number is the document's own or none
    that can be told."""
    named = {one.value for one in quarters(question)}
    if named and any(named != {q.value for q in quarters(each.name)} for each in meant.values()):
        return False
    asked = period(question).years
    own = match["the"] is not None and all(map(_ends, meant.values()))
    return len(asked) == 1 or (not asked and own)


def _one(
    item: str, question: str, evidence: Sequence[Evidence], meant: Mapping[str, Document]
) -> Told | None:
    found = next(iter(choose_each(item, question, evidence, meant, sure=True).values()))
    if found is None:
        return None
    names = names_of(list(meant.values()))
    return Told(worded([found], names, (), f"{found.figure} [{found.held.n}]"), item, ())


def _trend(item: str, evidence: Sequence[Evidence], meant: Mapping[str, Document]) -> Told | None:
    """The item's figure in each report, earliest first; all must end at times of their own."""
    ends = {key: _ends(document) for key, document in meant.items()}
    if None in ends.values() or len(set(ends.values())) < len(ends):
        return None
    chosen = choose_each(item, "", evidence, meant)
    found = sorted((one for one in chosen.values() if one), key=lambda one: str(ends[one.document]))
    if len(found) < 2 or len({one.cell.figure.unit == "%" for one in found}) > 1:
        return None
    if not _same(item, found):
        return None
    lacking = tuple(key for key, one in chosen.items() if one is None)
    return Told(worded(found, names_of(list(meant.values())), lacking, _went(found)), item, lacking)


def _same(item: str, found: Sequence[Chosen]) -> bool:
    """Whether the reports' rows are of one thing: each names all of the item, or they are called
    the same and it is a segment's."""
    if all(names_all(one.held, item) for one in found):
        return True
    alike = len({one.held.words for one in found}) == 1
    return alike and all(names_all(one.held, item, segment=True) for one in found)


def _went(found: Sequence[Chosen]) -> str:
    """How a figure went, in words."""
    parts = [f"{found[0].figure} ({_when(found[0])}) [{found[0].held.n}]"]
    for before, after in pairwise(found):
        way = "up" if after.amount > before.amount else "down"
        way = "unchanged" if after.amount == before.amount else way
        parts.append(f"{way} at {after.figure} ({_when(after)}) [{after.held.n}]")
    return ", then ".join(parts)


def _when(one: Chosen) -> str:
    return profile_of(one.held.document).period


def _ends(document: Document) -> date | None:
    """When a document's period ends."""
    own = profile_of(document).period
    if found := dates(own):
        return found[0][0]
    named = years(own)
    return date(named[0].value, 12, 31) if named else None


def _meant(question: str, documents: Mapping[str, Document]) -> dict[str, Document]:
    """The documents of whom the question names; all of them where they are of one, or one."""
    profiles = {key: profile_of(document) for key, document in documents.items()}
    named = {key: documents[key] for key, one in profiles.items() if is_named(one, question)}
    if named:
        return named
    owners = {one.names[:1] for one in profiles.values() if one.filer}
    alone = len(documents) == 1 or (len(owners) == 1 and all(p.filer for p in profiles.values()))
    return dict(documents) if alone else {}


def _item(text: str, meant: Mapping[str, Document]) -> str:
    """The item's name alone: without whose it is, when, and what is said around it."""
    text = _ASIDE.sub(" ", text)
    for document in meant.values():
        for name in (*profile_of(document).names[:1], document.name):
            text = without_name(text, name)
    text = without_periods(re.sub(r"['’]s\b", " ", text))
    while (shorter := _TAIL.sub("", _SPOKEN.sub(" ", text))) != text:
        text = shorter
    return text if tokens(text) and not asked_names(f"the {text.lower()}") else ""
