"""What a document is, in one line: title, type, period, the names it is filed under.

All of it is read off the name and the first page, by rules: cheap enough to make on demand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from documents.document import Document

_HEAD = 3_000
"""Characters in which a document says what it is."""
_MOST_NAMES = 3
_LONGEST_TITLE = 200
_SUFFIX = (
    r"Inc|Incorporated|Corp|Corporation|Company|Co|Ltd|Limited|plc|PLC|LLC|L\.L\.C|L\.P|LP|N\.V"
    r"|S\.A|AG|SE|Holdings|Group|Trust|Bancorp|Bank|University"
)
_FORM_ALONE = r"(?:a )?(?:limited (?:partnership|liability company)|incorporated|corporation)"
"""A second line that some names are set on."""
_FILER = re.compile(
    rf"^[^\S\n]*(?P<name>(?:[^\n]{{2,80}}\n+[^\S\n]*(?={_FORM_ALONE}\b))?[^\n]{{2,80}}?)"
    r"[^\S\n]*\n+\s*\(?\s*exact name of (?:the )?registrant"
    r"|^name of entity:\s*(?P<entity>[^\n]{2,80})$",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBERED = re.compile(
    rf"^commission file number[^\n]*\n[\s_–—-]*([^\n]{{2,80}}?\b(?:{_SUFFIX})\b\.?)[^\S\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""Where a form leaves the words "exact name of registrant" out."""
_NAMED = re.compile(
    rf"\b[A-Z][\w&'’.-]*(?:,?[^\S\n]+(?:[A-Z][\w&'’.-]*|of|and|&)){{0,4}}?"
    rf",?[^\S\n]+(?:(?i:{_SUFFIX}))\b\.?"
)
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
)
_PERIOD = re.compile(
    rf"\b(?:period|quarter|year|months|weeks)\s+ended:?\s+"
    rf"(?P<date>{_MONTH}\s+\d{{1,2}},?\s+\d{{4}}|\d{{1,2}}\s+{_MONTH}\s+\d{{4}})",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_KINDS = (
    (re.compile(r"\bform\s+(?:10-[QK]|20-F|8-K)\b", re.IGNORECASE), ""),
    (re.compile(r"\bannual report\b", re.IGNORECASE), "annual report"),
    (re.compile(r"\b(?:quarterly|interim|half[- ]year) report\b", re.IGNORECASE), "interim report"),
    (re.compile(r"^\W*abstract\b", re.IGNORECASE | re.MULTILINE), "paper"),
    (re.compile(r"\bprivacy policy\b", re.IGNORECASE), "privacy policy"),
    (re.compile(r"\b[A-Z]\w*\s+agreement\b|\bAGREEMENT\b"), "contract"),
)
_NO_NAME = re.compile(
    r"\b(?:nasdaq|stock exchange|stock market|(?:smaller reporting|emerging growth) company)\b",
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(r"united states\b|securities and exchange commission", re.IGNORECASE)
_CORPORATE = re.compile(rf"(?i:,?\s+(?:{_SUFFIX}))\.?$")


@dataclass(frozen=True, slots=True)
class Profile:
    """``kind`` is a form's number ("10-Q") or a plain word ("paper"), ``period`` the date that the
    reported period ends on, or a year; ``names`` are the organisations of the first page, as
    printed. All are empty where the first page does not say. ``filer``: the first of the names
    is stated to be whose document it is."""

    name: str
    title: str
    kind: str = ""
    period: str = ""
    names: tuple[str, ...] = ()
    filer: bool = False

    def line(self) -> str:
        """The profile in one line."""
        shown = (self.title, self.kind, self.period, ", ".join(self.names))
        return "; ".join(dict.fromkeys([self.name, *(part for part in shown if part)]))


def profile_of(document: Document) -> Profile:
    """The document's profile."""
    head = document.text[:_HEAD]
    filer = _FILER.search(head) or _NUMBERED.search(head)
    names = [] if filer is None else [" ".join(next(filter(None, filer.groups())).split())]
    names += [" ".join(match[0].split()) for match in _NAMED.finditer(head)]
    unique = {core(name).casefold(): name for name in reversed(names)}  # the first spelling stays
    kept = [name for name in dict.fromkeys(names) if unique[core(name).casefold()] == name]
    kept = [name for name in kept if not _NO_NAME.search(name)]
    title = _title(document)
    if kept and _BOILERPLATE.match(title):
        title = kept[0]
    return Profile(
        document.name,
        title,
        _kind(head),
        _period(f"{document.name} {title}", head),
        tuple(kept[:_MOST_NAMES]),
        filer is not None,
    )


def core(name: str) -> str:
    """An organisation's name without its legal form: "NVIDIA CORPORATION" is NVIDIA."""
    while (shorter := _CORPORATE.sub("", name)) != name:
        name = shorter
    return name.strip(" ,.")


def without_name(text: str, name: str) -> str:
    """The text without an organisation's name, in whatever case and legal form."""
    bare = re.sub(r"^the\s+", "", core(name), flags=re.IGNORECASE)
    form = rf"(?:\bthe\s+)?\b{re.escape(bare)}(?!\w)(?:,?\s+(?:{_SUFFIX})\b\.?)*(?:['’]s\b)?"
    return re.sub(form, " ", text, flags=re.IGNORECASE) if bare else text


def _title(document: Document) -> str:
    headings = (block for block in document.blocks if block.kind == "heading")
    first = next(headings, None)
    if first is not None and first.start < _HEAD:
        text = document.text[first.start : first.end]
    else:
        text = document.text.lstrip().partition("\n")[0]
    return " ".join(text.split()).lstrip("# ")[:_LONGEST_TITLE]


def _kind(head: str) -> str:
    for pattern, name in _KINDS:
        if (match := pattern.search(head)) is not None:
            return name or match[0].split()[-1].upper()
    return ""


def _period(name: str, head: str) -> str:
    if (match := _PERIOD.search(head)) is not None:
        return " ".join(match["date"].split())
    year = _YEAR.search(name)
    return year[0] if year else ""
