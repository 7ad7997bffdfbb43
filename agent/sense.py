"""Whether a quote says the opposite of a claim: a fall for a rise, a loss for a profit, or a "not"
that one of the two lacks. Only where that is sure: where a quote goes both ways nothing is told."""

from __future__ import annotations

import re

from agent.amounts import stems
from agent.series import FALL, RISE

_RISES = re.compile(rf"\b(?:{RISE})\b", re.IGNORECASE)
_FALLS = re.compile(rf"\b(?:{FALL})\b", re.IGNORECASE)
_NOT = r"(?:not|no|never|nor|cannot|\w+n['’]t)"
_DENIES = re.compile(rf"\b{_NOT}\b", re.IGNORECASE)
_DENIED = re.compile(
    rf"\b{_NOT}\s+(?:(?:be|been|being|have|has|had|any|a|an|the|in|event|under|circumstances)\s+)*"
    r"(?!(?:more|less|later|earlier|only|fewer|longer|limited|necessarily)\b)([a-z]{4,})",
    re.IGNORECASE,
)
_LIMITS = re.compile(
    r"\b(?:without|unless|except\w*|until|provided|other than|only|if|exclud\w+|prohibit\w+"
    r"|neither|none|free (?:of|from)|fail\w*|lack\w*|refus\w*|den(?:y|ies|ied)|in lieu)\b",
    re.IGNORECASE,
)
"""With these a "not" may mean its opposite, and there is a no without a "not"."""
_GAIN = re.compile(
    r"\b(?:net|operating|gross|comprehensive|pre-?tax)\s+(?:income|profit|earnings|result)"
    r"|\b(?:income|profit|earnings)\s*(?:[/(]|before\b|from (?:continuing )?operations)"
    r"|\bprovided by\s*\(",
    re.IGNORECASE,
)
_PROFIT = re.compile(r"\b(?:income(?! tax)|profits?|earnings|gains?)\b", re.IGNORECASE)
_LOSS = re.compile(r"\bloss(?:es)?\b", re.IGNORECASE)
_DEDUCTED = re.compile(r"\bless\b|\bnon-?controlling\b|\bminority\b|\bexpenses?\b", re.IGNORECASE)
_BELOW = re.compile(
    rf"\b(?:loss(?:es)?|lost|negative|minus|deficit|below|used|outflow|expenses?|{FALL})\b",
    re.IGNORECASE,
)


def opposite(claim: str, quote: str) -> bool:
    """Whether the quote says the opposite."""
    up, down = bool(_RISES.search(claim)), bool(_FALLS.search(claim))
    over, under = bool(_RISES.search(quote)), bool(_FALLS.search(quote))
    if (up, down) in ((True, False), (False, True)) and (over, under) == (down, up):
        return True
    lost = _LOSS.search(quote) and not _PROFIT.search(quote)
    if lost and _PROFIT.search(claim) and not _BELOW.search(claim):
        return True
    if _LIMITS.search(quote):
        return False
    if _DENIES.search(claim):
        return not _DENIES.search(quote) and bool(_denials(claim).keys() & stems(quote))
    said = stems(claim)
    return any(
        stem in said and _times(stem, quote) == times for stem, times in _denials(quote).items()
    )


def below_zero(label: str, said: str) -> bool:
    """Whether a row is one of gains, so that its figure in parentheses is a loss, and what is said
    of it speaks of none."""
    gain = _GAIN.search(label) and not _DEDUCTED.search(label)
    return bool(gain) and not _BELOW.search(said)


def _denials(text: str) -> dict[str, int]:
    """The stems of what a text denies, and how often."""
    found: dict[str, int] = {}
    for match in _DENIED.finditer(text):
        for stem in stems(match[1]):
            found[stem] = found.get(stem, 0) + 1
    return found


def _times(stem: str, text: str) -> int:
    return sum(stem in stems(word) for word in text.split())
