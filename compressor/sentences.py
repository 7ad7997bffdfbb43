"""Where sentences end: abbreviations, initials, decimals and list numbers do not end one."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?。！？][\"'”’)\]]*(?:\s+|(?<=[。！？]))")
_BREAK = re.compile(r"\n\s*")
_LAST_WORD = re.compile(r"([^\s(\"“]+)$")
_OPENS = re.compile(r"[\"'“‘(\[$€£¥•\-–—]*[^a-z\s]")
_ABBREVIATIONS = frozenset(
    "inc corp co ltd llc plc vs no nos mr mrs ms dr prof st jr sr fig figs eq sec art vol ed eds "
    "e.g i.e cf al etc approx dept est jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k "
    "u.n d.c a.m p.m ph.d n.v s.a l.p pp ca viz messrs gov gen rep sen col capt lt sgt".split()
)


def sentences(
    text: str, start: int = 0, end: int | None = None, *, lines_end: bool = False
) -> list[tuple[int, int]]:
    """The sentences in ``text[start:end]`` as ranges without the white space around them.
    With ``lines_end`` a line end is a sentence end too (text whose lines are paragraphs)."""
    stop = len(text) if end is None else end
    cuts = [m.end() for m in _END.finditer(text, start, stop) if _ends_here(text, m, start, stop)]
    if lines_end:
        cuts.extend(match.end() for match in _BREAK.finditer(text, start, stop))
        cuts.sort()
    found = []
    here = start
    for cut in [*cuts, stop]:
        trimmed = trim(text, here, cut)
        if trimmed[0] < trimmed[1]:
            found.append(trimmed)
        here = max(here, cut)
    return found


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without the white space at its ends."""
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return start + left, start + max(left, len(piece.rstrip()))


def _ends_here(text: str, match: re.Match[str], start: int, stop: int) -> bool:
    if text[match.start()] != ".":
        return True
    if match.end() < stop and not _OPENS.match(text, match.end(), stop):
        return False
    before = _LAST_WORD.search(text, max(start, match.start() - 20), match.start())
    if before is None:
        return True
    word = before.group(1)
    if word.lower() in _ABBREVIATIONS:
        return False
    is_initial = len(word) == 1 and word.isupper()
    begins_line = before.start() == start or text[before.start() - 1] == "\n"
    is_list_number = begins_line and word.replace(".", "").isdigit()
    return not (is_initial or is_list_number)
