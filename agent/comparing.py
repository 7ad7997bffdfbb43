"""One line item of several documents side by side: whose is highest, in what order, in which group.

"Which company has the highest total liabilities?" takes a row of each document and a comparison,
which a small model gets wrong more often than not. Where the evidence has such a row of every
document, the answer follows from the question's words; whose row is missing is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.comparisons import Group, Order, comparison
from agent.figures import POWERS, SCALE, scale_throughout
from agent.line_items import Chosen, Told, choose_each, names_of, per_share, worded
from documents import Document, Evidence, profile_of

_LEAST_DOCUMENTS = 2
_SHORT, _LONG = 1, 1_000_000
"""From and up to what an amount without a scale may be one in thousands."""


def compared(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> Told | None:
    """What the question asks for; None where it compares nothing, where most documents have no
    figure in the evidence, or where it cannot be told for sure which is more."""
    asked = comparison(question)
    if asked is None:
        return None
    meant = _meant(question, documents)
    names = names_of(list(meant.values()))
    chosen = choose_each(asked.item, question, evidence, meant)
    found = [_in_scale(one) for one in chosen.values() if one is not None]
    if len(found) < _LEAST_DOCUMENTS or 2 * len(found) <= len(chosen) or _doubted(found):
        return None
    if asked.groups:
        result = _grouped(asked.groups, found, names)
    else:
        result = _ranked(asked.order, found, names)
    if result is None:
        return None
    lacking = tuple(key for key, one in chosen.items() if one is None)
    return Told(worded(found, names, lacking, result), asked.item, lacking)


def _doubted(found: Sequence[Chosen]) -> bool:
    """Whether figures cannot be set side by side: percentages beside amounts, or one whose scale is
    not known."""
    mixed = len({one.cell.figure.unit == "%" for one in found}) > 1
    return mixed or any(_unscaled(one) and SCALE.search(one.held.document.text) for one in found)


def _in_scale(one: Chosen) -> Chosen:
    """A short amount over which no scale is said, in the one that its document says elsewhere, if
    it never says another."""
    scale = scale_throughout(one.held.document) if _unscaled(one) else ""
    amount = one.cell.figure.value.scaleb(POWERS[scale])
    return replace(one, scale=scale, amount=amount) if scale else one


def _unscaled(one: Chosen) -> bool:
    """Whether an amount may be one in thousands that does not say so."""
    return not one.scale and _SHORT <= abs(one.amount) < _LONG and not per_share(one.held)


def _meant(question: str, documents: Mapping[str, Document]) -> dict[str, Document]:
    """The documents that the question names, or all."""
    profiles = {key: profile_of(document) for key, document in documents.items()}
    folded = question.casefold()
    named = {
        key: documents[key]
        for key, one in profiles.items()
        if one.filer and one.names[0].casefold() in folded
    }
    return named if len(named) >= _LEAST_DOCUMENTS else dict(documents)


def _ranked(order: Order | None, found: Sequence[Chosen], names: Mapping[str, str]) -> str | None:
    """Whose is the most or the least, which has to be one; or all of them in order."""
    rising = sorted(found, key=lambda one: one.amount)
    if order in ("rising", "falling"):
        shown = rising if order == "rising" else rising[::-1]
        return ", ".join(f"{one.figure} ({names[one.document]})" for one in shown)
    first, second = (rising[-1], rising[-2]) if order == "most" else (rising[0], rising[1])
    if first.amount == second.amount:
        return None
    return f"{names[first.document]}, {first.figure} [{first.held.n}]"


def _grouped(
    groups: Sequence[Group], found: Sequence[Chosen], names: Mapping[str, str]
) -> str | None:
    """The groups with who is in each; None where somebody is in none."""
    inside: dict[str, list[str]] = {group.name: [] for group in groups}
    for one in found:
        its = next((group.name for group in groups if group.holds(one.amount)), None)
        if its is None:
            return None
        inside[its].append(names[one.document])
    return "; ".join(f"{name}: {', '.join(who) or 'none'}" for name, who in inside.items())
